//! `#[sync(merge = …)]`: the policy of a field.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, Token, Type, parenthesized, token};

use super::attribute::{Item, tight};
use super::suggest;
use crate::errors::Errors;
use crate::model::{Policy, Rule};
use crate::peeled;

/// The policy that is written there; the one of a field without any, when it is wrong.
pub(super) fn rule(item: &Item, errors: &mut Errors) -> Rule {
    let written: Option<Written> = item.value("a policy", "Counter", errors);
    written.and_then(|written| written.rule(errors)).unwrap_or_else(Rule::fallback)
}

/// A policy as it is written: a single known word is one of `sync`'s, everything else a type of the user's.
enum Written {
    Type(Type),
    /// `Map(Counter)`.
    Of(Ident, Vec<Self>),
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !(input.peek(Ident) && input.peek2(token::Paren)) {
            return Ok(Self::Type(input.parse()?));
        }
        let word = input.parse()?;
        let inside;
        parenthesized!(inside in input);
        let inside = Punctuated::<Self, Token![,]>::parse_terminated(&inside)?;
        Ok(Self::Of(word, inside.into_iter().collect()))
    }
}

impl Written {
    fn rule(self, errors: &mut Errors) -> Option<Rule> {
        match self {
            Self::Type(written) => of_type(written, errors),
            Self::Of(word, mut inside) => {
                let policy = Policy::ALL.into_iter().find(|(name, _)| word == name);
                match policy {
                    Some((_, Policy::Map)) if inside.len() == 1 => {
                        Some(Rule::Map(Box::new(inside.pop()?.rule(errors)?)))
                    }
                    Some((_, Policy::Map)) => {
                        errors.at(&word, "`Map` takes one policy, that of its values: write `Map(Counter)`, or `Map` alone");
                        None
                    }
                    Some((name, _)) => {
                        errors.at(&word, format!("only `Map` takes the policy of what is inside: write `{name}`, or `Map({name})`"));
                        None
                    }
                    None => {
                        errors.at(&word, format!("unknown policy `{word}`: did you mean `Map`, which takes the policy of its values?"));
                        None
                    }
                }
            }
        }
    }
}

fn of_type(written: Type, errors: &mut Errors) -> Option<Rule> {
    let Type::Path(path) = peeled::ty(&written) else {
        errors.at(&written, format!("a policy is the path of a type: write {}", choices()));
        return None;
    };
    let Some(ident) = path.path.get_ident().cloned() else { return own(written, errors) };
    match Policy::ALL.into_iter().find(|(name, _)| ident == name) {
        Some((_, Policy::Map)) => Some(Rule::Map(Box::new(Rule::fallback()))),
        Some((_, policy)) => Some(Rule::BuiltIn(policy, ident)),
        None => {
            let Some(nearest) = mistyped(&ident.to_string()) else { return own(written, errors) };
            errors.at(
                &ident,
                format!(
                    "unknown policy `{ident}`: did you mean `{nearest}`? (A policy of your own with this name is `self::{ident}`.)"
                ),
            );
            None
        }
    }
}

/// A type of the user's; `Map<Counter>` is none.
fn own(written: Type, errors: &mut Errors) -> Option<Rule> {
    let Type::Path(path) = peeled::ty(&written) else { return None };
    let only = path.path.segments.first().filter(|_| path.path.segments.len() == 1);
    if let Some(map) = only.filter(|map| map.ident == "Map") {
        let arguments: TokenStream = quote::ToTokens::to_token_stream(&map.arguments);
        let arguments = tight(arguments);
        let values = arguments.trim_start_matches('<').trim_end_matches('>');
        errors.at(
            &map.ident,
            format!("the policy of a map's values stands in round brackets: write `Map({values})`"),
        );
        return None;
    }
    Some(Rule::Own(Box::new(written)))
}

/// The policy that was meant. `Best`, `Total` and `Last` are types of the user's.
fn mistyped(name: &str) -> Option<&'static str> {
    suggest::meant(name, &Policy::ALL.map(|(name, _)| name), 6, 1)
}

fn choices() -> String {
    let names = Policy::ALL.map(|(name, _)| name);
    format!("{} or the path of a policy of your own", suggest::list(&names, ""))
}

#[cfg(test)]
mod tests {
    use super::mistyped;

    #[test]
    fn a_slip_in_a_long_name_is_recognised_and_one_of_letters_in_any() {
        assert_eq!(mistyped("Conter"), Some("Counter"));
        assert_eq!(mistyped("max"), Some("Max"));
        assert_eq!(mistyped("LATEST"), Some("Latest"));
    }

    #[test]
    fn a_policy_of_the_users_own_is_left_alone() {
        for own in ["Best", "Total", "Last", "Count", "Mix", "Mean", "Net", "Newest", "Nearest"] {
            assert_eq!(mistyped(own), None, "{own}");
        }
    }
}
