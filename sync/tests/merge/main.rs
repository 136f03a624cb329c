//! What becomes of two versions of one record: the laws that every policy keeps, and each policy by its own story.

#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may; its floats are exact")]

mod collections;
mod counting;
mod derived;
mod groups;
mod laws;
mod nesting;
mod overlaps;
mod recursive;
mod sides;
mod strategy;
mod texts;

use sync::merge::{Merging, Policy, Sides, Step};

/// Merges one value by a policy, as a field of a struct is.
fn by<P, F>(base: Option<&F>, local: &F, remote: &F) -> F
where
    P: Policy<F>,
    F: PartialEq + Clone + Send + Sync + 'static,
{
    Merging::default().part::<P, F>(Step::Field("it"), Sides::new(base, local, remote))
}

fn text(text: &str) -> String {
    text.to_owned()
}
