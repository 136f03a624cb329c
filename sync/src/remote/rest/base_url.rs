//! Where the server's endpoints are: the base URL, and the URLs below it.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::dialect::Template;
use super::error::{BaseUrlProblem, RestError};
use crate::entity::EntityInfo;
use crate::record::RecordKey;

/// All but the unreserved characters (RFC 3986, section 2.3): an id is one segment of a path, whatever is in it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a URL parser encodes in a path (WHATWG URL, section 1.3), but for `?` and `#`, which do not belong there. `%`
/// stays, so that an endpoint may hold what is encoded already.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'^').add(b'`').add(b'{').add(b'}');

/// An absolute `http` or `https` URL without user info, query and fragment, and without a slash at its end.
#[derive(Clone)]
pub(super) struct BaseUrl {
    url: Url,
    /// `scheme://host/path`, without the slash.
    text: String,
}

/// An address that does not lead to this server.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutsideBase {
    /// The entity's endpoint leads elsewhere.
    #[error(
        "the endpoint `{endpoint}` does not lead to addresses below the base URL; write a path such as `/notes`"
    )]
    Endpoint { endpoint: &'static str },
    /// Credentials and cursors go to nobody else.
    #[error(
        "the address of the next page leads to {to}, and is none of this server's at `{base}`: let the server name its pages by that address, or by paths, or set the base URL to where it says it is"
    )]
    Link { to: String, base: String },
}

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, RestError> {
        Self::checked(text).map_err(|problem| RestError::BaseUrl { url: without_user_info(text), problem })
    }

    fn checked(text: &str) -> Result<Self, BaseUrlProblem> {
        if text.is_empty() {
            return Err(BaseUrlProblem::Empty);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BaseUrlProblem::Whitespace);
        }
        // The parser would also read `https:host` and `https:/host`, and take `localhost:3000` for a scheme.
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(BaseUrlProblem::NotAbsolute);
        };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(BaseUrlProblem::Scheme(scheme.to_owned()));
        }
        // Nor would it mind more slashes, and take what comes after them for the host.
        if rest.starts_with(['/', '\\']) {
            return Err(url::ParseError::EmptyHost.into());
        }
        let url = Url::parse(text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlProblem::Credentials);
        }
        if url.query().is_some() {
            return Err(BaseUrlProblem::Query);
        }
        if url.fragment().is_some() {
            return Err(BaseUrlProblem::Fragment);
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }

    /// The base itself.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// An address below the base, by the template of a path: `{endpoint}` as the entity has it, and `{id}` as one segment.
    ///
    /// Parsing may change nothing: steps such as `..`, in whatever spelling, a query or a fragment would have sent the
    /// request elsewhere. The derive, the dialect's check and [`RecordKey`] refuse them already; this also holds for an
    /// [`EntityInfo`] made by hand.
    pub(super) fn at(
        &self,
        entity: &EntityInfo,
        path: &Template,
        key: Option<&RecordKey>,
    ) -> Result<Url, OutsideBase> {
        // The slash at its end, if it has one, belongs to the collection itself.
        let endpoint = match entity.endpoint.strip_suffix('/') {
            Some(shorter) if path.as_str() != "{endpoint}" => shorter,
            _ => entity.endpoint,
        };
        let below = path.fill(|place| match place {
            "endpoint" => Some(utf8_percent_encode(endpoint, PATH).into()),
            "id" => key.map(|key| utf8_percent_encode(key.as_str(), SEGMENT).into()),
            _ => None,
        });
        let text = format!("{}{below}", self.text);
        match Url::parse(&text) {
            Ok(url)
                if entity.endpoint.starts_with('/')
                    && url.as_str() == text
                    && url.query().is_none()
                    && url.fragment().is_none() =>
            {
                Ok(url)
            }
            _ => Err(OutsideBase::Endpoint { endpoint: entity.endpoint }),
        }
    }

    /// An address relative to the base, of this server; `None` when it is of another one.
    pub(super) fn relative(&self, address: &str) -> Option<Url> {
        let url = Url::parse(&format!("{}/", self.text)).ok()?.join(address).ok()?;
        (url.origin() == self.url.origin()).then_some(url)
    }

    /// Path and query of the next page, which an answer named by an address that may be relative to where it was answered
    /// (RFC 3986, section 5.1.3). Scheme and port do not count: a server behind a proxy often does not know its own.
    pub(super) fn next_page(&self, at: &Url, address: &str) -> Result<String, OutsideBase> {
        let url = at.join(address).map_err(|_| self.elsewhere(None))?;
        let ours = url.host() == self.url.host() && url.username().is_empty() && url.password().is_none();
        match (ours, url.query()) {
            (false, _) => Err(self.elsewhere(Some(&url))),
            (true, Some(query)) => Ok(format!("{}?{query}", url.path())),
            (true, None) => Ok(url.path().to_owned()),
        }
    }

    /// The address of such a page. It is this server's wherever it is by now.
    pub(super) fn of_page(&self, path: &str) -> Result<Url, OutsideBase> {
        if path.starts_with("//") {
            // Joined, it would name another host.
            let (path, query) =
                path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
            let mut url = self.url.clone();
            url.set_path(path);
            url.set_query(query);
            return Ok(url);
        }
        match self.url.join(path) {
            Ok(url) if url.origin() == self.url.origin() => Ok(url),
            url => Err(self.elsewhere(url.ok().as_ref())),
        }
    }

    fn elsewhere(&self, url: Option<&Url>) -> OutsideBase {
        let host = url.and_then(Url::host_str).map(|host| format!("`{host}`"));
        OutsideBase::Link { to: host.unwrap_or_else(|| "no host".to_owned()), base: self.text.clone() }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A URL as errors and logs show it: a query may hold a cursor, or a key that a redirect brought.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails for URLs that cannot have user info, which is what is wanted.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// What was given as a base URL, for its error: also something that is no URL may hold a password and a query.
fn without_user_info(text: &str) -> String {
    let (before, after) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let (scheme, rest) = before.split_once("://").map_or(("", before), |(scheme, rest)| (scheme, rest));
    // A password may hold what else begins a query, and a query an address of somebody's: nobody can tell where either ends.
    let rest = if after.contains('@') { "…" } else { rest.rsplit_once('@').map_or(rest, |(_, rest)| rest) };
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}
