//! What serde calls a field.

use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Field, Ident, Lit, Meta, Token};

use crate::peeled;

/// An identifier without `r#`.
pub(super) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// What in `#[serde(…)]` leaves a field out of the JSON, or dissolves it.
pub(super) const LEFT_OUT: [&str; 4] = ["skip", "skip_serializing", "skip_deserializing", "flatten"];

/// The JSON member that carries a field.
///
/// # Errors
/// What in `#[serde(…)]` keeps it from having one.
pub(super) fn member(field: &Field, ident: &Ident, rename_all: RenameAll) -> Result<String, &'static str> {
    let items = serde_items(&field.attrs);
    let left_out = LEFT_OUT.into_iter().find(|name| items.iter().any(|item| item.path().is_ident(name)));
    if let Some(left_out) = left_out {
        return Err(left_out);
    }
    Ok(written(&items, ident, rename_all))
}

/// The name that serde writes a field under, which is the one that the server sees.
pub(super) fn written(items: &[Meta], ident: &Ident, rename_all: RenameAll) -> String {
    let renamed = items.iter().find_map(|item| texts(item, "rename", Side::Written).pop());
    renamed.unwrap_or_else(|| rename_all.apply(&plain(ident)))
}

/// The names that serde reads a field by.
pub(super) fn read(items: &[Meta], ident: &Ident, rename_all: RenameAll) -> Vec<String> {
    let all =
        |name: &str| -> Vec<_> { items.iter().flat_map(|item| texts(item, name, Side::Read)).collect() };
    let mut names = all("rename");
    if names.is_empty() {
        names.push(rename_all.apply(&plain(ident)));
    }
    names.extend(all("alias"));
    names
}

/// What serde can be told of each side alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Written,
    Read,
}

/// `#[serde(rename_all = "…")]`: how a field's name becomes a member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RenameAll {
    Not,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl RenameAll {
    pub(super) fn of(attributes: &[Attribute], side: Side) -> Self {
        let rule = serde_items(attributes).iter().find_map(|item| texts(item, "rename_all", side).pop());
        match rule.as_deref() {
            Some("lowercase") => Self::Lower,
            Some("UPPERCASE") => Self::Upper,
            Some("PascalCase") => Self::Pascal,
            Some("camelCase") => Self::Camel,
            Some("snake_case") => Self::Snake,
            Some("SCREAMING_SNAKE_CASE") => Self::ScreamingSnake,
            Some("kebab-case") => Self::Kebab,
            Some("SCREAMING-KEBAB-CASE") => Self::ScreamingKebab,
            // What serde does not know either is serde's to report.
            _ => Self::Not,
        }
    }

    /// Field names are in snake case already, so that some rules leave them as they are.
    pub(super) fn apply(self, name: &str) -> String {
        match self {
            Self::Not | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => name.split('_').map(capitalised).collect(),
            Self::Camel => {
                let pascal = Self::Pascal.apply(name);
                let mut letters = pascal.chars();
                letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
            }
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The items of every `#[serde(…)]`. What cannot be read is serde's to report.
pub(super) fn serde_items(attributes: &[Attribute]) -> Vec<Meta> {
    let serde = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    let items = serde.filter_map(|attribute| {
        attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
    });
    items.flatten().collect()
}

/// The text of `name = "…"`, or of one side in `name(serialize = "…", deserialize = "…")`, of which the latter may be there more than
/// once.
pub(super) fn texts(item: &Meta, name: &str, side: Side) -> Vec<String> {
    match item {
        Meta::NameValue(pair) if pair.path.is_ident(name) => match peeled::expr(&pair.value) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => vec![text.value()],
            _ => Vec::new(),
        },
        Meta::List(list) if list.path.is_ident(name) => {
            let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let side_name = match side {
                Side::Written => "serialize",
                Side::Read => "deserialize",
            };
            inner.into_iter().flatten().flat_map(|item| texts(&item, side_name, side)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_sided(side: Side) -> RenameAll {
        let rule =
            syn::parse_quote!(#[serde(rename_all(serialize = "camelCase", deserialize = "UPPERCASE"))]);
        RenameAll::of(&[rule], side)
    }

    #[test]
    fn a_rule_renames_as_serde_does() {
        let cases = [
            (RenameAll::Not, "updated_at"),
            (RenameAll::Lower, "updated_at"),
            (RenameAll::Upper, "UPDATED_AT"),
            (RenameAll::Pascal, "UpdatedAt"),
            (RenameAll::Camel, "updatedAt"),
            (RenameAll::Snake, "updated_at"),
            (RenameAll::ScreamingSnake, "UPDATED_AT"),
            (RenameAll::Kebab, "updated-at"),
            (RenameAll::ScreamingKebab, "UPDATED-AT"),
            (one_sided(Side::Written), "updatedAt"),
            (one_sided(Side::Read), "UPDATED_AT"),
        ];
        for (rule, member) in cases {
            assert_eq!(rule.apply("updated_at"), member, "{rule:?}");
        }
    }

    fn named(field: &Field, rename_all: RenameAll) -> Result<String, &'static str> {
        let ident = field.ident.as_ref().expect("the fields of these tests have names");
        member(field, ident, rename_all)
    }

    #[test]
    fn a_fields_own_name_comes_before_the_rule() {
        let field: Field = syn::parse_quote!(#[serde(default, rename(serialize = "changed", deserialize = "x"))] updated_at: u8);
        assert_eq!(named(&field, RenameAll::Camel).as_deref(), Ok("changed"));
    }

    #[test]
    fn a_field_is_read_by_its_aliases_as_well() {
        let read = |field: &Field| {
            read(&serde_items(&field.attrs), field.ident.as_ref().expect("a name"), RenameAll::Camel)
        };
        assert_eq!(
            read(&syn::parse_quote!(#[serde(alias = "at", alias = "t")] updated_at: u8)),
            ["updatedAt", "at", "t"]
        );
        let field = syn::parse_quote!(#[serde(rename(deserialize = "a", deserialize = "b", serialize = "c"))] updated_at: u8);
        assert_eq!(read(&field), ["a", "b"]);
    }

    #[test]
    fn a_skipped_field_has_no_member() {
        for left_out in LEFT_OUT {
            let word = Ident::new(left_out, proc_macro2::Span::call_site());
            let field: Field = syn::parse_quote!(#[serde(#word)] id: u8);
            assert_eq!(named(&field, RenameAll::Not), Err(left_out));
        }
    }

    #[test]
    fn a_raw_identifier_is_renamed_without_its_prefix() {
        let field: Field = syn::parse_quote!(r#type: u8);
        assert_eq!(named(&field, RenameAll::Pascal).as_deref(), Ok("Type"));
    }
}
