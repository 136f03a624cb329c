//! `FIELDS` knows the fields by name.

use sync::{Mergeable, Merged};

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Name {
    first: String,
}

fn decide(merged: &Merged<Name>) {
    let _ = merged.overlap(Name::FIELDS.frist);
}

fn main() {}
