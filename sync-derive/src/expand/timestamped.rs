//! `impl Timestamped`, for an entity with an `updated_at`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{bounded, spans};
use crate::model::Entity;

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { krate, .. } = entity;
    let generics = bounded(entity, None);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let body = if let Some(field) = &entity.updated_at {
        // Shown at the field's type: one that is no time is to be mended there.
        let (name, ty, at) = (&field.ident, &field.ty, spans::at_type(&field.ty));
        let support = spans::support(krate, at);
        quote_spanned!(at=> #support::to_utc::<#ty>(&self.#name))
    } else {
        // A mistake was reported; nothing runs.
        quote!(::core::unreachable!())
    };
    let at = spans::at(&entity.ident);
    let ident = spans::placed(&entity.ident, at);
    let support = spans::support(krate, at);
    quote_spanned! {at=>
        #[automatically_derived]
        impl #impl_generics #support::Timestamped for #ident #type_generics #where_clause {
            fn updated_at(&self) -> #support::DateTime<#support::Utc> {
                #body
            }
        }
    }
}
