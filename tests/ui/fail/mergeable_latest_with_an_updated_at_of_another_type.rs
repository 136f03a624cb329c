//! It has to be a time.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Name {
    #[sync(merge = Latest)]
    first: String,
    updated_at: String,
}

fn main() {}
