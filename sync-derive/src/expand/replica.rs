//! What an entity is that the engine keeps: `impl Replicated`, and a column for each indexed field.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{bounded, spans};
use crate::model::{Entity, Indexed, Versioned};
use crate::parse::attribute::tight;
use crate::parse::index::column;

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let generics = bounded(entity, None);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let at = spans::at(&entity.ident);
    let ident = spans::placed(&entity.ident, at);
    let support = spans::support(&entity.krate, at);
    let columns = entity.indexed.iter().map(|Indexed { field, visibility }| {
        let (ty, member) = (&field.ty, &field.member);
        let name = Ident::new(&column(&field.ident), spans::at(&field.ident));
        let doc = format!("The field `{}`, to find records by.", field.ident);
        quote! {
            #[doc = #doc]
            #visibility const #name: #support::Column<Self, #ty> = #support::Column::new(#member);
        }
    });
    let columns = (!entity.indexed.is_empty()).then(|| {
        quote! {
            #[automatically_derived]
            #[allow(dead_code, clippy::allow_attributes)]
            impl #impl_generics #ident #type_generics #where_clause {
                #(#columns)*
            }
        }
    });
    let replicated = entity.replica.then(|| {
        quote_spanned! {at=>
            #[automatically_derived]
            impl #impl_generics #support::Replicated for #ident #type_generics #where_clause {}
        }
    });
    quote!(#columns #replicated)
}

/// The items of `impl Syncable` about what is kept.
pub(super) fn items(entity: &Entity, support: &TokenStream) -> TokenStream {
    let keeping = if entity.replica { quote!(Replica) } else { quote!(HandedOver) };
    let members = entity.indexed.iter().map(|indexed| &indexed.field.member);
    let types = entity.indexed.iter().map(|indexed| tight(&indexed.field.ty));
    // Shown at the field's type: one that has no order is to be mended there.
    let entries = entity.indexed.iter().map(|Indexed { field, .. }| {
        let (ident, member, ty, at) = (&field.ident, &field.member, &field.ty, spans::at_type(&field.ty));
        let support = spans::support(&entity.krate, at);
        quote_spanned!(at=> #support::entry::<#ty>(#member, &self.#ident))
    });
    let values = entity.indexed.iter().map(|Indexed { field, .. }| {
        let (member, ty) = (&field.member, &field.ty);
        quote!(#member => (&&#support::Read::<#ty>::of()).index_value(json))
    });
    let index = (!entity.indexed.is_empty()).then(|| {
        quote! {
            const INDEX: &'static [&'static str] = &[#(#members),*];
            const INDEXED_AS: &'static [&'static str] = &[#(#types),*];
            fn index(&self) -> #support::Vec<#support::IndexEntry> {
                #support::Vec::from([#(#entries),*])
            }
            fn index_value(field: &str, json: &#support::Payload) -> #support::Option<#support::IndexValue> {
                #[allow(unused_imports, clippy::allow_attributes)]
                use #support::{Readable as _, Unreadable as _};
                match field {
                    #(#values,)*
                    _ => #support::None,
                }
            }
        }
    });
    let version = entity.version.as_ref().map(|Versioned { version, upgrade }| {
        let at = spans::at(upgrade);
        let support = spans::support(&entity.krate, at);
        let (stored, checked) = (spans::local("stored", at), spans::local("upgrade", at));
        // As a pointer, so that a function of another shape is one mistake.
        quote_spanned! {at=>
            const VERSION: u32 = #version;
            fn upgrade(#stored: #support::Outdated<'_>) -> #support::Result<Self, #support::BoxError> {
                let #checked: fn(#support::Outdated<'_>) -> #support::Result<Self, #support::BoxError> = #upgrade;
                #checked(#stored)
            }
        }
    });
    quote! {
        type Keeping = #support::#keeping;
        #index
        #version
    }
}
