//! The member that serde's `tag` adds to what is written of a struct. Where a record is read back, serde passes over it.

use syn::{DeriveInput, Field};

use super::alike::Container;
use super::members::{collects_others, says};
use super::names::{self, RenameAll, Side, serde_items};
use crate::errors::Errors;

/// Refuses it where something else in the struct does not pass over it.
pub(super) fn is_passed_over(input: &DeriveInput, fields: &[&Field], errors: &mut Errors) {
    let container = serde_items(&input.attrs);
    let tag = container.iter().find_map(|item| Some((item, names::texts(item, "tag", Side::Written).pop()?)));
    let Some((item, tag)) = tag else { return };
    if Container::of(input).has_another_type {
        return;
    }
    let own = "make it a field of its own instead of a `tag`";
    let why = if says(&container, "deny_unknown_fields") {
        format!("`deny_unknown_fields` refuses it where what is stored is read back: remove that, or {own}")
    } else if let Some(map) = named(fields, |field| collects_others(field, &serde_items(&field.attrs))) {
        format!("`{map}` collects it where what is stored is read back, so that it is written twice: {own}")
    } else if let Some(field) = named(fields, |field| reads(field, input, &tag)) {
        format!("`{field}` is read by that name as well: give one of the two another name")
    } else {
        return;
    };
    errors.at(item, format!("serde writes `{tag}` into each record, and {why}"));
}

fn named(fields: &[&Field], is_meant: impl Fn(&Field) -> bool) -> Option<String> {
    let field = fields.iter().find(|field| is_meant(field))?;
    field.ident.as_ref().map(names::plain)
}

fn reads(field: &Field, input: &DeriveInput, name: &str) -> bool {
    let (items, rule) = (serde_items(&field.attrs), RenameAll::of(&input.attrs, Side::Read));
    let left_out = names::LEFT_OUT.iter().any(|word| says(&items, word));
    let read = |ident| names::read(&items, ident, rule).iter().any(|read| read == name);
    !left_out && field.ident.as_ref().is_some_and(read)
}
