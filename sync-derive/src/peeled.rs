//! What `macro_rules!` hands on as one piece, such as a `$ty:ty`, comes in brackets that nobody wrote.

use syn::{Expr, ExprGroup, ExprParen, Type, TypeGroup, TypeParen};

/// The type inside such brackets, and inside round ones.
pub(crate) fn ty(mut ty: &Type) -> &Type {
    while let Type::Group(TypeGroup { elem, .. }) | Type::Paren(TypeParen { elem, .. }) = ty {
        ty = elem;
    }
    ty
}

/// The expression inside such brackets, and inside round ones.
pub(crate) fn expr(mut expr: &Expr) -> &Expr {
    while let Expr::Group(ExprGroup { expr: inside, .. }) | Expr::Paren(ExprParen { expr: inside, .. }) = expr
    {
        expr = inside;
    }
    expr
}

#[cfg(test)]
mod tests {
    use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
    use quote::{ToTokens, quote};

    use super::*;

    fn fragment(tokens: TokenStream) -> TokenStream {
        TokenTree::from(Group::new(Delimiter::None, tokens)).into()
    }

    #[test]
    fn brackets_that_nobody_wrote_are_taken_off() {
        let hidden: Type = syn::parse2(fragment(fragment(quote!((Vec<u8>))))).expect("this is a type");
        assert_eq!(ty(&hidden).to_token_stream().to_string(), "Vec < u8 >");
        let hidden: Expr = syn::parse2(fragment(quote!(("a")))).expect("this is an expression");
        assert_eq!(expr(&hidden).to_token_stream().to_string(), "\"a\"");
    }
}
