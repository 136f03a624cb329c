//! `impl Schema`, and `impl EntityOf` for each entity.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::Schema;

pub(crate) fn schema(schema: &Schema) -> TokenStream {
    let Schema { ident, krate, entities } = schema;
    let listed = entities.iter().map(|entity| {
        quote! {
            #[automatically_derived]
            impl #krate::codegen_support::EntityOf<#ident> for #entity {}
        }
    });
    // Spanned at the entity in the list: what is missing for it is shown there.
    let added = entities.iter().map(|entity| quote_spanned!(entity.span()=> registry.add::<#entity>();));
    quote! {
        const _: () = {
            #(#listed)*
            #[automatically_derived]
            impl #krate::codegen_support::Schema for #ident {
                fn register(registry: &mut #krate::codegen_support::Registry<Self>) {
                    #(#added)*
                }
            }
        };
    }
}
