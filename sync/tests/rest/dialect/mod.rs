//! Servers with other ways than the contract's, described by a dialect and nothing else.

mod batches;
mod comparing;
mod counting;
mod cursors;
mod lists;
mod shifting;
mod writes;
