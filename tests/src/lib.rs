//! What the stories share: entities, an application that keeps what it is told, and engines on a server in memory.

pub mod app;
pub mod device;
pub mod entities;
pub mod log;
pub mod simulation;
pub mod soak;
pub mod tls;
