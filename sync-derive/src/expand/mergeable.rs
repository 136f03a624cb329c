//! `impl Mergeable`, for an entity and for a part of one.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Generics, Ident, Path};

use super::self_type::spelled_out;
use super::spans;
use crate::model::{DatedBy, Group, How, MergedField, Merging, Prefers, Rule};

pub(super) fn expand(ident: &Ident, krate: &Path, generics: &Generics, merging: &Merging) -> TokenStream {
    let support = spans::support(krate, Span::call_site());
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // A name that hides none of the user's.
    let names = format_ident!("__FieldsOf{}", ident.unraw());
    let visibility = &merging.visibility;
    let declared = merging.fields.iter().map(|field| {
        let MergedField { ident: name, ty, visibility, .. } = field;
        let ty = spelled_out(ty, ident, &type_generics);
        quote!(#visibility #name: #support::Field<#ident #type_generics, #ty>)
    });
    let declared_generics = spelled_out(&impl_generics, ident, &type_generics);
    let declared_where = spelled_out(where_clause, ident, &type_generics);
    let named = merging
        .fields
        .iter()
        .map(|MergedField { ident, name, .. }| quote!(#ident: #support::Field::new(&[#name])));
    let on_delete = merging
        .on_delete
        .iter()
        .map(|variant| quote!(const ON_DELETE: #support::OnDelete = #support::OnDelete::#variant;));
    let merge_fields = merge_fields(krate, merging);
    quote! {
        #[allow(
            dead_code, deprecated, missing_docs, missing_debug_implementations, non_camel_case_types, non_snake_case, private_interfaces,
            clippy::missing_docs_in_private_items
        )]
        #[doc(hidden)]
        #visibility struct #names #declared_generics #declared_where {
            #(#declared),*
        }
        #[automatically_derived]
        impl #impl_generics #support::Mergeable for #ident #type_generics #where_clause {
            type Fields = #names #type_generics;
            const FIELDS: Self::Fields = #names { #(#named),* };
            #(#on_delete)*
            #merge_fields
        }
    }
}

fn merge_fields(krate: &Path, merging: &Merging) -> TokenStream {
    let support = spans::support(krate, Span::call_site());
    let Merging { fields, groups, dated_by, .. } = merging;
    if fields.is_empty() {
        // A mistake was reported; nothing runs.
        return quote! {
            fn merge_fields(_: #support::Sides<'_, Self>, _: &mut #support::Merging) -> Self {
                ::core::unreachable!()
            }
        };
    }
    let (sides, merging) = (sides(Span::call_site()), merging_so_far(Span::call_site()));
    let dated = dated_by.iter().map(|by| match by {
        DatedBy::Record => quote!(let #sides = #support::dated_record::<Self>(#sides);),
        DatedBy::Field(name, ty) => {
            let at = spans::at_type(ty);
            let (support, sides) = (spans::support(krate, at), self::sides(at));
            quote_spanned!(at=> let #sides = #support::dated::<Self, #ty>(#sides, |of| &of.#name);)
        }
    });
    let seen = groups.iter().enumerate().map(|(place, group)| seen(place, group, fields, &support));
    let merged = fields.iter().map(|field| merged(field, krate));
    quote! {
        fn merge_fields(#sides: #support::Sides<'_, Self>, #merging: &mut #support::Merging) -> Self {
            #(#dated)*
            #(#seen)*
            Self { #(#merged),* }
        }
    }
}

/// The parameter with both sides and what they come from.
fn sides(at: Span) -> Ident {
    spans::local("sides", at)
}

/// The parameter that gathers what both sides changed.
fn merging_so_far(at: Span) -> Ident {
    spans::local("merging", at)
}

/// Finds out what happened to a group.
fn seen(place: usize, group: &Group, fields: &[MergedField], support: &TokenStream) -> TokenStream {
    let (name, sides) = (group_name(place, Span::call_site()), sides(Span::call_site()));
    let prefers = match group.prefers {
        Prefers::Remote => quote!(#support::Side::Remote),
        Prefers::Local => quote!(#support::Side::Local),
        Prefers::Latest => quote!(#sides.later()),
    };
    let members = group.members.iter().map(|member| {
        let MergedField { ident, ty, .. } = &fields[*member];
        let at = spans::at_type(ty);
        let sides = self::sides(at);
        quote_spanned!(at=> .see::<#ty>(#sides.map(|of| &of.#ident)))
    });
    quote!(let #name = #support::Group::new(#prefers) #(#members)*;)
}

fn group_name(place: usize, at: Span) -> Ident {
    spans::local(&format!("group_{place}"), at)
}

/// Shown at the field's type: one that its policy cannot merge is to be mended there.
fn merged(field: &MergedField, krate: &Path) -> TokenStream {
    let MergedField { ident, name, ty, how, .. } = field;
    let at = spans::at_type(ty);
    let support = spans::support(krate, at);
    let (sides, merging) = (sides(at), merging_so_far(at));
    let sides = quote_spanned!(at=> #sides.map(|of| &of.#ident));
    match how {
        How::By(rule) => {
            let policy = policy(rule, &support, at);
            quote_spanned!(at=> #ident: #support::merge_field::<#policy, #ty>(#name, #sides, #merging))
        }
        How::With(path) => {
            quote_spanned!(at=> #ident: #support::merge_field_with::<#ty>(#name, #sides, #merging, #path))
        }
        How::InGroup(place) => {
            let group = group_name(*place, at);
            quote_spanned!(at=> #ident: #group.field::<#ty>(#name, #sides, #merging))
        }
    }
}

/// The type of a policy. A built-in one is shown where it is used, not where it is written: the field is what does not fit.
fn policy(rule: &Rule, support: &TokenStream, at: Span) -> TokenStream {
    match rule {
        Rule::BuiltIn(_, word) => {
            let word = spans::placed(word, at);
            quote_spanned!(at=> #support::merge::#word)
        }
        Rule::Map(values) => {
            let values = policy(values, support, at);
            quote_spanned!(at=> #support::merge::Map<#values>)
        }
        Rule::Own(own) => quote!(#own),
    }
}
