//! `#[deprecated]`: whoever keeps what is deprecated is not told of it by code that he did not write.

use proc_macro2::TokenTree;
use syn::{Attribute, Data, DeriveInput, Meta};

/// Whether the struct or a field of it is deprecated, or may use what is.
pub(super) fn is_let_be(input: &DeriveInput) -> bool {
    let of_fields = match &input.data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| &field.attrs).any(lets_it_be),
        Data::Enum(_) | Data::Union(_) => false,
    };
    of_fields || input.attrs.iter().any(lets_it_be)
}

fn lets_it_be(attribute: &Attribute) -> bool {
    let path = attribute.path();
    match &attribute.meta {
        Meta::List(list) if path.is_ident("allow") || path.is_ident("expect") => {
            let names = |tree: TokenTree| matches!(tree, TokenTree::Ident(name) if name == "deprecated");
            list.tokens.clone().into_iter().any(names)
        }
        _ => path.is_ident("deprecated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deprecated_or_may_use_it_is_let_be() {
        let cases: [(DeriveInput, bool); 5] = [
            (
                syn::parse_quote!(
                    #[deprecated = "gone"]
                    struct Note;
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    struct Note {
                        #[deprecated]
                        id: u8,
                    }
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    struct Note {
                        #[allow(dead_code, deprecated)]
                        id: u8,
                    }
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    #[expect(deprecated, reason = "old data")]
                    struct Note;
                ),
                true,
            ),
            (
                syn::parse_quote!(
                    #[warn(deprecated)]
                    #[allow(dead_code)]
                    struct Note {
                        deprecated: u8,
                    }
                ),
                false,
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(is_let_be(&input), expected, "{:?}", input.ident);
        }
    }
}
