//! The trait that the derives implement, what a merge comes to, and the merge while it is under way.

use std::any::Any;

use super::overlap::side;
use super::{Both, Field, Kept, Outcome, Overlap, Policy, Sides, Step};

/// A type whose values can be merged three-way.
///
/// The derive of [`Syncable`](crate::Syncable) implements it for entities with `conflict = Merge`, and for those with
/// another strategy of which a field has a policy. `#[derive(Mergeable)]` implements it for the type of a field, which is
/// then merged with `#[sync(merge = Nested)]`:
///
/// ```
/// use sync::Mergeable;
///
/// #[derive(Debug, Clone, PartialEq, Mergeable)]
/// #[sync(on_delete = Delete)] // for an `Option<Address>`: emptying it wins over an edit on the other side
/// struct Address {
///     #[sync(group = "place")]
///     street: String,
///     #[sync(group = "place")]
///     city: String,
///     #[sync(merge = Text)]
///     directions: String,
/// }
///
/// let at = |street: &str, city: &str| Address { street: street.into(), city: city.into(), directions: String::new() };
/// let merged = Address::merge(Some(&at("Long Lane", "York")), &at("Short Lane", "York"), &at("Long Lane", "Leeds"));
/// assert_eq!(merged.value, at("Long Lane", "Leeds"), "never `Short Lane` in `Leeds`");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be merged field by field",
    label = "`{Self}` does not implement `Mergeable`",
    note = "write `#[derive(Mergeable)]` on `{Self}`; if it is an entity, write `conflict = Merge` in its `#[sync(…)]` instead"
)]
pub trait Mergeable: Sized {
    /// The fields, each under its own name; `()` for a type that has none.
    type Fields;

    /// Names a field where [`Merged::overlap`] asks for one, as in `Note::FIELDS.title`.
    const FIELDS: Self::Fields;

    /// Who wins when one side deleted it, and the other changed it: `#[sync(on_delete = …)]`.
    const ON_DELETE: OnDelete = OnDelete::KeepEdit;

    /// Merges each field, and notes what overlaps. [`merge`](Self::merge) is what to call.
    #[must_use]
    fn merge_fields(sides: Sides<'_, Self>, merging: &mut Merging) -> Self;

    /// Merges what two sides made of a common ancestor, which is `None` where they have none.
    #[must_use]
    fn merge(base: Option<&Self>, local: &Self, remote: &Self) -> Merged<Self> {
        let mut merging = Merging::default();
        let value = Self::merge_fields(Sides::new(base, local, remote), &mut merging);
        Merged { value, overlaps: merging.overlaps }
    }
}

/// Who wins when one side deleted something and the other edited it: `#[sync(on_delete = …)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The edit: what was edited can be deleted again, what is gone cannot be edited.
    #[default]
    KeepEdit,
    /// The deletion.
    Delete,
}

/// What a merge came to.
///
/// A handler that wants to decide only what the policies could not:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sync::{BoxError, Conflict, Mergeable, OnConflict, Resolution, Schema, Syncable};
/// # use sync::OnPull;
///
/// #[derive(Clone, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/tasks", conflict = Manual)]
/// struct Task {
///     id: u64,
///     title: String,
///     #[sync(merge = Counter)] // one policy, and `Task::merge` is there
///     hours: u32,
/// }
///
/// # #[derive(Schema)]
/// # #[sync(entities(Task))]
/// # struct App;
/// # impl OnPull<Task> for App {}
/// impl OnConflict<Task> for App {
///     async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
///         let (Some(local), Some(remote)) = (&conflict.local, &conflict.remote) else { return Ok(Resolution::Defer) };
///         let mut merged = Task::merge(conflict.base.as_ref(), local, remote);
///         if let Some(title) = merged.overlap(Task::FIELDS.title) {
///             merged.value.title = format!("{} / {}", title.remote, title.local);
///         }
///         Ok(Resolution::Merged(merged.value))
///     }
/// }
/// # let task = |title: &str| Task { id: 1, title: title.into(), hours: 0 };
/// # let conflict = Conflict::new(1, Some(task("a")), Some(task("b")), Some(task("c")));
/// # let answer = futures::executor::block_on(App.on_conflict(conflict)).unwrap();
/// # assert!(matches!(answer, Resolution::Merged(task) if task.title == "c / b"));
/// ```
#[derive(Debug, Clone)]
pub struct Merged<T> {
    /// The merged value: each overlap is decided as its policy says.
    pub value: T,
    /// What both sides changed to different things, in the order of the fields.
    pub overlaps: Vec<Overlap>,
}

