//! Fields that a server would be asked for in another form than the records have.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins, replica)]
struct Note {
    id: String,
    #[sync(index)]
    #[serde(default, with = "chrono::serde::ts_seconds_option")]
    done_at: Option<DateTime<Utc>>,
    #[sync(index)]
    #[serde(deserialize_with = "any_number")]
    priority: u8,
    #[sync(index)]
    #[serde(with = "chrono::serde::ts_seconds")]
    updated_at: DateTime<Utc>,
}

fn any_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    u8::deserialize(deserializer)
}

fn main() {}
