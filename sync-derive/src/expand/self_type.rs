//! What `Self` means where the user wrote it. In another item, it would be that item's type.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// The user's tokens with each `Self` spelled out, for an item that is not an `impl` for the type itself.
///
/// Tokens and no syntax tree: `Self` also stands in the lengths of arrays and among the arguments of macros.
pub(super) fn spelled_out(
    written: impl ToTokens,
    ident: &Ident,
    type_generics: impl ToTokens,
) -> TokenStream {
    replaced(written.into_token_stream(), ident, &type_generics.into_token_stream())
}

fn replaced(tokens: TokenStream, ident: &Ident, generics: &TokenStream) -> TokenStream {
    let one = |tree: TokenTree| match tree {
        TokenTree::Ident(word) if word == "Self" => {
            // Shown where it was written.
            let mut ident = ident.clone();
            ident.set_span(ident.span().located_at(word.span()));
            quote!(#ident #generics)
        }
        TokenTree::Group(group) => {
            let mut inside = Group::new(group.delimiter(), replaced(group.stream(), ident, generics));
            inside.set_span(group.span());
            TokenTree::from(inside).into()
        }
        other => other.into(),
    };
    tokens.into_iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, Type, parse_quote};

    use super::*;

    fn spelled_out_in_a_tree(ty: &Type) -> String {
        let tree: DeriveInput = parse_quote!(
            struct Tree<T: Clone, const N: usize>;
        );
        let (_, type_generics, _) = tree.generics.split_for_impl();
        spelled_out(ty, &tree.ident, type_generics).to_string()
    }

    fn written(ty: &Type) -> String {
        ty.to_token_stream().to_string()
    }

    #[test]
    fn self_is_spelled_out_with_its_parameters() {
        let cases: [(Type, Type); 5] = [
            (parse_quote!(Self), parse_quote!(Tree<T, N>)),
            (parse_quote!(Option<Vec<Self>>), parse_quote!(Option<Vec<Tree<T, N>>>)),
            (parse_quote!((u8, [Self; 2])), parse_quote!((u8, [Tree<T, N>; 2]))),
            (parse_quote!(<Self as Kind>::Content), parse_quote!(<Tree<T, N> as Kind>::Content)),
            (parse_quote!(a_macro!(Self)), parse_quote!(a_macro!(Tree<T, N>))),
        ];
        for (own, expected) in cases {
            assert_eq!(spelled_out_in_a_tree(&own), written(&expected));
        }
    }

    #[test]
    fn what_is_not_self_stays_as_it_is() {
        let other: Type = parse_quote!(Vec<(SelfMade, [T; { N }])>);
        assert_eq!(spelled_out_in_a_tree(&other), written(&other));
    }
}
