//! An enum has no fields that could be merged one by one.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
enum Colour {
    Red,
    Blue,
}

fn main() {}
