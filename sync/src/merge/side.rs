//! Policies that take one side whole.

use super::{Merging, Outcome, Policy, Sides};

/// One of the two sides of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// This device's.
    Local,
    /// The server's.
    Remote,
}

impl<F> From<Side> for Outcome<F> {
    fn from(side: Side) -> Self {
        match side {
            Side::Local => Self::Local,
            Side::Remote => Self::Remote,
        }
    }
}

/// `#[sync(merge = Remote)]`, and what a field without a policy follows: the server's value, where both sides changed it.
///
/// Which value that is depends on whose write reached the server first; all devices end with it.
#[derive(Debug, Clone, Copy)]
pub struct Remote;

impl<F> Policy<F> for Remote {
    fn merge(_: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        Outcome::Remote
    }
}

/// `#[sync(merge = Local)]`: this device's value, where both sides changed it.
///
/// Which value that is depends on whose write reached the server last: that device merges and sends its own. All devices end
/// with it.
#[derive(Debug, Clone, Copy)]
pub struct Local;

impl<F> Policy<F> for Local {
    fn merge(_: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        Outcome::Local
    }
}

/// `#[sync(merge = Latest)]`: the value of the side whose struct has the later `updated_at`, where both sides changed it; on
/// a tie, the server's.
///
/// In a struct with such a field, an `updated_at` without a policy of its own follows this one as well, so that a merged
/// record carries the later time, and the next merge compares with that. The times are those of the devices' clocks, as
/// with [`LastWriteWins`](crate::LastWriteWins); two devices come to the same value in either order unless the times tie.
#[derive(Debug, Clone, Copy)]
pub struct Latest;

impl<F> Policy<F> for Latest {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        sides.later().into()
    }
}
