//! What a story needs of a server.

use std::future::Future;

use sync::Dialect;

/// A real server on a free loopback port, until it is dropped.
pub trait Backend: Sized {
    /// Its ways.
    fn dialect() -> Dialect;

    /// Starts it with empty collections.
    fn start() -> impl Future<Output = Self>;

    /// The base URL's path, and the port on 127.0.0.1.
    fn path(&self) -> &'static str;

    fn port(&self) -> u16;

    /// Ends the server's process and starts it anew on the same port and the same data; `false` where it has no disk and
    /// would forget everything.
    fn restart(&mut self) -> impl Future<Output = bool>;

    /// Whether an id may have any character in it.
    fn takes_any_id() -> bool {
        true
    }

    /// Has to be sent with each request, if anything.
    fn user(&self) -> Option<(&str, &str)> {
        None
    }
}
