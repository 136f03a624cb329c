//! What the example programs share: the reference server that they talk to.

pub mod server;
