//! `#[sync(entities(…))]` on a struct that derives `Schema`.

use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Path, Token};

use super::attribute::{Item, Value, items};
use super::container::krate;
use crate::errors::Errors;
use crate::model::Schema;

const KNOWN: [&str; 2] = ["entities", "crate"];

/// Reads a struct that derives `Schema`.
pub(crate) fn schema(input: &DeriveInput, errors: &mut Errors) -> Schema {
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
    if !input.generics.params.is_empty() {
        errors.at(
            &input.generics,
            format!("the schema `{ident}` is generic: name the types, since an engine belongs to one set of handlers"),
        );
    }
    let mut found: Option<Vec<Path>> = None;
    let mut path = None;
    for item in items(&input.attrs, errors) {
        if item.name == "entities" {
            if found.is_some() {
                item.repeated(errors);
            } else {
                found = Some(entities(&item, errors));
            }
        } else if item.name == "crate" {
            path = Some(item);
        } else {
            item.unknown(&KNOWN, errors);
        }
    }
    if found.is_none() {
        errors.at(
            ident,
            format!("the schema `{ident}` lists no entities: add `#[sync(entities(Note, Task))]` with yours"),
        );
    }
    Schema { ident: ident.clone(), krate: krate(path.as_ref(), errors), entities: found.unwrap_or_default() }
}

fn entities(item: &Item, errors: &mut Errors) -> Vec<Path> {
    let Value::List(list) = &item.value else {
        errors.at(&item.name, "`entities` is a list: write `entities(Note, Task)`");
        return Vec::new();
    };
    let listed = match Punctuated::<Path, Token![,]>::parse_terminated.parse2(list.clone()) {
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
        let text = entity.to_token_stream().to_string();
        if entities.iter().any(|earlier| earlier.to_token_stream().to_string() == text) {
            errors.at(&entity, format!("`{}` is listed twice: remove one of them", text.replace(' ', "")));
        } else {
            entities.push(entity);
        }
    }
    entities
}
