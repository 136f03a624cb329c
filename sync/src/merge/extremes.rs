//! The greater or the smaller of two.

use super::{Merging, Outcome, Policy, Sides};

/// `#[sync(merge = Max)]`: the greater value, where both sides changed it. The order of the writes makes no difference.
#[derive(Debug, Clone, Copy)]
pub struct Max;

impl<F: Ordered> Policy<F> for Max {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        if sides.local > sides.remote { Outcome::Local } else { Outcome::Remote }
    }
}

/// `#[sync(merge = Min)]`: the smaller value, where both sides changed it. The order of the writes makes no difference.
#[derive(Debug, Clone, Copy)]
pub struct Min;

impl<F: Ordered> Policy<F> for Min {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        if sides.local < sides.remote { Outcome::Local } else { Outcome::Remote }
    }
}

/// A type of which any two values have a greater one: whatever is [`Ord`]. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no greater and no smaller value: `merge = Max` and `merge = Min` need `{Self}: Ord`",
    label = "`{Self}` does not implement `Ord`",
    note = "use a type with an order, such as an integer or a time (derive `PartialOrd`, `Eq` and `Ord` on a type of your own), or choose another policy; for floats, write `merge_with = …` with a function of yours"
)]
pub trait Ordered: Ord {}

#[diagnostic::do_not_recommend]
impl<F: Ord> Ordered for F {}
