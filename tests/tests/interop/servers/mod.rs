//! The servers, as processes of their own.

mod couchdb;
mod json_server;
mod kinto;
mod postgres;
mod postgrest;
mod process;

pub use self::couchdb::CouchDb;
pub use self::json_server::{JsonServer, V0, V1};
pub use self::kinto::{Kinto, KintoOnDisk};
pub use self::postgrest::Postgrest;
