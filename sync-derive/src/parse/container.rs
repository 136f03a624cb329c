//! `#[sync(…)]` on a struct that derives `Syncable`.

use syn::{DeriveInput, Path, Type};

use super::attribute::{Item, Items, Known, tight};
use super::merge::OnDelete;
use super::{endpoint, names, suggest, version};
use crate::errors::Errors;
use crate::model::{BuiltIn, Strategy, Versioned};
use crate::peeled;

const KNOWN: Known = Known {
    names: &["endpoint", "conflict", "name", "replica", "version", "upgrade", "on_delete", "crate"],
    elsewhere: &[
        (
            &["id", "updated_at", "references", "index", "merge", "merge_with", "group"],
            "the field that it is said of",
        ),
        (&["entities"], "the struct that derives `Schema`"),
    ],
    example: "endpoint = \"/…\", conflict = …",
};

/// What stands on the struct; what is missing or wrong has a value that lets the expansion go on.
pub(super) struct Container {
    pub(super) krate: Path,
    pub(super) name: String,
    pub(super) endpoint: String,
    /// `None` when it is missing or wrong.
    pub(super) strategy: Option<Strategy>,
    pub(super) on_delete: Option<OnDelete>,
    pub(super) replica: bool,
    pub(super) version: Option<Versioned>,
    /// Whether all of it could be read.
    pub(super) whole: bool,
}

impl Container {
    pub(super) fn parse(input: &DeriveInput, errors: &mut Errors) -> Self {
        let items = Items::read(&input.attrs, &KNOWN, errors);
        let (endpoint, conflict) = (items.get("endpoint"), items.get("conflict"));
        if items.whole {
            missing(input, endpoint.is_none(), conflict.is_none(), errors);
        }
        let name = items.get("name").and_then(|item| name(item, errors));
        Self {
            krate: krate(items.get("crate"), errors),
            name: name.unwrap_or_else(|| names::plain(&input.ident)),
            endpoint: endpoint.and_then(|item| path(item, errors)).unwrap_or_default(),
            strategy: conflict.and_then(|item| strategy(item, errors)),
            on_delete: items.get("on_delete").and_then(|item| OnDelete::parse(item, errors)),
            replica: items.get("replica").is_some_and(|item| {
                item.no_value_here("above the struct", errors);
                true
            }),
            version: version::parse(&items, errors),
            whole: items.whole,
        }
    }
}

fn missing(input: &DeriveInput, endpoint: bool, conflict: bool, errors: &mut Errors) {
    let ident = &input.ident;
    let place = "the path of its collection below the base URL";
    let message = match (endpoint, conflict) {
        (false, false) => return,
        (true, false) => {
            format!("`{ident}` has no endpoint: add `endpoint = \"/…\"` to `#[sync(…)]`, {place}")
        }
        (false, true) => format!(
            "`{ident}` does not say how its conflicts are decided: add `conflict = …` to `#[sync(…)]`, with {}",
            choices()
        ),
        (true, true) => format!(
            "`{ident}` says neither where its records belong nor how their conflicts are decided: add \
             `#[sync(endpoint = \"/…\", conflict = …)]`, with {place}, and {}",
            choices()
        ),
    };
    errors.at(ident, message);
}

/// The path of the `sync` crate.
pub(super) fn krate(item: Option<&Item>, errors: &mut Errors) -> Path {
    let default = || syn::parse_quote!(::sync);
    let Some(item) = item else { return default() };
    let Some(path) = item.value::<Path>("a path", "::my_crate::sync", errors) else { return default() };
    let root = |name: &str| path.segments.first().is_some_and(|first| first.ident == name);
    if path.leading_colon.is_some() || ["crate", "$crate", "self", "super"].into_iter().any(root) {
        return path;
    }
    let text = tight(&path);
    errors.at(
        &path,
        format!(
            "the path of the crate has to say where it begins: write `crate = ::{text}` for another crate, or \
             `crate = self::{text}` for what has this name here"
        ),
    );
    default()
}

fn path(item: &Item, errors: &mut Errors) -> Option<String> {
    let text = item.text("\"/notes\"", errors)?;
    if let Some(mistake) = endpoint::mistake(&text.value()) {
        errors.at(&text, mistake);
    }
    Some(text.value())
}

fn name(item: &Item, errors: &mut Errors) -> Option<String> {
    let text = item.text("\"Note\"", errors)?;
    if text.value().trim().is_empty() {
        errors.at(
            &text,
            "the name in the storage is empty: write the name that the records are to be kept under, \
             or leave `name` out to use the struct's",
        );
        return None;
    }
    Some(text.value())
}

/// A single known word is a built-in strategy, everything else a type of the user's.
fn strategy(item: &Item, errors: &mut Errors) -> Option<Strategy> {
    let written: Type = item.value("the path of a type", "ServerWins", errors)?;
    let Type::Path(path) = peeled::ty(&written) else {
        errors.at(&written, format!("a strategy is the path of a type: write {}", choices()));
        return None;
    };
    let Some(ident) = path.path.get_ident() else { return Some(Strategy::Own(Box::new(written))) };
    if let Some((_, built_in)) = BuiltIn::ALL.iter().find(|(name, _)| ident == name) {
        return Some(Strategy::BuiltIn(*built_in, ident.clone()));
    }
    let Some(nearest) = mistyped(&ident.to_string()) else { return Some(Strategy::Own(Box::new(written))) };
    errors.at(
        ident,
        format!(
            "unknown strategy `{ident}`: did you mean `{nearest}`? (A strategy of your own with this name is `self::{ident}`.)"
        ),
    );
    None
}

/// The built-in strategy that was meant. `Merged` is a type of the user's.
fn mistyped(name: &str) -> Option<&'static str> {
    suggest::meant(name, &BuiltIn::ALL.map(|(name, _)| name), 10, usize::MAX)
}

fn choices() -> String {
    let names = BuiltIn::ALL.map(|(name, _)| name);
    format!("{} or the path of a strategy of your own", suggest::list(&names, ""))
}

#[cfg(test)]
mod tests {
    use super::mistyped;

    #[test]
    fn a_built_in_strategy_is_recognised_in_another_case() {
        assert_eq!(mistyped("last_write_wins"), Some("LastWriteWins"));
        assert_eq!(mistyped("MANUAL"), Some("Manual"));
        assert_eq!(mistyped("LastWriterWins"), Some("LastWriteWins"));
    }

    #[test]
    fn a_strategy_of_the_users_own_is_left_alone() {
        for own in ["Merged", "HigherWins", "Annual", "Newest"] {
            assert_eq!(mistyped(own), None, "{own}");
        }
    }
}
