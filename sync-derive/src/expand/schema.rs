//! `impl Schema`, and `impl EntityOf` for each entity.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::self_type::spelled_out;
use super::{lints, spans, with_bounds};
use crate::model::Schema;

/// Everything that `Schema` generates, also when there were mistakes.
pub(crate) fn schema(schema: &Schema) -> TokenStream {
    let Schema { krate, entities, .. } = schema;
    let ident = spans::placed(&schema.ident, spans::at(&schema.ident));
    let support = spans::support(krate, Span::call_site());
    let generics = with_bounds(&schema.generics, &quote!(#support::Send + #support::Sync + 'static));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Shown at the entity in the list: what is missing for it is missing there.
    let listed_generics = spelled_out(&impl_generics, &ident, &type_generics);
    let listed_where = spelled_out(where_clause, &ident, &type_generics);
    let listed = entities.iter().map(|entity| {
        let at = spans::at(entity);
        let support = spans::support(krate, at);
        let entity = spelled_out(entity, &ident, &type_generics);
        quote_spanned! {at=>
            #[automatically_derived]
            impl #listed_generics #support::EntityOf<#ident #type_generics> for #entity #listed_where {}
        }
    });
    let added = entities.iter().map(|entity| {
        let at = spans::at(entity);
        quote_spanned!(at=> registry.add::<#entity>();)
    });
    let lints = lints(schema.deprecated);
    quote! {
        #lints
        const _: () = {
            #(#listed)*
            #[automatically_derived]
            impl #impl_generics #support::Schema for #ident #type_generics #where_clause {
                fn register(registry: &mut #support::Registry<Self>) {
                    #(#added)*
                }
            }
        };
    }
}
