//! What belongs to an entity, to a field or to the struct is told where.

use sync::Mergeable;

#[derive(Debug, Clone, PartialEq, Mergeable)]
#[sync(merge = Text)]
struct Name {
    #[sync(id)]
    first: String,
    #[sync(on_delete = Delete)]
    last: String,
    #[sync(merg = Text)]
    title: String,
}

fn main() {}
