//! Collections in which each value is or is not.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

use super::{Merging, Outcome, Policy, Sides};

/// `#[sync(merge = Set)]`: what neither side removed stays, and what either added is in it.
///
/// No change of either side is lost, and the order of the writes makes no difference, except to the order of a `Vec`.
/// Without an ancestor nothing is known to be removed, and everything of both sides is in it.
#[derive(Debug, Clone, Copy)]
pub struct Set;

impl<F: MergeSet> Policy<F> for Set {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        Outcome::Both(F::merge_set(sides.base, sides.local, sides.remote))
    }
}

/// A collection that can be merged as a set: a [`BTreeSet`], a [`HashSet`], or a `Vec` whose items are `Eq + Hash`.
///
/// A `Vec` keeps the server's order, with what this device added behind it, in this device's order; an item that it holds
/// twice is in it once after a merge. Implement it for a collection of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set: `merge = Set` needs a `BTreeSet`, a `HashSet`, or a `Vec` of `Eq + Hash` items",
    label = "`{Self}` does not implement `MergeSet`",
    note = "use one of these types (derive `Eq` and `Hash` on the items), implement `sync::merge::MergeSet` for your own, or choose another policy"
)]
pub trait MergeSet: Sized {
    /// Whatever neither side removed, and whatever either added.
    #[must_use]
    fn merge_set(base: Option<&Self>, local: &Self, remote: &Self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Ord + Clone> MergeSet for BTreeSet<T> {
    fn merge_set(base: Option<&Self>, local: &Self, remote: &Self) -> Self {
        let before = |item: &T| base.is_some_and(|base| base.contains(item));
        let both = local.intersection(remote);
        let added = local.symmetric_difference(remote).filter(|item| !before(item));
        both.chain(added).cloned().collect()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Eq + Hash + Clone, S: BuildHasher + Clone> MergeSet for HashSet<T, S> {
    fn merge_set(base: Option<&Self>, local: &Self, remote: &Self) -> Self {
        let before = |item: &T| base.is_some_and(|base| base.contains(item));
        let mut merged = remote.clone();
        merged.retain(|item| local.contains(item) || !before(item));
        merged.extend(local.iter().filter(|item| !before(item)).cloned());
        merged
    }
}

#[diagnostic::do_not_recommend]
impl<T: Eq + Hash + Clone> MergeSet for Vec<T> {
    fn merge_set(base: Option<&Self>, local: &Self, remote: &Self) -> Self {
        let base: HashSet<&T> = base.into_iter().flatten().collect();
        let here: HashSet<&T> = local.iter().collect();
        let mut seen = HashSet::new();
        let kept = remote.iter().filter(|item| here.contains(item) || !base.contains(item));
        let added = local.iter().filter(|item| !base.contains(item));
        kept.chain(added).filter(|item| seen.insert(*item)).cloned().collect()
    }
}