impl<T> Merged<T> {
    /// The three values of a field that both sides changed to different things; `None` for one that they did not.
    ///
    /// For a field inside another one, see [`Field::then`].
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a field is named where it is asked for")]
    pub fn overlap<F: Clone + 'static>(&self, field: Field<T, F>) -> Option<Both<F>> {
        let overlap = self.overlaps.iter().find(|overlap| field.is_at(overlap.path()))?;
        Some(Both {
            base: overlap.base().cloned(),
            local: overlap.local().cloned()?,
            remote: overlap.remote().cloned()?,
        })
    }

    /// Whether some change of either side is not in the merged value: there is an overlap that does not keep
    /// [`Kept::Both`].
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.overlaps.iter().any(|overlap| overlap.kept() != Kept::Both)
    }
}

/// A merge under way: where it is, and what overlapped so far.
#[derive(Debug, Default)]
pub struct Merging {
    path: Vec<Step>,
    overlaps: Vec<Overlap>,
}

impl Merging {
    /// Merges a part of a value by a policy, and notes where both sides changed it to different things.
    #[must_use]
    pub fn part<P, F>(&mut self, step: Step, sides: Sides<'_, F>) -> F
    where
        P: Policy<F>,
        F: PartialEq + Clone + Send + Sync + 'static,
    {
        self.part_with(step, sides, P::merge)
    }

    /// Like [`part`](Self::part), by a function.
    #[must_use]
    pub fn part_with<F>(
        &mut self,
        step: Step,
        sides: Sides<'_, F>,
        decide: impl FnOnce(Sides<'_, F>, &mut Self) -> Outcome<F>,
    ) -> F
    where
        F: PartialEq + Clone + Send + Sync + 'static,
    {
        self.path.push(step);
        let merged = self.decide(sides, decide);
        self.path.pop();
        merged
    }

    /// What needs no decision is decided here, once for all policies: that is what gives them their laws.
    pub(super) fn decide<F>(
        &mut self,
        sides: Sides<'_, F>,
        decide: impl FnOnce(Sides<'_, F>, &mut Self) -> Outcome<F>,
    ) -> F
    where
        F: PartialEq + Clone + Send + Sync + 'static,
    {
        let Sides { base, local, remote, .. } = sides;
        if local == remote || base == Some(local) {
            return remote.clone();
        }
        if base == Some(remote) {
            return local.clone();
        }
        let (kept, value) = match decide(sides, self) {
            Outcome::Parts(value) => return value,
            Outcome::Local => (Kept::Local, local.clone()),
            Outcome::Remote => (Kept::Remote, remote.clone()),
            Outcome::Both(value) => (Kept::Both, value),
            Outcome::Partly(value) => (Kept::Partly, value),
        };
        self.note(kept, base, Some(local), Some(remote));
        value
    }

    /// Notes that both sides changed what is here; `None` is a side that has it no more.
    pub(super) fn note<F: Clone + Any + Send + Sync>(
        &mut self,
        kept: Kept,
        base: Option<&F>,
        local: Option<&F>,
        remote: Option<&F>,
    ) {
        let path = self.path.clone();
        self.overlaps.push(Overlap::new(path, kept, side(base), side(local), side(remote)));
    }

    /// Runs something one step further inside.
    pub(super) fn at<R>(&mut self, step: Step, inside: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(step);
        let result = inside(self);
        self.path.pop();
        result
    }
}
