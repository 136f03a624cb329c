//! The items of a `#[sync(…)]` attribute, each with whatever stands behind its `=`.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitStr, Token};

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
        while !input.is_empty() && (angles > 0 || !input.peek(Token![,])) {
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

/// The items of every `#[sync(…)]` among some attributes.
pub(super) fn items(attributes: &[Attribute], errors: &mut Errors) -> Vec<Item> {
    let mut items = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("sync")) {
        match attribute.parse_args_with(Punctuated::<Item, Token![,]>::parse_terminated) {
            Ok(found) => items.extend(found),
            Err(error) => errors.add(error),
        }
    }
    items
}

impl Item {
    /// The value as a syntax node; `example` shows how to write it.
    pub(super) fn value<T: Parse>(&self, example: &str, errors: &mut Errors) -> Option<T> {
        let advice = |what: &str| format!("{what}; write `{} = {example}`", self.name);
        match &self.value {
            Value::Equals(tokens) if !tokens.is_empty() => {
                let parsed = T::parse.parse2(tokens.clone());
                if parsed.is_err() {
                    errors.at(tokens, advice(&format!("`{}` cannot be this", self.name)));
                }
                parsed.ok()
            }
            _ => {
                errors.at(&self.name, advice(&format!("`{}` needs a value", self.name)));
                None
            }
        }
    }

    pub(super) fn text(&self, example: &str, errors: &mut Errors) -> Option<LitStr> {
        self.value(example, errors)
    }

    /// Notes that an item stands here twice.
    pub(super) fn repeated(&self, errors: &mut Errors) {
        errors.at(&self.name, format!("`{}` is given twice: remove one of them", self.name));
    }

    /// Notes that there is no such item.
    pub(super) fn unknown(&self, known: &[&str], errors: &mut Errors) {
        let name = self.name.to_string();
        let advice = match suggest::nearest(&name, known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known here are {}", suggest::list(known)),
        };
        errors.at(&self.name, format!("unknown attribute `{name}`: {advice}"));
    }
}
