//! Which redirects are followed: 307 and 308 within the origin.
//!
//! Another origin would get the records and, if it asked, the credentials of this one. 301, 302 and 303 turn a write
//! into a GET (RFC 9110, section 15.4), whose success would be taken for the write's.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use url::Url;

use super::base_url::shown;

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
pub(super) fn redirect(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
    hops: usize,
) -> Option<Redirect> {
    let code = status.as_u16();
    if !matches!(code, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target =
        headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|to| from.join(to).ok());
    let Some(mut target) = target else {
        return Some(Redirect::Refuse(format!("a redirect ({code}) without a readable `Location`")));
    };
    let refuse = |why: &str| {
        let (to, advice) = (shown(&target), advice(from, &target));
        Some(Redirect::Refuse(format!(
            "a redirect ({code}) to `{to}`, which is not followed because {why}; {advice}"
        )))
    };
    if target.origin() != from.origin() {
        return refuse("it is another origin");
    }
    if !matches!(code, 307 | 308) {
        return refuse(match *method {
            Method::GET => "one that may turn a write into a read is followed for neither (307 and 308 are)",
            _ => "it may turn the request into a GET",
        });
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

/// What helps where a redirect is not followed.
fn advice(from: &Url, to: &Url) -> String {
    let same_place = from.origin() == to.origin()
        && from.path() != to.path()
        && from.path().trim_end_matches('/') == to.path().trim_end_matches('/');
    if !same_place {
        return "if the server has moved there, set the base URL to its new address".to_owned();
    }
    let (with, list, one) = if to.path().ends_with('/') {
        ("with", "{endpoint}/", "{endpoint}/{id}/")
    } else {
        ("without", "{endpoint}", "{endpoint}/{id}")
    };
    format!(
        "the server has it {with} a slash at its end: write the dialect's paths so, such as `pull.path: \"{list}\"` or `update.path: \"{one}\"`"
    )
}
