//! A struct that derives `Mergeable` on its own: part of a record, merged field by field.

use syn::{Data, DeriveInput, Field, Fields};

use super::attribute::{self, Items, Known};
use super::container::krate;
use super::field::Marks;
use super::merge::{self, Meanings, OnDelete};
use super::{deprecated, names};
use crate::errors::Errors;
use crate::model::Part;

const KNOWN: Known = Known {
    names: &["on_delete", "crate"],
    elsewhere: &[
        (&["name", "replica", "version", "upgrade"], "the struct that derives `Syncable`"),
        (&["updated_at", "merge", "merge_with", "group"], "the field that it is said of"),
        (&["id", "references", "index"], "a field of the struct that derives `Syncable`"),
        (&["entities"], "the struct that derives `Schema`"),
    ],
    example: "on_delete = Delete",
};

/// Reads a struct that derives `Mergeable`. `None` for what cannot be merged field by field whatever is said of it, and for
/// an entity, which is merged already.
pub(crate) fn part(input: &DeriveInput, errors: &mut Errors) -> Option<Part> {
    if attribute::says(&input.attrs, &["endpoint", "conflict"]) {
        let ident = &input.ident;
        errors.at(
            ident,
            format!(
                "`{ident}` is an entity, which is merged by what `Syncable` derives: remove `Mergeable` from the derive, and \
                 write `conflict = Merge`, or a policy above one of its fields"
            ),
        );
        return None;
    }
    let items = Items::read(&input.attrs, &KNOWN, errors);
    let fields = named_fields(input, errors)?;
    let marked: Vec<_> = fields.iter().map(|field| (*field, Marks::of_part(field, errors))).collect();
    let updated_at = updated_at(&marked, errors);
    let meanings = Meanings {
        id: None,
        updated_at: updated_at.and_then(|(field, _)| Some((field.ident.as_ref()?, &field.ty))),
        always_dated: updated_at.is_some_and(|(_, marks)| marks.updated_at.is_some()),
        record: false,
        whole: marked.iter().all(|(_, marks)| marks.whole),
    };
    let on_delete = items.get("on_delete").and_then(|item| OnDelete::parse(item, errors));
    Some(Part {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        krate: krate(items.get("crate"), errors),
        deprecated: deprecated::is_let_be(input),
        merging: merge::merging(input, &marked, &meanings, on_delete.as_ref(), errors),
    })
}

fn named_fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Option<Vec<&'a Field>> {
    let ident = &input.ident;
    let mut refuse = |kind: &str| {
        errors.at(
            ident,
            format!(
                "`{ident}` is {kind}, and has no named fields to merge: derive `PartialEq` and `Clone` instead of `Mergeable`, and \
                 leave `merge = Nested` out, so that it is taken whole"
            ),
        );
        None
    };
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if fields.named.is_empty() => return refuse("empty"),
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unnamed(_) => return refuse("a tuple struct"),
            Fields::Unit => return refuse("a unit struct"),
        },
        Data::Enum(_) => return refuse("an enum"),
        Data::Union(_) => return refuse("a union"),
    };
    if let Some(lifetime) = input.generics.lifetimes().next() {
        errors.at(
            lifetime,
            format!(
                "`{ident}` borrows, but a merge keeps what overlaps: hold owned values, such as `String`"
            ),
        );
        return None;
    }
    Some(fields)
}

/// The field with the meaning of `updated_at`: the marked one, or else the one of that name.
fn updated_at<'a, 'b>(
    fields: &'b [(&'a Field, Marks)],
    errors: &mut Errors,
) -> Option<&'b (&'a Field, Marks)> {
    let mut marked = fields.iter().filter(|(_, marks)| marks.updated_at.is_some());
    let first = marked.next();
    for (_, marks) in marked {
        errors.at(&marks.updated_at, "a struct has one `updated_at`: remove one of the marks");
    }
    let by_name = || {
        fields
            .iter()
            .find(|(field, _)| field.ident.as_ref().is_some_and(|ident| names::plain(ident) == "updated_at"))
    };
    first.or_else(by_name)
}
