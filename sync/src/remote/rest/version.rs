//! Versions as headers: `ETag` in, `If-Match` out (RFC 9110, sections 8.8.3 and 13.1.1).

use reqwest::header::{ETAG, HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use super::members::scalar;
use crate::record::Version;

/// The version that a strong `ETag` names. A weak one (`W/"…"`) names no version: two records that differ may share it,
/// and `If-Match` never matches it.
pub(super) fn from_etag(headers: &HeaderMap) -> Option<Version> {
    let tag = std::str::from_utf8(headers.get(ETAG)?.as_bytes()).ok()?.trim();
    let opaque = tag.strip_prefix('"')?.strip_suffix('"')?;
    (!opaque.contains('"')).then(|| Version::new(opaque))
}

/// The version that a record's member holds: a string or an integer; anything else is none.
pub(super) fn from_member(member: Option<&RawValue>) -> Option<Version> {
    scalar(member?).map(Version::new)
}

/// The header that makes the server refuse a write on any other version; `None` when the version has characters that
/// cannot stand in an entity tag, such as a quote or a line break.
pub(super) fn if_match(version: &Version) -> Option<HeaderValue> {
    let text = version.as_str();
    if text.chars().any(|c| c == '"' || c.is_control()) {
        return None;
    }
    HeaderValue::from_bytes(format!("\"{text}\"").as_bytes()).ok()
}
