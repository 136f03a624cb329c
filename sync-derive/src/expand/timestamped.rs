//! `impl Timestamped`, for an entity with an `updated_at`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::bounded;
use crate::model::Entity;

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { ident, krate, .. } = entity;
    let generics = bounded(&entity.generics, krate);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let body = match &entity.updated_at {
        Some(field) => {
            let name = &field.ident;
            quote_spanned!(field.ty.span()=> #krate::codegen_support::to_utc(&self.#name))
        }
        // A mistake was reported; nothing runs.
        None => quote!(::core::unreachable!()),
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::codegen_support::Timestamped for #ident #type_generics #where_clause {
            fn updated_at(&self) -> #krate::codegen_support::DateTime<#krate::codegen_support::Utc> {
                #body
            }
        }
    }
}
