//! The JSON members of a record: those that it is always written with, those that come and go, and those of others.

use syn::{DeriveInput, Field, Meta, Type};

use super::alike::{Container, argument, last_word};
use super::names::{self, RenameAll, Side, serde_items};
use crate::model::Members;

/// Maps by their usual names.
const MAPS: [&str; 5] = ["BTreeMap", "HashMap", "IndexMap", "Map", "Value"];

/// Reads what serde is told of the fields.
pub(super) fn members(input: &DeriveInput, fields: &[&Field]) -> Members {
    let (write, read) = (RenameAll::of(&input.attrs, Side::Written), RenameAll::of(&input.attrs, Side::Read));
    let container = Container::of(input);
    let mut members = Members::default();
    let (mut optional, mut known) = (Vec::new(), Vec::new());
    let (mut is_flattened, mut collects) = (false, false);
    for (field, ident) in fields.iter().filter_map(|field| Some((field, field.ident.as_ref()?))) {
        let items = serde_items(&field.attrs);
        is_flattened |= says(&items, "flatten");
        collects |= collects_others(field, &items);
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
    members.optional = (!optional.is_empty() || is_flattened).then_some(optional);
    members.known = (collects || says(&serde_items(&input.attrs), "deny_unknown_fields")).then_some(known);
    members
}

pub(super) fn says(items: &[Meta], word: &str) -> bool {
    items.iter().any(|item| item.path().is_ident(word))
}

/// Whether a field collects each member that no field is named like, also what a struct under `flatten` beside it has read.
pub(super) fn collects_others(field: &Field, items: &[Meta]) -> bool {
    says(items, "flatten") && is_a_map(&field.ty)
}

/// Whether it is one, also where it may be missing.
fn is_a_map(ty: &Type) -> bool {
    last_word(ty).is_some_and(|word| {
        let wraps = ["Option", "Box"].iter().any(|name| word == name);
        MAPS.iter().any(|map| word == map) || (wraps && argument(ty).is_some_and(is_a_map))
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn known(input: &DeriveInput) -> Option<Vec<String>> {
        let syn::Data::Struct(data) = &input.data else { return None };
        members(input, &data.fields.iter().collect::<Vec<_>>()).known
    }

    #[test]
    fn a_map_under_flatten_collects_whatever_it_is_wrapped_in_and_whatever_stands_beside_it() {
        let maps: [Type; 5] = [
            parse_quote!(serde_json::Map<String, Value>),
            parse_quote!(Value),
            parse_quote!(Option<std::collections::HashMap<String, Value>>),
            parse_quote!(Box<BTreeMap<String, Value>>),
            parse_quote!(Option<Box<Value>>),
        ];
        for map in maps {
            let alone = parse_quote!(struct Form { id: u8, #[serde(flatten)] others: #map });
            assert_eq!(known(&alone), Some(vec!["id".to_owned()]));
            let beside = parse_quote!(struct Form {
                id: u8, #[serde(flatten)] meta: Meta, #[serde(flatten)] others: #map,
            });
            assert_eq!(known(&beside), Some(vec!["id".to_owned()]));
        }
    }

    #[test]
    fn what_is_passed_over_need_not_be_known() {
        for ty in ["Meta", "Option<Meta>", "(String, Value)", "Vec<Value>"] {
            let ty: Type = syn::parse_str(ty).expect("this is a type");
            let input =
                parse_quote!(struct Form { id: u8, #[serde(flatten)] meta: #ty, others: Map<u8, u8> });
            assert_eq!(known(&input), None);
        }
    }
}
