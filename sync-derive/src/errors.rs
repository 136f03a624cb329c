//! Collects mistakes, so that all of them are shown at once.

use std::fmt::Display;
use std::thread;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far. They have to be shown: dropping them unread is a bug of the derive.
#[derive(Debug, Default)]
#[must_use = "mistakes that nobody shows are worse than mistakes"]
pub(crate) struct Errors {
    found: Option<syn::Error>,
    shown: bool,
}

impl Errors {
    /// Notes a mistake at the user's tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that the parser found.
    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(errors) => errors.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Whether there were none so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    /// Everything noted, as one `compile_error!` each.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.shown = true;
        self.found.take().map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        assert!(self.shown || thread::panicking(), "the mistakes found by the derive were not shown");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_shown() {
        let mut errors = Errors::default();
        assert!(errors.is_empty());
        errors.at(quote::quote!(first), "one");
        errors.at(quote::quote!(second), "two");
        let shown = errors.into_tokens().to_string();
        assert!(shown.contains("one") && shown.contains("two"), "{shown}");
    }

    #[test]
    #[should_panic(expected = "were not shown")]
    fn mistakes_that_nobody_shows_are_a_bug() {
        drop(Errors::default());
    }
}
