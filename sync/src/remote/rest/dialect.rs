//! What servers call things: the knobs of the contract.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::RestError;

/// The names that a server uses, as plain data. [`Dialect::default`] is the contract of the design's section 5.
///
/// The structs can grow, so they are made from their default:
///
/// ```
/// use sync::Dialect;
///
/// let mut dialect = Dialect::default();
/// dialect.pull.since_parameter = "modified_after".into();
/// dialect.pull.items_member = "data".into();
/// dialect.record.version_member = None;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Dialect {
    /// How a page of changes is asked for and answered.
    pub pull: PullDialect,
    /// What a record's members mean.
    pub record: RecordDialect,
    /// What a conflict looks like.
    pub conflict: ConflictDialect,
    /// How changes are told while a device listens.
    pub live: LiveDialect,
}

/// How a page of changes is asked for, and what its answer looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PullDialect {
    /// The query parameter that carries the cursor. It is left out on the first pull. Default: `since`.
    pub since_parameter: String,
    /// The query parameter that says how many items to send at most. Default: `limit`.
    pub limit_parameter: String,
    /// The member of the answer that holds the list. Default: `items`.
    pub items_member: String,
    /// The member of the answer that holds the new cursor, a string. Default: `cursor`.
    pub cursor_member: String,
    /// The member of the answer that says whether there is more, a boolean. Default: `hasMore`.
    pub has_more_member: String,
}

impl Default for PullDialect {
    fn default() -> Self {
        Self {
            since_parameter: "since".into(),
            limit_parameter: "limit".into(),
            items_member: "items".into(),
            cursor_member: "cursor".into(),
            has_more_member: "hasMore".into(),
        }
    }
}

/// What a record's members mean to the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RecordDialect {
    /// The member that carries the id where it is not under the entity's own name for it; tombstones often do so.
    /// Default: `id`.
    pub id_member: String,
    /// The member that is `true` in a tombstone. Default: `deleted`.
    pub deleted_member: String,
    /// The member that carries a record's version, a string or an integer, where no `ETag` tells it. `None` if the
    /// records have no such member, or have one that means something else. Default: `version`.
    pub version_member: Option<String>,
}

impl Default for RecordDialect {
    fn default() -> Self {
        Self {
            id_member: "id".into(),
            deleted_member: "deleted".into(),
            version_member: Some("version".into()),
        }
    }
}

/// What the answer to a conflicting write (409 or 412) looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ConflictDialect {
    /// The member that holds the server's record, if the answer is not the record itself. Default: `current`.
    pub current_member: String,
}

impl Default for ConflictDialect {
    fn default() -> Self {
        Self { current_member: "current".into() }
    }
}

/// How a server tells of changes while a device listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LiveDialect {
    /// It does not: changes are found by the pulls of [`AutoSync::pull_every`](crate::AutoSync::pull_every).
    Nothing,
    /// Server-sent events at `{endpoint}/{path}`; a server that has none answers 404 or 405. The default, with the path
    /// `changes`.
    ServerSentEvents {
        /// What follows the endpoint, without a slash in front.
        path: String,
    },
    /// A request that the server answers once something changed.
    LongPoll(Box<LongPollDialect>),
    /// It is asked for a page from time to time.
    Poll {
        /// How often.
        every: Duration,
    },
}

