//! Model to tokens, one file for each generated thing. Nothing in here reads attributes.

mod mergeable;
mod replica;
mod schema;
mod self_type;
mod spans;
mod syncable;
mod timestamped;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Generics, WherePredicate, parse_quote};

use crate::model::{BuiltIn, Entity, Part};

pub(crate) use schema::schema;

/// Everything that `Syncable` generates.
///
/// When there were mistakes, the impls stand all the same, with what is known, so that one mistake gives one error.
pub(crate) fn entity(entity: &Entity, mistaken: bool) -> TokenStream {
    let syncable = syncable::expand(entity);
    let compared = entity.updated_at.is_some() || (mistaken && entity.strategy.is(BuiltIn::LastWriteWins));
    let timestamped = compared.then(|| timestamped::expand(entity));
    let support = spans::support(&entity.krate, Span::call_site());
    let mergeable = entity.merging.as_ref().map(|merging| {
        let generics = bounded(entity, Some(quote!(#support::PartialEq)));
        mergeable::expand(&entity.ident, &entity.krate, &generics, merging)
    });
    let replica = replica::expand(entity);
    let lints = lints(entity.deprecated);
    quote! {
        #lints
        const _: () = {
            #syncable
            #replica
            #timestamped
            #mergeable
        };
    }
}

/// Everything that `Mergeable` generates, also when there were mistakes.
pub(crate) fn part(part: &Part) -> TokenStream {
    let support = spans::support(&part.krate, Span::call_site());
    let bounds = quote!(#support::PartialEq + #support::Clone + #support::Send + #support::Sync + 'static);
    let generics = with_bounds(&part.generics, &bounds);
    let mergeable = mergeable::expand(&part.ident, &part.krate, &generics, &part.merging);
    let lints = lints(part.deprecated);
    quote! {
        #lints
        const _: () = {
            #mergeable
        };
    }
}

/// What the user is not to be told of again.
fn lints(deprecated: bool) -> Option<TokenStream> {
    deprecated.then(|| quote!(#[allow(deprecated, clippy::allow_attributes)]))
}

/// The struct's generics, each type parameter able to be part of a record.
fn bounded(entity: &Entity, more: Option<TokenStream>) -> Generics {
    let support = spans::support(&entity.krate, Span::call_site());
    let more = more.into_iter();
    with_bounds(
        &entity.generics,
        &quote! {
            #support::Serialize + #support::DeserializeOwned + #support::Clone
                + #support::Send + #support::Sync + 'static #(+ #more)*
        },
    )
}

/// Generics with bounds for every type parameter.
fn with_bounds(generics: &Generics, bounds: &TokenStream) -> Generics {
    let mut generics = generics.clone();
    let params: Vec<_> = generics.type_params().map(|param| param.ident.clone()).collect();
    if !params.is_empty() {
        let clause = generics.make_where_clause();
        clause
            .predicates
            .extend(params.iter().map(|param| -> WherePredicate { parse_quote!(#param: #bounds) }));
    }
    generics
}
