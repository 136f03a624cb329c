//! The shell around the pure core: it does the I/O, keeps the time and the counts, and calls the user's handlers.
//!
//! Data flows one way. A push goes through the [`ledger`] into the storage, with what others ask for at the same time ([`group`]).
//! A sync is asked for in the [`inbox`]; the [`driver`] runs one at a time: [`flush`] claims what can be sent ([`claim`]) and makes one
//! [`attempt`] each, of which the [`answer`] is read; [`pull`] fetches pages and applies them ([`page`]), and now and then looks for what
//! is gone ([`sweep`]). Both come to the row through [`reconcile`], and so does what the user decides ([`verdicts`]). Nothing in here is
//! generic over the user's types: the typed rim is reached through [`port`].

mod answer;
pub(crate) mod attempt;
pub(crate) mod claim;
pub(crate) mod core;
pub(crate) mod driver;
pub(crate) mod entities;
pub(crate) mod flush;
pub(crate) mod group;
pub(crate) mod held;
pub(crate) mod inbox;
pub(crate) mod intake;
pub(crate) mod kept;
pub(crate) mod ledger;
mod listen;
pub(crate) mod notes;
pub(crate) mod outbox;
mod outcome;
pub(crate) mod outdated;
pub(crate) mod page;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod pull;
pub(crate) mod receipt;
pub(crate) mod reconcile;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod shapes;
pub(crate) mod showing;
pub(crate) mod suspects;
pub(crate) mod sweep;
mod timers;
pub(crate) mod to_its_end;
pub(crate) mod turn;
pub(crate) mod verdicts;
pub(crate) mod watches;
