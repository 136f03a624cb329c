//! Values that are merged field by field in turn.

use super::{Mergeable, Merging, OnDelete, Outcome, Policy, Sides};

/// `#[sync(merge = Nested)]`: field by field, each by its own policy. The type derives [`Mergeable`]; an `Option` or a `Box`
/// of it will do as well.
///
/// An `Option` that one side emptied and the other changed keeps the edit, unless the type says
/// `#[sync(on_delete = Delete)]`; it is listed as an overlap. If both sides filled it in, its fields have no ancestor.
#[derive(Debug, Clone, Copy)]
pub struct Nested;

impl<F: Mergeable> Policy<F> for Nested {
    const ON_DELETE: OnDelete = F::ON_DELETE;

    fn merge(sides: Sides<'_, F>, merging: &mut Merging) -> Outcome<F> {
        Outcome::Parts(F::merge_fields(sides, merging))
    }
}

impl<T: Mergeable + PartialEq + Clone + Send + Sync + 'static> Mergeable for Option<T> {
    type Fields = T::Fields;
    const FIELDS: Self::Fields = T::FIELDS;
    const ON_DELETE: OnDelete = T::ON_DELETE;

    fn merge_fields(sides: Sides<'_, Self>, merging: &mut Merging) -> Self {
        // Where nothing was before, nobody has emptied it.
        let on_delete = if sides.base.is_none() { OnDelete::KeepEdit } else { T::ON_DELETE };
        merging.decide(sides, |sides, merging| match (sides.local, sides.remote, on_delete) {
            (Some(local), Some(remote), _) => {
                let base = sides.base.and_then(Self::as_ref);
                Outcome::Parts(Some(T::merge_fields(sides.with(base, local, remote), merging)))
            }
            (Some(_), None, OnDelete::KeepEdit) | (None, _, OnDelete::Delete) => Outcome::Local,
            (Some(_), None, OnDelete::Delete) | (None, _, OnDelete::KeepEdit) => Outcome::Remote,
        })
    }
}

impl<T: Mergeable> Mergeable for Box<T> {
    type Fields = T::Fields;
    const FIELDS: Self::Fields = T::FIELDS;
    const ON_DELETE: OnDelete = T::ON_DELETE;

    fn merge_fields(sides: Sides<'_, Self>, merging: &mut Merging) -> Self {
        Self::new(T::merge_fields(sides.map(AsRef::as_ref), merging))
    }
}
