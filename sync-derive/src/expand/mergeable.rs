//! `impl Mergeable`, for an entity with `conflict = Merge`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{bounded, spans};
use crate::model::Entity;

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { ident, krate, .. } = entity;
    let support = spans::support(krate, Span::call_site());
    let generics = bounded(entity, Some(quote!(#support::PartialEq)));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Shown at the field's type: one that cannot be compared is to be mended there.
    let fields = entity.fields.iter().map(|(name, ty)| {
        let at = spans::at_type(ty);
        let support = spans::support(krate, at);
        quote_spanned! {at=>
            #name: #support::merge_field::<#ty>(
                #support::Option::map(base, |base| &base.#name),
                &local.#name,
                &remote.#name,
            )
        }
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #support::Mergeable for #ident #type_generics #where_clause {
            fn merge(base: #support::Option<&Self>, local: &Self, remote: &Self) -> Self {
                Self { #(#fields),* }
            }
        }
    }
}
