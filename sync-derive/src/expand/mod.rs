//! Model to tokens, one file for each generated thing. Nothing in here reads attributes.

mod mergeable;
mod schema;
mod syncable;
mod timestamped;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Path};

use crate::model::{BuiltIn, Entity};

pub(crate) use schema::schema;

/// Everything that `Syncable` generates. When there were mistakes, the impls stand all the same, so that nothing else
/// complains of them.
pub(crate) fn entity(entity: &Entity, mistaken: bool) -> TokenStream {
    let syncable = syncable::expand(entity);
    let timestamped = (entity.updated_at.is_some() || mistaken).then(|| timestamped::expand(entity));
    let mergeable = entity.strategy.is(BuiltIn::Merge).then(|| mergeable::expand(entity));
    quote! {
        const _: () = {
            #syncable
            #timestamped
            #mergeable
        };
    }
}

/// The struct's generics, each parameter able to be part of a record.
fn bounded(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    let params: Vec<_> = generics.type_params().map(|param| param.ident.clone()).collect();
    let clause = generics.make_where_clause();
    for param in params {
        clause.predicates.push(syn::parse_quote!(#param: #krate::codegen_support::Part));
    }
    generics
}
