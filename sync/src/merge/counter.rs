//! Numbers that both sides count on.

use std::any::Any;
use std::ops::{Add, Sub};
use std::time::Duration;

use super::{Merging, Outcome, Policy, Sides};

/// `#[sync(merge = Counter)]`: what it was, plus what this device added or took away, plus what the server's side did.
///
/// What leaves the range of an integer, a float or a [`Duration`] stops at its end. Other types add and subtract as their own
/// operators do; those of decimals mostly panic on overflow, which leaves the conflict as it is and is reported. The order
/// of the writes makes no difference.
///
/// Two devices that count to the same number have, for all that a merge can see, counted the same thing: 3 and 3 that were 2
/// stay 3. Without an ancestor nothing is known of changes, and the server's number stands.
/// It is as right as the ancestor is: see [what the merge promises](crate::merge#what-the-merge-promises).
#[derive(Debug, Clone, Copy)]
pub struct Counter;

impl<F: Countable> Policy<F> for Counter {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        match sides.base {
            Some(base) => Outcome::Both(counted(base, sides.local, sides.remote)),
            None => Outcome::Remote,
        }
    }
}

/// A type that [`Counter`] can count with: whatever has `+` and `-`, such as integers, `f64`, and decimals. There is nothing
/// to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be counted: `merge = Counter` needs `{Self}: Add<Output = {Self}> + Sub<Output = {Self}>`",
    label = "`{Self}` has no `+` and `-`",
    note = "use an integer, a float or a decimal, implement `Add` and `Sub` on a type of your own, or choose another policy"
)]
pub trait Countable: Clone + Add<Output = Self> + Sub<Output = Self> + 'static {}

#[diagnostic::do_not_recommend]
impl<F: Clone + Add<Output = F> + Sub<Output = F> + 'static> Countable for F {}

/// The numbers of the standard library stop at their ends; everything else does as its operators do, which are all that is
/// asked of it.
fn counted<F: Countable>(base: &F, local: &F, remote: &F) -> F {
    let operators = || local.clone() + remote.clone() - base.clone();
    saturating(base, local, remote).unwrap_or_else(operators)
}

/// The value, if the two types are the same.
fn same<F: Any, T: Any>(value: &F) -> Option<&T> {
    (value as &dyn Any).downcast_ref()
}

macro_rules! saturating {
    ($($T:ty, $count:expr;)*) => {
        fn saturating<F: Countable>(base: &F, local: &F, remote: &F) -> Option<F> {
            $(if let (Some(base), Some(local), Some(remote)) = (
                same::<F, $T>(base),
                same::<F, $T>(local),
                same::<F, $T>(remote),
            ) {
                let sum: $T = $count(*base, *local, *remote);
                return same::<$T, F>(&sum).cloned();
            })*
            None
        }
    };
}

/// The difference of two integers always fits into the unsigned type of the same width, so that the sum is exact before it
/// is cut off.
macro_rules! signed {
    ($T:ty) => {
        |base: $T, local: $T, remote: $T| match local.abs_diff(base) {
            change if local < base => remote.saturating_sub_unsigned(change),
            change => remote.saturating_add_unsigned(change),
        }
    };
}

macro_rules! unsigned {
    ($T:ty) => {
        |base: $T, local: $T, remote: $T| match local.abs_diff(base) {
            change if local < base => remote.saturating_sub(change),
            change => remote.saturating_add(change),
        }
    };
}

/// The two changes are added up first, so that the sides can be swapped.
macro_rules! float {
    ($T:ty) => {
        |base: $T, local: $T, remote: $T| {
            let sum = base + ((local - base) + (remote - base));
            let finite = base.is_finite() && local.is_finite() && remote.is_finite();
            if finite { sum.clamp(<$T>::MIN, <$T>::MAX) } else { sum }
        }
    };
}

saturating! {
    u8, unsigned!(u8);
    u16, unsigned!(u16);
    u32, unsigned!(u32);
    u64, unsigned!(u64);
    u128, unsigned!(u128);
    usize, unsigned!(usize);
    Duration, unsigned!(Duration);
    i8, signed!(i8);
    i16, signed!(i16);
    i32, signed!(i32);
    i64, signed!(i64);
    i128, signed!(i128);
    isize, signed!(isize);
    f32, float!(f32);
    f64, float!(f64);
}
