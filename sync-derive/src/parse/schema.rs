//! `#[sync(entities(…))]` on a struct that derives `Schema`.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Path, Token};

use super::attribute::{Item, Items, Known, Value, tight};
use super::container::krate;
use super::deprecated;
use crate::errors::Errors;
use crate::model::Schema;

const KNOWN: Known = Known {
    names: &["entities", "crate"],
    elsewhere: &[
        (
            &["endpoint", "conflict", "name", "replica", "version", "upgrade", "on_delete"],
            "the struct that derives `Syncable`",
        ),
        (
            &["id", "updated_at", "references", "index", "merge", "merge_with", "group"],
            "a field of the struct that derives `Syncable`",
        ),
    ],
    example: "entities(Note, Task)",
};

/// Reads a struct that derives `Schema`. `None` for one that borrows: an engine cannot keep it.
pub(crate) fn schema(input: &DeriveInput, errors: &mut Errors) -> Option<Schema> {
    let ident = &input.ident;
    match &input.data {
        Data::Struct(_) => {}
        Data::Enum(data) => {
            errors.at(data.enum_token, format!("`Schema` cannot be derived for the enum `{ident}`: write a struct that holds what the handlers need"));
        }
        Data::Union(data) => {
            errors.at(data.union_token, format!("`Schema` cannot be derived for the union `{ident}`: write a struct that holds what the handlers need"));
        }
    }
    if let Some(lifetime) = input.generics.lifetimes().next() {
        errors.at(
            lifetime,
            format!(
                "the schema `{ident}` borrows, but lives as long as the engine: hold owned values or an `Arc`"
            ),
        );
    }
    let items = Items::read(&input.attrs, &KNOWN, errors);
    let found = items.get("entities").map(|item| entities(item, errors));
    if found.is_none() && items.whole {
        errors.at(
            ident,
            format!("the schema `{ident}` lists no entities: add `#[sync(entities(Note, Task))]` with yours"),
        );
    }
    let possible = input.generics.lifetimes().next().is_none();
    possible.then(|| Schema {
        ident: ident.clone(),
        generics: input.generics.clone(),
        krate: krate(items.get("crate"), errors),
        deprecated: deprecated::is_let_be(input),
        entities: found.unwrap_or_default(),
    })
}

fn entities(item: &Item, errors: &mut Errors) -> Vec<Path> {
    let listed = match &item.value {
        Value::List(list) => list,
        // Understood all the same, so that nothing else misses the entity.
        Value::Equals(list) => {
            let text = tight(list);
            errors.at(&item.name, format!("`entities` is a list: write `entities({text})`"));
            list
        }
        Value::Nothing => {
            errors.at(&item.name, "`entities` is a list: write `entities(Note, Task)` with yours");
            return Vec::new();
        }
    };
    let listed = match Punctuated::<Path, Token![,]>::parse_terminated.parse2(listed.clone()) {
        Ok(listed) => listed,
        Err(error) => {
            errors.add(error);
            return Vec::new();
        }
    };
    if listed.is_empty() {
        errors.at(&item.name, "the list of entities is empty: write `entities(Note, Task)` with yours");
    }
    let mut entities: Vec<Path> = Vec::new();
    for entity in listed {
        let text = tight(&entity);
        if entities.iter().any(|earlier| tight(earlier) == text) {
            errors.at(&entity, format!("`{text}` is listed twice: remove one of them"));
        } else {
            entities.push(entity);
        }
    }
    entities
}
