//! A part of a record has an `updated_at` of its own.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Name {
    #[sync(merge = Latest)]
    first: String,
}

fn main() {}
