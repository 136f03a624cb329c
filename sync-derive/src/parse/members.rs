//! The JSON members of a record: those that it is always written with, those that come and go, and those of others.

use syn::{DeriveInput, Field, Ident, Meta};

use super::alike::{Container, last_word};
use super::names::{self, RenameAll, Side, serde_items};
use crate::model::Members;

/// Maps by their usual names: under `flatten`, they collect each member that no field is named like.
const MAPS: [&str; 5] = ["BTreeMap", "HashMap", "IndexMap", "Map", "Value"];

/// Reads what serde is told of the fields.
pub(super) fn members(input: &DeriveInput, fields: &[&Field]) -> Members {
    let (write, read) = (RenameAll::of(&input.attrs, Side::Written), RenameAll::of(&input.attrs, Side::Read));
    let container = Container::of(input);
    let mut members = Members::default();
    let (mut optional, mut known, mut flattened) = (Vec::new(), Vec::new(), Vec::new());
    for (field, ident) in fields.iter().filter_map(|field| Some((field, field.ident.as_ref()?))) {
        let items = serde_items(&field.attrs);
        if says(&items, "flatten") {
            flattened.push(last_word(&field.ty));
        }
        let Ok(member) = names::member(field, ident, write) else { continue };
        known.push(member.clone());
        known.extend(names::read(&items, ident, read).into_iter().filter(|name| *name != member));
        if says(&items, "skip_serializing_if") {
            optional.push(member.clone());
        }
        members.written.push(member);
    }
    if container.has_another_type {
        // Nothing is known of its members.
        members.optional = Some(Vec::new());
        return members;
    }
    let collects = !flattened.is_empty() && flattened.iter().all(|ty| ty.is_some_and(is_a_map));
    members.optional = (!optional.is_empty() || !flattened.is_empty()).then_some(optional);
    members.known = (collects || says(&serde_items(&input.attrs), "deny_unknown_fields")).then_some(known);
    members
}

fn says(items: &[Meta], word: &str) -> bool {
    items.iter().any(|item| item.path().is_ident(word))
}

fn is_a_map(word: &Ident) -> bool {
    MAPS.iter().any(|map| word == map)
}
