//! There is one `updated_at`.

use chrono::{DateTime, Utc};
use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Name {
    #[sync(updated_at)]
    changed: DateTime<Utc>,
    #[sync(updated_at)]
    created: DateTime<Utc>,
}

fn main() {}
