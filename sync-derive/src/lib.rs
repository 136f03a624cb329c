//! The derives of `sync`.
use proc_macro::TokenStream;

/// Derives `Syncable`.
#[proc_macro_derive(Syncable, attributes(sync))]
pub fn syncable(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Derives `Schema`.
#[proc_macro_derive(Schema, attributes(sync))]
pub fn schema(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
