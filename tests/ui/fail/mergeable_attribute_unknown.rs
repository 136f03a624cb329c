//! On a part of a record, only what a part can say is known.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
#[sync(table = "names")]
struct Name {
    first: String,
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
#[sync(replica, version = 2)]
struct Address {
    street: String,
}

fn main() {}
