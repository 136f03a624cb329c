//! Which redirects are followed: 307 and 308 within the origin.
//!
//! Another origin would get the records and, if it asked, the credentials of this one. 301, 302 and 303 turn a write
//! into a GET (RFC 9110, section 15.4), whose success would be taken for the write's.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// So many redirects in a row are followed.
pub(super) const LIMIT: usize = 5;

/// Where a redirect leads.
#[derive(Debug)]
pub(super) enum Redirect {
    /// To be followed.
    Follow(Url),
    /// Not to be followed, for this reason.
    Refuse(String),
}

/// Reads a redirect that `from` answered, after `hops` others; `None` if it is none.
pub(super) fn redirect(status: StatusCode, headers: &HeaderMap, from: &Url, hops: usize) -> Option<Redirect> {
    let code = status.as_u16();
    if !matches!(code, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target =
        headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|to| from.join(to).ok());
    let Some(mut target) = target else {
        return Some(Redirect::Refuse(format!("a redirect ({code}) without a readable `Location`")));
    };
    let origin = target.origin().ascii_serialization();
    let refuse = |why: &str| {
        Some(Redirect::Refuse(format!(
            "a redirect ({code}) to {origin}, which is not followed because {why}; if the server has moved there, set the base URL to its new address"
        )))
    };
    if target.origin() != from.origin() {
        return refuse("it is another origin");
    }
    if !matches!(code, 307 | 308) {
        return refuse("it would turn the request into another one");
    }
    if hops >= LIMIT {
        return refuse("it is the sixth in a row");
    }
    target.set_fragment(None);
    // User info in a `Location` would become credentials that nobody configured. `http` URLs can have it, so that
    // taking it away cannot fail.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Some(Redirect::Follow(target))
}
