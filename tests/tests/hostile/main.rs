//! Servers that mean harm, over real sockets: bounded time and memory, an error that says what it is about, no credential
//! where it does not belong, and a queue that is sent once the server is sane.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod answers;
mod bodies;
mod cursors;
mod heads;
mod lists;
mod pages;
mod redirects;
mod server;
mod story;
mod tls;
