//! `impl Syncable`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path};

use super::{bounded, replica, spans};
use crate::model::{Entity, Members, Named, Reference, Strategy};

pub(super) fn expand(entity: &Entity) -> TokenStream {
    let Entity { krate, name, endpoint, .. } = entity;
    let generics = bounded(entity, None);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Shown at the struct's name: a trait that it does not derive is missing there.
    let at = spans::at(&entity.ident);
    let ident = spans::placed(&entity.ident, at);
    let support = spans::support(krate, at);
    let strategy = strategy(entity);
    let Id { ty, member, body, lint } = id(entity.id.as_ref(), &support);
    let (updated_at_member, last_updated) = updated_at(entity.updated_at.as_ref(), &support);
    let targets = distinct(&entity.references);
    let list = list(&targets);
    let referred = targets.iter().map(|target| of(target, krate, "NAME"));
    let references = references(entity, &support);
    let kept = replica::items(entity, &support);
    let unordered = &entity.unordered;
    let members = members(&entity.members, &support);
    quote_spanned! {at=>
        #[automatically_derived]
        impl #impl_generics #support::Syncable for #ident #type_generics #where_clause {
            #ty
            #strategy
            #list
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
            #members
            #lint
            fn id(&self) -> &Self::Id {
                #body
            }
            #last_updated
            #references
        }
    }
}

/// An associated type is shown where the user wrote it: one that fewer can see than the struct is to be mended there.
fn associated(name: &str, ty: &TokenStream, first: Span, last: Span) -> TokenStream {
    let name = Ident::new(name, last);
    let word = quote_spanned!(first=> type);
    quote_spanned!(last=> #word #name = #ty;)
}

fn members(members: &Members, support: &TokenStream) -> TokenStream {
    let Members { written, optional, known } = members;
    let list = |name: &str, names: &Vec<String>| {
        let name = Ident::new(name, Span::call_site());
        quote! {
            const #name: #support::Option<&'static [&'static str]> = #support::Some(&[#(#names),*]);
        }
    };
    let optional = optional.as_ref().map(|names| list("OPTIONAL", names));
    let known = known.as_ref().map(|names| list("KNOWN", names));
    quote! {
        const MEMBERS: &'static [&'static str] = &[#(#written),*];
        #optional
        #known
    }
}

fn strategy(entity: &Entity) -> TokenStream {
    let (ty, at) = match &entity.strategy {
        Strategy::BuiltIn(_, name) => {
            let at = spans::at(name);
            let support = spans::support(&entity.krate, at);
            (quote!(#support::strategy::#name), at)
        }
        Strategy::Own(own) => (quote!(#own), spans::at_type(own)),
    };
    associated("Strategy", &ty, at, at)
}

/// The entities that are referred to, from the first to the last of them in the user's code.
fn list(targets: &[&Path]) -> TokenStream {
    let list = targets.iter().rev().fold(quote!(()), |rest, target| quote!((#target, #rest)));
    let at = |target: Option<&&Path>| target.map_or_else(Span::call_site, |target| spans::at_path(target));
    associated("References", &list, at(targets.first()), at(targets.last()))
}

struct Id<'a> {
    /// The associated type.
    ty: TokenStream,
    member: &'a str,
    body: TokenStream,
    /// Clippy takes it for the getter of a field of its name, which may be another one.
    lint: Option<TokenStream>,
}

fn id<'a>(id: Option<&'a Named>, support: &TokenStream) -> Id<'a> {
    let Some(Named { ident, ty, member }) = id else {
        // A mistake was reported; nothing runs.
        let ty = quote!(type Id = #support::String;);
        return Id { ty, member: "id", body: quote!(::core::unreachable!()), lint: None };
    };
    let at = spans::at_type(ty);
    let lint = (ident != "id").then(|| quote!(#[allow(clippy::misnamed_getters, clippy::allow_attributes)]));
    Id { ty: associated("Id", &quote!(#ty), at, at), member, body: quote!(&self.#ident), lint }
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
