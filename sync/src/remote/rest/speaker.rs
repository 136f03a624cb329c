//! Who says something with an answer that is no success: whether it is about what was asked, or about nothing.

use reqwest::header::CONTENT_TYPE;
use serde::de::IgnoredAny;

use super::answer::without_mark;
use super::exchange::Answer;

/// Whose word an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The API's, about what it was asked.
    Api,
    /// That of something before the server, which cannot get at it or does not let anybody through: of any other request it says the same.
    /// Besides the gateways' own (RFC 9110, sections 15.6.3 to 15.6.5), a proxy (15.5.8) and a network (RFC 6585, section 6) that want
    /// somebody to log in, and what Cloudflare (520 to 527, 530) and Supabase (540, for a project that is paused) say in their place.
    GoBetween,
    /// Whoever's it is, it is about this moment.
    Moment,
    /// That of a page of HTML with a 4xx.
    ///
    /// That a record is not there is for the API to say. A page of HTML that says so may be a gateway's, or of a base URL that is none:
    /// edits and deletions of records that are there would be given up for it. Nor is it the API that refuses something with such a page,
    /// but a firewall, a host whose application was stopped, a web server that has nothing but files while the API is set up anew, or a
    /// proxy to which the headers are too long.
    Page,
}

impl Speaker {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer.status.as_u16() {
            407 | 502..=504 | 511 | 520..=527 | 530 | 540 => Self::GoBetween,
            401 | 408 | 425 | 429 | 500..=599 => Self::Moment,
            400..=499 if is_page(answer) => Self::Page,
            _ => Self::Api,
        }
    }

    /// Whether nothing is said of what was asked, but only of this moment.
    pub(super) fn says_not_now(self) -> bool {
        matches!(self, Self::GoBetween | Self::Moment)
    }
}

/// Frameworks call an answer without a body a page, too, and one whose body the API has put together itself. Both are then the API's.
fn is_page(answer: &Answer) -> bool {
    let is_the_apis = answer.body.as_ref().is_ok_and(|body| {
        let body = without_mark(body.clone());
        let body = body.trim_ascii();
        body.is_empty()
            || matches!(body[0], b'{' | b'[') && serde_json::from_slice::<IgnoredAny>(body).is_ok()
    });
    !is_the_apis && has_content_type(answer, b"text/html")
}

pub(super) fn has_content_type(answer: &Answer, wanted: &[u8]) -> bool {
    let content = answer.headers.get(CONTENT_TYPE);
    content.is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(wanted))
}
