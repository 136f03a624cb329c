//! Problem details (RFC 9457): every error says what is wrong and what to do.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::store::Row;

/// An error as an answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// The server's side of a conflict, an extension member (section 3.2 of the RFC).
    current: Option<Box<Value>>,
    // Boxed, so that a result with a problem in it stays small.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), current: None, header: None }
    }

    /// Another version is there; it stands under `current`, and its version is the `ETag`.
    pub(super) fn conflict(status: StatusCode, row: Row) -> Self {
        let detail = "the server has another version, under `current`: send again with its ETag as If-Match";
        let tag = HeaderValue::from_str(&format!("\"{}\"", row.version)).ok();
        Self {
            current: row.record.map(Box::new),
            header: tag.map(|tag| Box::new((header::ETAG, tag))),
            ..Self::new(status, detail)
        }
    }

    /// A method that the path does not take (RFC 9110, section 15.5.6).
    pub(super) fn method(allowed: &'static str) -> Self {
        let header = Some(Box::new((header::ALLOW, HeaderValue::from_static(allowed))));
        let detail = format!("this path takes {allowed}");
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// No token, or a wrong one (RFC 9110, section 15.5.2).
    pub(super) fn unauthorized() -> Self {
        let header = Some(Box::new((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))));
        let detail = "send `Authorization: Bearer` with a valid token";
        Self { header, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(current) = self.current {
            body["current"] = *current;
        }
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response();
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}
