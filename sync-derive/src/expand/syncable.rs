//! `impl Syncable`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path};

use super::{bounded, replica, spans};
use crate::model::{Entity, Named, Reference, Strategy};

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { krate, name, endpoint, .. } = entity;
    let generics = bounded(entity, None);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Shown at the struct's name: a trait that it does not derive is missing there.
    let at = spans::at(&entity.ident);
    let ident = spans::placed(&entity.ident, at);
    let support = spans::support(krate, at);
    let strategy = strategy(entity);
    let Id { ty, member, body } = id(entity.id.as_ref(), &support);
    let (updated_at_member, last_updated) = updated_at(entity.updated_at.as_ref(), &support);
    let targets = distinct(&entity.references);
    let list = targets.iter().rev().fold(quote!(()), |rest, target| quote!((#target, #rest)));
    let referred = targets.iter().map(|target| of(target, krate, "NAME"));
    let references = references(entity, &support);
    let kept = replica::items(entity, &support);
    let unordered = &entity.unordered;
    quote_spanned! {at=>
        #[automatically_derived]
        impl #impl_generics #support::Syncable for #ident #type_generics #where_clause {
            type Id = #ty;
            type Strategy = #strategy;
            type References = #list;
            #kept
            const NAME: &'static str = #name;
            const ENTITY: #support::EntityInfo = #support::EntityInfo {
                name: #name,
                endpoint: #endpoint,
                id_member: #member,
                updated_at_member: #updated_at_member,
                references: &[#(#referred),*],
                unordered: &[#(#unordered),*],
            };
            fn id(&self) -> &Self::Id {
                #body
            }
            #last_updated
            #references
        }
    }
}

fn strategy(entity: &Entity) -> TokenStream {
    match &entity.strategy {
        Strategy::BuiltIn(_, name) => {
            let support = spans::support(&entity.krate, spans::at(name));
            quote!(#support::strategy::#name)
        }
        Strategy::Own(path) => quote!(#path),
    }
}

struct Id<'a> {
    ty: TokenStream,
    member: &'a str,
    body: TokenStream,
}

fn id<'a>(id: Option<&'a Named>, support: &TokenStream) -> Id<'a> {
    match id {
        Some(Named { ident, ty, member }) => Id { ty: quote!(#ty), member, body: quote!(&self.#ident) },
        // A mistake was reported; nothing runs.
        None => Id { ty: quote!(#support::String), member: "id", body: quote!(::core::unreachable!()) },
    }
}

fn updated_at(field: Option<&Named>, support: &TokenStream) -> (TokenStream, Option<TokenStream>) {
    let Some(Named { member, .. }) = field else { return (quote!(#support::None), None) };
    let last_updated = quote! {
        fn last_updated(&self) -> #support::Option<#support::DateTime<#support::Utc>> {
            #support::Some(#support::Timestamped::updated_at(self))
        }
    };
    (quote!(#support::Some(#member)), Some(last_updated))
}

/// What an entity that is referred to says of itself. Always written in this way, so that a type that is no entity is
/// reported once. Its name is a constant of its own: `ENTITY` would go round in circles where entities refer to each
/// other.
fn of(target: &Path, krate: &Path, item: &str) -> TokenStream {
    let at = spans::at(target);
    let (support, item) = (spans::support(krate, at), Ident::new(item, at));
    quote_spanned!(at=> <#target as #support::Syncable>::#item)
}

fn references(entity: &Entity, support: &TokenStream) -> Option<TokenStream> {
    if entity.references.is_empty() {
        return None;
    }
    let refer = entity.references.iter().map(|reference| refer(reference, &entity.krate));
    Some(quote! {
        fn references(&self) -> #support::Result<#support::Vec<#support::RecordRef>, #support::ReferenceError> {
            let mut references = #support::Vec::new();
            #(#refer)*
            #support::Ok(references)
        }
    })
}

/// Adds what a field refers to. Shown at the type of the id, where a wrong one is to be mended.
fn refer(reference: &Reference, krate: &Path) -> TokenStream {
    let Reference { ident, id_type, target, layers } = reference;
    let (here, at) = (Span::call_site(), spans::at_type(id_type));
    let support = spans::support(krate, here);
    let (id, name) = (of(target, krate, "Id"), of(target, krate, "NAME"));
    let field = ident.unraw().to_string();
    // What the field holds instead is reported where it is to be inferred.
    let inferred = quote_spanned!(at=> _);
    let call = |value: TokenStream| {
        quote_spanned! {here=>
            #support::refer::<#id, #inferred>(#field, #name, #value, &mut references)?;
        }
    };
    match layers {
        0 => call(quote_spanned!(at=> &self.#ident)),
        layers => {
            let each = |all: TokenStream, inside: TokenStream| quote_spanned!(here=> for ids in #support::IntoIterator::into_iter(#all) { #inside });
            let innermost = call(quote_spanned!(at=> ids));
            let inner = (1..*layers).fold(innermost, |inside, _| each(quote_spanned!(here=> ids), inside));
            each(quote_spanned!(here=> &self.#ident), inner)
        }
    }
}

fn distinct(references: &[Reference]) -> Vec<&Path> {
    let written = |path: &Path| path.to_token_stream().to_string();
    let mut targets: Vec<&Path> = Vec::new();
    for Reference { target, .. } in references {
        if !targets.iter().any(|earlier| written(earlier) == written(target)) {
            targets.push(target);
        }
    }
    targets
}
