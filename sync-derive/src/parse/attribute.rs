//! The items of a `#[sync(…)]` attribute, each with whatever stands behind its `=`.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Meta, Token};

use super::suggest;
use crate::errors::Errors;

/// `name`, `name = value` or `name(list)`.
pub(super) struct Item {
    pub(super) name: Ident,
    pub(super) value: Value,
}

pub(super) enum Value {
    Nothing,
    Equals(TokenStream),
    List(TokenStream),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if input.peek(syn::token::Paren) {
            let list;
            syn::parenthesized!(list in input);
            return Ok(Self { name, value: Value::List(list.parse()?) });
        }
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Ok(Self { name, value: Value::Nothing });
        }
        let mut value = TokenStream::new();
        let mut angles = 0_i32;
        while !(input.is_empty() || input.peek(Token![;]) || (angles <= 0 && input.peek(Token![,]))) {
            let token: TokenTree = input.parse()?;
            if let TokenTree::Punct(punct) = &token {
                angles += match punct.as_char() {
                    '<' => 1,
                    '>' => -1,
                    _ => 0,
                };
            }
            value.extend([token]);
        }
        Ok(Self { name, value: Value::Equals(value) })
    }
}

/// Everything that the `#[sync(…)]`s on something say.
pub(super) struct Items {
    found: Vec<Item>,
    /// Whether all of it could be read. What could not be read may be what seems to be missing.
    pub(super) whole: bool,
}

impl Items {
    /// Reads the items of every `#[sync(…)]` among some attributes. One that is not known, but nearly, stands for what
    /// was meant, so that nothing else misses it; one that is given twice counts once.
    pub(super) fn read(attributes: &[Attribute], known: &Known, errors: &mut Errors) -> Self {
        let mut read = Vec::new();
        let mut whole = true;
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("sync")) {
            let Meta::List(list) = &attribute.meta else {
                errors.at(&attribute.meta, format!("this says nothing: write `#[sync({})]`", known.example));
                whole = false;
                continue;
            };
            let parser = |input: ParseStream<'_>| all(input, &mut read);
            if let Err(error) = parser.parse2(list.tokens.clone()) {
                errors.add(error);
                whole = false;
            }
        }
        let mut found: Vec<Item> = Vec::new();
        let mut mistyped = Vec::new();
        for item in read {
            if !known.names.iter().any(|name| item.name == name) {
                mistyped.extend(known.meant(item, errors));
            } else if found.iter().any(|earlier| earlier.name == item.name) {
                errors.at(&item.name, format!("`{}` is given twice: remove one of them", item.name));
            } else {
                found.push(item);
            }
        }
        for item in mistyped {
            if !found.iter().any(|earlier| earlier.name == item.name) {
                found.push(item);
            }
        }
        Self { found, whole }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Item> {
        self.found.iter().find(|item| item.name == name)
    }
}

/// Whether there is one of these items, whatever is said with it.
pub(super) fn says(attributes: &[Attribute], names: &[&str]) -> bool {
    let mut items = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("sync")) {
        if let Meta::List(list) = &attribute.meta {
            let parser = |input: ParseStream<'_>| all(input, &mut items);
            // What cannot be read is told of by whoever reads it for what it says.
            let _ = parser.parse2(list.tokens.clone());
        }
    }
    items.iter().any(|item: &Item| names.iter().any(|name| item.name == name))
}

fn all(input: ParseStream<'_>, items: &mut Vec<Item>) -> syn::Result<()> {
    while !input.is_empty() {
        items.push(input.parse()?);
        if !input.is_empty() {
            let comma: syn::Result<Token![,]> = input.parse();
            comma.map_err(|error| {
                syn::Error::new(error.span(), "write a `,` between the items of `#[sync(…)]`")
            })?;
        }
    }
    Ok(())
}

/// The items that may stand somewhere.
pub(super) struct Known {
    pub(super) names: &'static [&'static str],
    /// The items that are right elsewhere, and where that is.
    pub(super) elsewhere: &'static [(&'static [&'static str], &'static str)],
    /// What the attribute looks like.
    pub(super) example: &'static str,
}

impl Known {
    /// Notes that there is no such item here, and gives it the name that was probably meant.
    fn meant(&self, item: Item, errors: &mut Errors) -> Option<Item> {
        let name = item.name.to_string();
        for (names, place) in self.elsewhere {
            if names.contains(&&*name) {
                errors.at(&item.name, format!("`{name}` does not belong here: move it to {place}"));
                return None;
            }
        }
        let Some(nearest) = suggest::nearest(&name, self.names) else {
            let known = suggest::list(self.names, "and");
            errors.at(&item.name, format!("unknown attribute `{name}`: known here are {known}"));
            return None;
        };
        errors.at(&item.name, format!("unknown attribute `{name}`: did you mean `{nearest}`?"));
        Some(Item { name: Ident::new(nearest, item.name.span()), ..item })
    }
}

impl Item {
    /// The value as a syntax node; `kind` is what it has to be, `example` shows how to write it.
    pub(super) fn value<T: Parse>(&self, kind: &str, example: &str, errors: &mut Errors) -> Option<T> {
        let name = &self.name;
        match &self.value {
            Value::Equals(tokens) if !tokens.is_empty() => {
                let parsed = T::parse.parse2(tokens.clone());
                if parsed.is_err() {
                    let example = without_quotes::<T>(tokens).unwrap_or_else(|| example.to_owned());
                    errors.at(tokens, format!("`{name}` takes {kind}: write `{name} = {example}`"));
                }
                parsed.ok()
            }
            Value::List(tokens) => {
                let example = T::parse.parse2(tokens.clone()).map_or(example.to_owned(), |_| tight(tokens));
                errors.at(tokens, format!("`{name}` takes {kind} behind `=`: write `{name} = {example}`"));
                None
            }
            _ => {
                errors.at(name, format!("`{name}` needs {kind}: write `{name} = {example}`"));
                None
            }
        }
    }

    /// The value as a string.
    pub(super) fn text(&self, example: &str, errors: &mut Errors) -> Option<LitStr> {
        self.value("a string", example, errors)
    }

    /// A word where a string was asked for, understood all the same, so that nothing else misses it.
    pub(super) fn word_for_text(&self) -> Option<LitStr> {
        let (Value::Equals(tokens) | Value::List(tokens)) = &self.value else { return None };
        let word: Ident = syn::parse2(tokens.clone()).ok()?;
        Some(LitStr::new(&word.to_string(), word.span()))
    }

    /// Notes a value where none belongs.
    pub(super) fn no_value(&self, errors: &mut Errors) {
        self.no_value_here("above the field", errors);
    }

    /// The same, of an item that stands elsewhere than above a field.
    pub(super) fn no_value_here(&self, place: &str, errors: &mut Errors) {
        if !matches!(self.value, Value::Nothing) {
            let name = &self.name;
            errors.at(name, format!("`{name}` takes no value: write `#[sync({name})]` {place}"));
        }
    }
}

/// What stands in a string, when it would have been right without the quotes.
fn without_quotes<T: Parse>(tokens: &TokenStream) -> Option<String> {
    let text = syn::parse2::<LitStr>(tokens.clone()).ok()?.value();
    syn::parse_str::<T>(&text).ok().map(|_| text)
}

/// Tokens as a person would write them, for short ones such as paths.
pub(crate) fn tight(tokens: impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}
