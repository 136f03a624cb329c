//! Where the compiler shows what is wrong with generated code: at the user's tokens that it was generated for.
//!
//! The tokens stay generated ones, so that lints take them for such; only their place is the user's.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, Type};

use crate::peeled;

/// Generated, and shown at the user's tokens.
pub(super) fn at(tokens: &impl Spanned) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// Where a type is wrong: at its last name, since a span of several tokens shrinks to the first of them.
pub(super) fn at_type(ty: &Type) -> Span {
    match peeled::ty(ty) {
        Type::Path(path) => at_path(&path.path),
        inside => at(inside),
    }
}

/// The same for a path.
pub(super) fn at_path(path: &Path) -> Span {
    path.segments.last().map_or_else(|| at(path), |last| at(&last.ident))
}

/// A local variable or parameter, shown at a span. Whatever of the user's has the same name is still found where they named it.
pub(super) fn local(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// A name as a generated one: what is wrong with the impl around it is then reported once.
pub(super) fn placed(ident: &Ident, span: Span) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(span);
    ident
}

/// The crate's `codegen_support`, shown at a span.
pub(super) fn support(krate: &Path, span: Span) -> TokenStream {
    let krate = moved(krate.to_token_stream(), span);
    quote_spanned!(span=> #krate::codegen_support)
}

fn moved(tokens: TokenStream, span: Span) -> TokenStream {
    let one = |tree: TokenTree| {
        let own = tree.span();
        let mut tree = match tree {
            TokenTree::Group(group) => Group::new(group.delimiter(), moved(group.stream(), span)).into(),
            tree => tree,
        };
        tree.set_span(own.located_at(span));
        tree
    };
    tokens.into_iter().map(one).collect()
}
