//! What a policy is.

use super::{Merging, OnDelete, Side};

/// Decides what becomes of a value of type `F` that both sides changed to different things.
///
/// It is asked about nothing else: what one side changed, and what both changed alike, needs no decision. So every policy
/// keeps the [laws](crate::merge#what-the-merge-promises).
///
/// One of your own is a type that implements this and is named by its path:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sync::merge::{Merging, Outcome, Policy, Sides};
/// use sync::{Mergeable, Syncable};
///
/// #[derive(Clone, PartialEq, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/profiles", conflict = Merge)]
/// struct Profile {
///     id: u64,
///     #[sync(merge = Longer)]
///     about: String,
/// }
///
/// struct Longer;
///
/// impl Policy<String> for Longer {
///     fn merge(sides: Sides<'_, String>, _: &mut Merging) -> Outcome<String> {
///         if sides.local.len() > sides.remote.len() { Outcome::Local } else { Outcome::Remote }
///     }
/// }
///
/// let about = |about: &str| Profile { id: 1, about: about.into() };
/// let merged = Profile::merge(Some(&about("")), &about("a fisher"), &about("fishes"));
/// assert_eq!(merged.value.about, "a fisher");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how values of `{F}` are merged",
    label = "`{Self}` does not implement `Policy<{F}>`",
    note = "use `Remote`, `Local`, `Latest`, `Max`, `Min`, `Counter`, `Set`, `Map`, `Text` or `Nested`, or implement `sync::merge::Policy<{F}>` for `{Self}`"
)]
pub trait Policy<F> {
    /// Who wins when one side deleted the value, as an entry of a map, and the other changed it.
    const ON_DELETE: OnDelete = OnDelete::KeepEdit;

    /// Decides. The two sides differ from each other and from the ancestor, or there is none.
    fn merge(sides: Sides<'_, F>, merging: &mut Merging) -> Outcome<F>;
}

/// A value on both sides, and what it was before.
#[derive(Debug)]
pub struct Sides<'a, F: ?Sized> {
    /// The last value that both sides knew; `None` when there was none.
    pub base: Option<&'a F>,
    /// This device's.
    pub local: &'a F,
    /// The server's.
    pub remote: &'a F,
    later: Side,
}

impl<F: ?Sized> Clone for Sides<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: ?Sized> Copy for Sides<'_, F> {}

impl<'a, F: ?Sized> Sides<'a, F> {
    /// The sides of a value that nothing dates.
    #[must_use]
    pub fn new(base: Option<&'a F>, local: &'a F, remote: &'a F) -> Self {
        Self { base, local, remote, later: Side::Remote }
    }

    /// The same sides of a struct whose `updated_at`s say which one is the later: what [`later`](Self::later) answers for
    /// its fields.
    #[must_use]
    pub fn dated(self, local: &impl crate::Timestamp, remote: &impl crate::Timestamp) -> Self {
        let later = if local.to_utc() > remote.to_utc() { Side::Local } else { Side::Remote };
        Self { later, ..self }
    }

    /// The side whose struct has the later `updated_at`; the server's on a tie, and where nothing says.
    #[must_use]
    pub fn later(&self) -> Side {
        self.later
    }

    /// A part of the value, on both sides and before.
    #[must_use]
    pub fn map<G: ?Sized>(self, part: impl Fn(&'a F) -> &'a G) -> Sides<'a, G> {
        self.with(self.base.map(&part), part(self.local), part(self.remote))
    }

    /// Other values, dated alike.
    #[must_use]
    pub fn with<'b, G: ?Sized>(self, base: Option<&'b G>, local: &'b G, remote: &'b G) -> Sides<'b, G> {
        Sides { base, local, remote, later: self.later }
    }
}

/// What a [`Policy`] decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<F> {
    /// This device's value; what the server's changed is not in it.
    Local,
    /// The server's value; what this device changed is not in it.
    Remote,
    /// A value with both changes in it.
    Both(F),
    /// A value with something of both changes in it, and the server's where they clashed.
    Partly(F),
    /// A value whose parts were merged one by one, each with [`Merging::part`], which listed what overlapped in them.
    Parts(F),
}
