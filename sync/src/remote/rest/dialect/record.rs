//! What a record looks like on the wire.

use serde::{Deserialize, Serialize};

use super::{MemberPath, Parameters, Template};

/// What a record looks like, in whatever answer it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordDialect {
    /// Where the record is in an answer about one record. Default: it is the whole answer.
    ///
    /// When the path ends at an index, such as `0`, and the list is empty, then no record was meant: a write that found
    /// none to write on is a conflict, and a record that was asked for does not exist.
    pub answered_in: MemberPath,
    /// The members around a record that is sent: `data` sends `{"data": …}`. Default: none.
    pub sent_in: MemberPath,
    /// Members that are taken out of a record before it is sent, because the server refuses them. Default: none.
    ///
    /// Members that the program's own type does not know never come back to the server: what it sends is written by that
    /// type.
    pub unsent: Vec<String>,
    /// The member that carries the id where it is not under the entity's own name for it; tombstones often do so.
    /// Default: `id`.
    pub id_member: String,
    /// What a deleted record looks like. Default: `"deleted": true`.
    pub tombstone: Tombstone,
    /// Where a record's version is. Default: the `ETag` of an answer about one record, and the member `version`.
    pub version: VersionSource,
}

impl Default for RecordDialect {
    fn default() -> Self {
        Self {
            answered_in: MemberPath::whole(),
            sent_in: MemberPath::whole(),
            unsent: Vec::new(),
            id_member: "id".into(),
            tombstone: Tombstone::True("deleted".into()),
            version: VersionSource::ETagOrMember("version".into()),
        }
    }
}

/// What a deleted record looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tombstone {
    /// The server shows none: see [`DeletionDialect`](super::DeletionDialect).
    Nothing,
    /// This member is `true`. Absent, `null` or `false` it says that the record exists.
    True(String),
    /// This member is there and not `null`: the time of the deletion, for instance.
    Present(String),
}

impl Tombstone {
    /// The member that tells it.
    pub(in crate::remote::rest) fn member(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::True(member) | Self::Present(member) => Some(member),
        }
    }
}

/// Where a record's version is. It is configured and never guessed: a weak `ETag` (`W/"…"`), which often is a hash of the
/// answer's text, names no version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VersionSource {
    /// The server has no versions.
    Nothing,
    /// The strong `ETag` of an answer about one record (RFC 9110, section 8.8.3). Lists tell none.
    ETag,
    /// Another header of an answer about one record, without quotes around its value.
    Header(String),
    /// A member of the record, a string or an integer.
    Member(String),
    /// The `ETag` where there is one, else the member.
    ETagOrMember(String),
}

impl VersionSource {
    pub(in crate::remote::rest) fn member(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::ETag | Self::Header(_) => None,
            Self::Member(member) | Self::ETagOrMember(member) => Some(member),
        }
    }
}

/// How one record is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchDialect {
    /// Where it is, with the placeholders `{endpoint}` and `{id}`. Default: `{endpoint}/{id}`.
    pub path: Template,
    /// Parameters, which know the same placeholders, and `{id_member}`, the entity's JSON member of that meaning. Default: none.
    pub parameters: Parameters,
    /// The statuses that say that there is no such record. Default: 404 and 410.
    pub missing: Vec<u16>,
}

impl Default for FetchDialect {
    fn default() -> Self {
        Self { path: "{endpoint}/{id}".into(), parameters: Vec::new(), missing: vec![404, 410] }
    }
}

/// What the answer to a conflicting write looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConflictDialect {
    /// Where the server's record may be: the first of these places that holds the record which was sent is taken. Where
    /// none does, the record is asked for. Default: under `current`, or the answer itself.
    pub record: Vec<MemberPath>,
}

impl Default for ConflictDialect {
    fn default() -> Self {
        Self { record: vec!["current".into(), MemberPath::whole()] }
    }
}
