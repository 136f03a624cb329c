//! `impl Syncable`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use super::bounded;
use crate::model::{Entity, Many, Reference, Strategy};

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { ident, krate, name, endpoint, .. } = entity;
    let generics = bounded(&entity.generics, krate);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let support = quote!(#krate::codegen_support);
    let strategy = match &entity.strategy {
        Strategy::BuiltIn(_, name) => quote!(#support::strategy::#name),
        Strategy::Own(path) => quote!(#path),
    };
    let (id_type, id_member, id_body) = match &entity.id {
        Some(id) => {
            let (field, ty) = (&id.ident, &id.ty);
            (quote!(#ty), id.member.as_str(), quote!(&self.#field))
        }
        // A mistake was reported; nothing runs.
        None => (quote!(#support::String), "id", quote!(::core::unreachable!())),
    };
    let (updated_at_member, last_updated) = match &entity.updated_at {
        Some(field) => {
            let member = &field.member;
            let body = quote!(#support::Some(#support::Timestamped::updated_at(self)));
            (quote!(#support::Some(#member)), body)
        }
        None => (quote!(#support::None), quote!(#support::None)),
    };
    let targets = distinct(&entity.references);
    let list = targets.iter().rev().fold(quote!(()), |rest, target| quote!((#target, #rest)));
    let referred = targets.iter().map(|target| quote!(<#target as #support::Syncable>::ENTITY.name));
    let refer = entity.references.iter().map(|reference| refer(reference, &support));
    quote! {
        #[automatically_derived]
        impl #impl_generics #support::Syncable for #ident #type_generics #where_clause {
            type Id = #id_type;
            type Strategy = #strategy;
            type References = #list;
            const ENTITY: #support::EntityInfo = #support::EntityInfo {
                name: #name,
                endpoint: #endpoint,
                id_member: #id_member,
                updated_at_member: #updated_at_member,
                references: &[#(#referred),*],
            };
            fn id(&self) -> &Self::Id {
                #id_body
            }
            fn last_updated(&self) -> #support::Option<#support::DateTime<#support::Utc>> {
                #last_updated
            }
            fn references(&self) -> #support::Result<#support::Vec<#support::RecordRef>, #support::IdError> {
                #[allow(unused_mut)]
                let mut references = #support::Vec::new();
                #(#refer)*
                #support::Result::Ok(references)
            }
        }
    }
}

/// Adds what a field refers to. Spanned at the field's type, where a wrong one is to be mended.
fn refer(reference: &Reference, support: &TokenStream) -> TokenStream {
    let Reference { ident, ty, target, many } = reference;
    let span = ty.span();
    match many {
        Many::One => quote_spanned!(span=> #support::refer::<#target>(&self.#ident, &mut references)?;),
        Many::Any => quote_spanned! {span=>
            for id in self.#ident.iter() {
                #support::refer::<#target>(id, &mut references)?;
            }
        },
    }
}

fn written(path: &Path) -> String {
    path.to_token_stream().to_string()
}

fn distinct(references: &[Reference]) -> Vec<&Path> {
    let mut targets: Vec<&Path> = Vec::new();
    for reference in references {
        let same = |target: &&Path| written(target) == written(&reference.target);
        if !targets.iter().any(same) {
            targets.push(&reference.target);
        }
    }
    targets
}
