//! What overlaps is kept, and outlives the call.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Name<'a> {
    first: &'a str,
}

fn main() {}
