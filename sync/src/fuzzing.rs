//! What cargo-fuzz feeds (`fuzz/`), and what the tests feed again with the inputs that were kept (`tests/corpora.rs`).
//!
//! Each function takes any bytes, and panics when something does not hold that always has to.

pub use crate::remote::rest::fuzzing::{answer, dialect, headers, page};
pub use crate::storage::sqlite::fuzzing::row;
