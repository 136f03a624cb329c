//! Nor has a tuple struct.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Point(u64, u64);

fn main() {}
