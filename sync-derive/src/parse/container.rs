//! `#[sync(…)]` on a struct that derives `Syncable`.

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::{DeriveInput, Path, Type};

use super::attribute::{Item, items};
use super::endpoint;
use super::suggest;
use crate::errors::Errors;
use crate::model::{BuiltIn, Strategy};

const KNOWN: [&str; 4] = ["endpoint", "conflict", "name", "crate"];

/// What stands on the struct; what is missing or wrong has a value that lets the expansion go on.
pub(super) struct Container {
    pub(super) krate: Path,
    pub(super) name: String,
    pub(super) endpoint: String,
    pub(super) strategy: Strategy,
}

impl Container {
    pub(super) fn parse(input: &DeriveInput, errors: &mut Errors) -> Self {
        let items = items(&input.attrs, errors);
        let mut seen: Vec<&Item> = Vec::new();
        for item in &items {
            if !KNOWN.iter().any(|known| item.name == known) {
                item.unknown(&KNOWN, errors);
            } else if seen.iter().any(|earlier| earlier.name == item.name) {
                item.repeated(errors);
            } else {
                seen.push(item);
            }
        }
        let find = |name: &str| seen.iter().find(|item| item.name == name).copied();
        let ident = &input.ident;
        let endpoint = match find("endpoint") {
            Some(item) => item.text("\"/notes\"", errors).map(|text| checked_endpoint(&text, errors)),
            None => {
                errors.at(
                    ident,
                    format!("`{ident}` has no endpoint: add `#[sync(endpoint = \"/…\")]`, the path of its collection below the base URL"),
                );
                None
            }
        };
        let strategy = match find("conflict") {
            Some(item) => item.value::<Type>("LastWriteWins", errors).map(|path| strategy(path, errors)),
            None => {
                errors.at(
                    ident,
                    format!("`{ident}` does not say how conflicts are decided: add `#[sync(conflict = …)]` with {}", choices()),
                );
                None
            }
        };
        Self {
            krate: krate(find("crate"), errors),
            name: find("name")
                .and_then(|item| name(item, errors))
                .unwrap_or_else(|| super::names::plain(ident)),
            endpoint: endpoint.unwrap_or_default(),
            strategy: strategy.unwrap_or_else(|| {
                Strategy::BuiltIn(BuiltIn::ServerWins, format_ident!("ServerWins", span = Span::call_site()))
            }),
        }
    }
}

/// The path of the `sync` crate.
pub(super) fn krate(item: Option<&Item>, errors: &mut Errors) -> Path {
    let default = || syn::parse_quote!(::sync);
    let Some(item) = item else { return default() };
    let Some(path) = item.value::<Path>("::my_crate::sync", errors) else { return default() };
    let anchored =
        path.leading_colon.is_some() || path.segments.first().is_some_and(|segment| segment.ident == "crate");
    if !anchored {
        let text = path.to_token_stream().to_string().replace(' ', "");
        errors.at(
            &path,
            format!("the path of the crate has to be absolute, since it is used inside other modules: write `crate = ::{text}` or `crate = crate::{text}`"),
        );
        return default();
    }
    path
}

fn checked_endpoint(text: &syn::LitStr, errors: &mut Errors) -> String {
    if let Some(mistake) = endpoint::mistake(&text.value()) {
        errors.at(text, mistake);
    }
    text.value()
}

fn name(item: &Item, errors: &mut Errors) -> Option<String> {
    let text = item.text("\"Note\"", errors)?;
    if text.value().trim().is_empty() {
        errors.at(
            &text,
            "the name in the storage is empty: write the name that the records are to be kept under",
        );
        return None;
    }
    Some(text.value())
}

/// A single known word is a built-in strategy, everything else a type of the user's.
fn strategy(written: Type, errors: &mut Errors) -> Strategy {
    let Type::Path(path) = &written else {
        errors.at(&written, format!("a strategy is the path of a type: write {}", choices()));
        return Strategy::BuiltIn(BuiltIn::ServerWins, format_ident!("ServerWins"));
    };
    let Some(ident) = path.path.get_ident() else { return Strategy::Own(written) };
    let found = BuiltIn::ALL.iter().find(|(name, _)| ident == name);
    if let Some((_, built_in)) = found {
        return Strategy::BuiltIn(*built_in, ident.clone());
    }
    let names = BuiltIn::ALL.map(|(name, _)| name);
    if let Some(nearest) = suggest::nearest(&ident.to_string(), &names) {
        errors.at(ident, format!("unknown strategy `{ident}`: did you mean `{nearest}`?"));
        return Strategy::BuiltIn(BuiltIn::ServerWins, format_ident!("ServerWins"));
    }
    Strategy::Own(written)
}

fn choices() -> String {
    format!("{}, or the path of a strategy of your own", suggest::list(&BuiltIn::ALL.map(|(name, _)| name)))
}
