//! `RestRemote` over real loopback sockets: what goes over the wire, and what answers come to.
//!
//! The server ([`server`]) says exactly what a test tells it to say, byte by byte, and keeps what it was sent.

#![cfg(feature = "rest")]
#![allow(missing_docs, reason = "tests are named after what they pin down")]
#![allow(unreachable_pub, reason = "a test program exports nothing")]
#![allow(clippy::format_push_string, clippy::unnecessary_wraps, reason = "tests are written to be read")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;
mod configuration;
mod conflicts;
mod credentials;
mod dialect;
mod failures;
mod fetching;
mod given;
mod identifiers;
mod live;
mod pages;
mod redirects;
mod retry_after;
mod server;
mod versions;
mod writes;
