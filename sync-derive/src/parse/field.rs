//! `#[sync(…)]` on a field.

use syn::{Field, Ident, Path, Type};

use super::alike::{argument, last_word};
use super::attribute::{Items, Known};
use super::merge::MergeMarks;
use super::names::{self, RenameAll};
use crate::errors::Errors;
use crate::model::Reference;
use crate::peeled;

const KNOWN: Known = Known {
    names: &["id", "updated_at", "references", "index", "merge", "merge_with", "group"],
    elsewhere: &[
        (
            &["endpoint", "conflict", "name", "replica", "version", "upgrade", "on_delete", "crate"],
            "the `#[sync(…)]` above the struct",
        ),
        (&["entities"], "the struct that derives `Schema`"),
    ],
    example: "id",
};

/// On a field of a struct that is part of a record.
const OF_PART: Known = Known {
    names: &["updated_at", "merge", "merge_with", "group"],
    elsewhere: &[
        (&["id", "references", "index"], "a field of the struct that derives `Syncable`"),
        (&["on_delete", "crate"], "the `#[sync(…)]` above the struct"),
        (
            &["endpoint", "conflict", "name", "replica", "version", "upgrade", "entities"],
            "the struct that derives `Syncable` or `Schema`",
        ),
    ],
    example: "merge = …",
};

/// What stands on a field.
pub(super) struct Marks {
    pub(super) id: Option<Ident>,
    pub(super) updated_at: Option<Ident>,
    target: Option<Path>,
    pub(super) index: Option<Ident>,
    pub(super) merge: MergeMarks,
    /// Whether all of it could be read.
    pub(super) whole: bool,
}

impl Marks {
    pub(super) fn parse(field: &Field, errors: &mut Errors) -> Self {
        let items = Items::read(&field.attrs, &KNOWN, errors);
        let mut mark = |name: &str| {
            let item = items.get(name)?;
            item.no_value(errors);
            Some(item.name.clone())
        };
        let (id, updated_at, index) = (mark("id"), mark("updated_at"), mark("index"));
        let references = items.get("references");
        let target = references.and_then(|item| item.value("the entity that is referred to", "Note", errors));
        let merge = MergeMarks::parse(&items, errors);
        Self { id, updated_at, target, index, merge, whole: items.whole }
    }

    /// What stands on a field of a struct that derives `Mergeable` on its own.
    pub(super) fn of_part(field: &Field, errors: &mut Errors) -> Self {
        let items = Items::read(&field.attrs, &OF_PART, errors);
        let updated_at = items.get("updated_at").map(|item| {
            item.no_value(errors);
            item.name.clone()
        });
        let merge = MergeMarks::parse(&items, errors);
        Self { id: None, updated_at, target: None, index: None, merge, whole: items.whole }
    }

    pub(super) fn reference(&self, field: &Field) -> Option<Reference> {
        let mut id_type = &field.ty;
        let mut layers = 0;
        while let Some(inside) = inside(id_type) {
            id_type = inside;
            layers += 1;
        }
        Some(Reference {
            ident: field.ident.clone()?,
            id_type: id_type.clone(),
            target: self.target.clone()?,
            layers,
        })
    }
}

/// What an `Option`, or a collection that is walked through in the same way, is written to hold.
fn inside(ty: &Type) -> Option<&Type> {
    let word = last_word(ty)?;
    let holds = ["Option", "Vec", "BTreeSet", "HashSet"].iter().any(|name| word == name);
    if holds { argument(ty) } else { None }
}

/// The member of a field whose elements serde writes in whatever order they come: of a `HashSet`, written by that name.
pub(super) fn unordered(field: &Field, rename_all: RenameAll) -> Option<String> {
    let is = |ty: &Type, name: &str| {
        let Type::Path(path) = peeled::ty(ty) else { return false };
        path.path.segments.last().is_some_and(|last| last.ident == name)
    };
    let held = if is(&field.ty, "Option") { inside(&field.ty)? } else { &field.ty };
    if !is(held, "HashSet") {
        return None;
    }
    names::member(field, field.ident.as_ref()?, rename_all).ok()
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::parse_quote;

    use super::*;

    fn reference(field: &Field) -> (String, usize) {
        let mut errors = Errors::default();
        let reference =
            Marks::parse(field, &mut errors).reference(field).expect("the field refers to something");
        assert_eq!(errors.into_tokens().to_string(), "");
        (reference.id_type.to_token_stream().to_string(), reference.layers)
    }

    #[test]
    fn ids_are_found_inside_options_and_collections() {
        assert_eq!(reference(&parse_quote!(#[sync(references = Note)] note: u64)), ("u64".into(), 0));
        assert_eq!(reference(&parse_quote!(#[sync(references = Note)] note: Option<Id>)), ("Id".into(), 1));
        assert_eq!(
            reference(&parse_quote!(#[sync(references = Note)] notes: std::option::Option<Vec<Id>>)),
            ("Id".into(), 2)
        );
    }

    #[test]
    fn sets_without_an_order_are_found_by_their_member() {
        let unordered = |field: &Field| unordered(field, RenameAll::Camel);
        assert_eq!(unordered(&parse_quote!(all_tags: HashSet<String>)), Some("allTags".to_owned()));
        assert_eq!(
            unordered(&parse_quote!(tags: Option<std::collections::HashSet<u8>>)),
            Some("tags".to_owned())
        );
        assert_eq!(unordered(&parse_quote!(#[serde(rename = "t")] tags: HashSet<u8>)), Some("t".to_owned()));
        assert_eq!(unordered(&parse_quote!(#[serde(skip)] tags: HashSet<u8>)), None);
        assert_eq!(unordered(&parse_quote!(tags: BTreeSet<u8>)), None);
        assert_eq!(unordered(&parse_quote!(tags: Vec<HashSet<u8>>)), None);
    }

    #[test]
    fn a_type_of_the_users_own_is_an_id() {
        assert_eq!(reference(&parse_quote!(#[sync(references = N)] n: Key<N>)), ("Key < N >".into(), 0));
    }
}
