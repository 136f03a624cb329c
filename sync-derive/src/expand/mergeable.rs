//! `impl Mergeable`, for an entity with `conflict = Merge`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::bounded;
use crate::model::Entity;

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { ident, krate, .. } = entity;
    let generics = bounded(&entity.generics, krate);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Spanned at the field's type: one that cannot be compared is to be mended there.
    let fields = entity.fields.iter().map(|(name, ty)| {
        quote_spanned! {ty.span()=>
            #name: #krate::codegen_support::merge_field(
                #krate::codegen_support::Option::map(base, |base| &base.#name),
                &local.#name,
                &remote.#name,
            )
        }
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::codegen_support::Mergeable for #ident #type_generics #where_clause {
            fn merge(base: #krate::codegen_support::Option<&Self>, local: &Self, remote: &Self) -> Self {
                Self { #(#fields),* }
            }
        }
    }
}
