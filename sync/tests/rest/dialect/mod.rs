//! Servers with other ways than the contract's, described by a dialect and nothing else.

mod lists;
mod shifting;
mod writes;
