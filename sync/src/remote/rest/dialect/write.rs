//! How operations are sent, and what their answers mean.

use serde::{Deserialize, Serialize};

use super::{Parameters, Template};

/// How one kind of operation is sent, and what its answers mean. A status that is in none of the lists has its usual meaning:
/// 502 to 504 that the server cannot be reached, 429 that it is to be left alone, 401 that the credentials are not taken, 408, 425 and other
/// 5xx that it may pass, and other 4xx that the operation is refused ([`RemoteError`](crate::RemoteError)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteDialect {
    /// The HTTP method.
    pub method: Method,
    /// Where it goes, with the placeholders `{endpoint}` and `{id}`.
    pub path: Template,
    /// Parameters, which know the same placeholders, and `{id_member}`, the entity's JSON member of that meaning.
    #[serde(default)]
    pub parameters: Parameters,
    /// Headers that are always the same, such as `Prefer: return=representation`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: SentBody,
    /// How it is made sure that nothing of somebody else's is overwritten.
    pub check: VersionCheck,
    /// What the body of a success is.
    #[serde(default)]
    pub answer: AnsweredBody,
    /// The statuses that say that it was done.
    pub done: Vec<u16>,
    /// The statuses that say so unless they bring another record than the one that was sent: some servers answer a repeated
    /// creation with what was there.
    #[serde(default)]
    pub compared: Vec<u16>,
    /// The statuses that look like a success and prove nothing: the record is asked for and compared with what was sent.
    #[serde(default)]
    pub unproven: Vec<u16>,
    /// The statuses that say that the server has something else than what was expected.
    pub conflict: Vec<u16>,
    /// The statuses that say that the server does not have the record; for a deletion, that is what was wanted. 404 and 410 are believed
    /// where a request for the record does not bring it: a server may have no route for this write, or hide that it is not allowed.
    #[serde(default)]
    pub missing: Vec<u16>,
    /// The statuses that say that nothing can be written now, such as 405 of a server that is read-only for a while:
    /// everything waits, as for 503.
    #[serde(default)]
    pub unavailable: Vec<u16>,
}

impl WriteDialect {
    /// The contract's creation: `POST {endpoint}` with the record.
    #[must_use]
    pub fn create() -> Self {
        Self {
            method: Method::Post,
            path: "{endpoint}".into(),
            done: vec![201, 204],
            compared: vec![200],
            check: VersionCheck::Nothing,
            missing: Vec::new(),
            ..Self::overwrite()
        }
    }

    /// The contract's update: `PATCH {endpoint}/{id}` with the record.
    #[must_use]
    pub fn update() -> Self {
        Self { method: Method::Patch, done: vec![200, 204], ..Self::overwrite() }
    }

    /// The contract's way to put the winner of a conflict in place: `PUT {endpoint}/{id}` with the record.
    #[must_use]
    pub fn overwrite() -> Self {
        Self {
            method: Method::Put,
            path: "{endpoint}/{id}".into(),
            parameters: Vec::new(),
            headers: Vec::new(),
            body: SentBody::Record,
            check: VersionCheck::IfMatch,
            answer: AnsweredBody::Record,
            done: vec![200, 201, 204],
            compared: Vec::new(),
            unproven: Vec::new(),
            conflict: vec![409, 412],
            missing: vec![404, 410],
            unavailable: Vec::new(),
        }
    }

    /// The contract's deletion: `DELETE {endpoint}/{id}`.
    #[must_use]
    pub fn delete() -> Self {
        Self { method: Method::Delete, body: SentBody::Nothing, done: vec![200, 204], ..Self::overwrite() }
    }
}

/// A method that writes (RFC 9110, section 9, and RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// What an operation sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SentBody {
    /// The whole record, as `application/json`. By `PATCH`, which leaves alone what it does not name, with `null` for each member that the
    /// server has and the record has no longer ([`WriteRequest::cleared`](crate::remote::WriteRequest::cleared)).
    Record,
    /// What changed since the last state that the server is known to have had, as `application/merge-patch+json` (RFC 7396):
    /// members that this device did not touch are not overwritten. The engine keeps that state of every record then. The whole record,
    /// where the server is not known to have had any.
    MergePatch,
    /// Nothing.
    Nothing,
    /// This JSON text, such as `{"deleted": true}` for a deletion.
    Json(String),
}

/// How it is made sure that a write overwrites nothing of somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VersionCheck {
    /// Not at all, or by the request itself: a creation that is refused where there is a record.
    Nothing,
    /// By the header `If-Match` with the version in double quotes (RFC 9110, section 13.1.1).
    IfMatch,
    /// By another header, or by `If-Match` in another form: its value knows the placeholder `{version}`. It is left out while no version
    /// is known.
    Header {
        /// Its name.
        name: String,
        /// Its value: `{version}` sends it as it came, without quotes.
        value: Template,
    },
    /// By a parameter whose value knows the placeholder `{version}`: `rev={version}`, or the filter `version=eq.{version}`. It is
    /// left out while no version is known.
    Parameter {
        /// Its name.
        name: String,
        /// Its value.
        value: Template,
    },
    /// By a member of the record that is sent: as a number where the program's own type has this member as one, and as a string otherwise.
    Member(String),
    /// The same, and as a number whatever the program's own type has. A version that is none goes as a string.
    NumberMember(String),
    /// The server checks nothing: the record is read first, and what is not as expected is a conflict. Between the reading
    /// and the writing somebody else can still write, and be overwritten.
    ReadFirst,
}

/// What the body of a success is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AnsweredBody {
    /// The record as the server has it now, or nothing: no body, `null`, `{}` or `[]`. What the server made of it then counts. Other
    /// JSON may say that nothing was done: after a creation, an update or an overwrite the record is asked for then, and where it is not as
    /// it was sent or as somebody else wrote it, the attempt counts, and a creation is parked at once.
    #[default]
    Record,
    /// Something about it that is not the record, such as `{"ok": true, "rev": "2-a"}`, or text such as `OK`, which has no version. A page
    /// of HTML is none: it may be that of something before the server.
    Receipt {
        /// The member that holds the record's new version, a string or an integer; it may be absent.
        version_member: String,
    },
}