/// A request that is answered once something changed. The default is `_changes?feed=longpoll` of `CouchDB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LongPollDialect {
    /// What follows the endpoint, without a slash in front. Default: `_changes`.
    pub path: String,
    /// Query parameters that are always the same. How long the server waits must be less than the remote's timeout. Default:
    /// `feed=longpoll` and `timeout=30000`, in milliseconds.
    pub parameters: Vec<(String, String)>,
    /// The query parameter that says from where on. Default: `since`.
    pub since_parameter: String,
    /// From where on at first. Default: `now`.
    pub first: String,
    /// The member of the answer that says from where on to ask next. Default: `last_seq`.
    pub cursor_member: String,
    /// The member of the answer that holds the list of changes. Default: `results`.
    pub list_member: String,
    /// Where in an item the record's id is: members, and indexes of arrays. Default: `id`.
    pub id_path: Vec<String>,
    /// Where in an item the record's version is. Default: `changes`, `0`, `rev`.
    pub version_path: Vec<String>,
    /// Where in an item it says `true` when the record was deleted. Default: `deleted`.
    pub deleted_path: Vec<String>,
    /// How long to wait before the next request when the server answered at once and had nothing to say. Default: 5 s.
    pub pause: Duration,
}

impl Default for LongPollDialect {
    fn default() -> Self {
        let path = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect();
        Self {
            path: "_changes".into(),
            parameters: vec![("feed".into(), "longpoll".into()), ("timeout".into(), "30000".into())],
            since_parameter: "since".into(),
            first: "now".into(),
            cursor_member: "last_seq".into(),
            list_member: "results".into(),
            id_path: path(&["id"]),
            version_path: path(&["changes", "0", "rev"]),
            deleted_path: path(&["deleted"]),
            pause: Duration::from_secs(5),
        }
    }
}

impl Default for LiveDialect {
    fn default() -> Self {
        Self::ServerSentEvents { path: "changes".into() }
    }
}

impl Dialect {
    /// Checks that no name is empty, and that no two things that stand side by side have the same name.
    pub(super) fn check(&self) -> Result<(), RestError> {
        let Self { pull, record, conflict, live } = self;
        let parameters = [
            ("pull.since_parameter", &pull.since_parameter),
            ("pull.limit_parameter", &pull.limit_parameter),
        ];
        let envelope = [
            ("pull.items_member", &pull.items_member),
            ("pull.cursor_member", &pull.cursor_member),
            ("pull.has_more_member", &pull.has_more_member),
        ];
        let mut members = vec![
            ("record.id_member", &record.id_member),
            ("record.deleted_member", &record.deleted_member),
            ("conflict.current_member", &conflict.current_member),
        ];
        members.extend(record.version_member.as_ref().map(|name| ("record.version_member", name)));
        match live {
            LiveDialect::ServerSentEvents { path } if path.is_empty() || path.starts_with('/') => {
                let reason =
                    format!("`live.path` is `{path}`: expected what follows the endpoint, such as `changes`");
                return Err(RestError::Dialect { reason });
            }
            LiveDialect::Poll { every } if every.is_zero() => {
                return Err(RestError::Dialect { reason: "`live.every` is zero".into() });
            }
            LiveDialect::LongPoll(poll) => poll.check()?,
            _ => {}
        }
        distinct(&parameters)?;
        distinct(&envelope)?;
        distinct(&members)
    }
}

impl LongPollDialect {
    fn check(&self) -> Result<(), RestError> {
        if self.pause.is_zero() {
            return Err(RestError::Dialect { reason: "`live.pause` is zero".into() });
        }
        if self.path.is_empty() || self.path.starts_with('/') {
            let reason = format!(
                "`live.path` is `{}`: expected what follows the endpoint, such as `_changes`",
                self.path
            );
            return Err(RestError::Dialect { reason });
        }
        distinct(&[("live.cursor_member", &self.cursor_member), ("live.list_member", &self.list_member)])?;
        distinct(&[("live.since_parameter", &self.since_parameter)])
    }
}

fn distinct(names: &[(&str, &String)]) -> Result<(), RestError> {
    let refused = |reason| Err(RestError::Dialect { reason });
    for (place, (knob, name)) in names.iter().enumerate() {
        if name.is_empty() {
            return refused(format!("`{knob}` is empty"));
        }
        if let Some((other, _)) = names[..place].iter().find(|(_, earlier)| earlier == name) {
            return refused(format!("`{other}` and `{knob}` are both `{name}`"));
        }
    }
    Ok(())
}
