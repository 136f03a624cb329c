//! How servers tell of changes on their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MemberPath;
use super::check::{Check, distinct, named};

/// How a server tells of changes while a device listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    /// `feed=longpoll`, `timeout=30000`, in milliseconds, and `limit=1000`: what changed while the device was away comes in answers that
    /// are small enough to be read, one at once after the other.
    pub parameters: Vec<(String, String)>,
    /// The query parameter that says from where on. Default: `since`.
    pub since_parameter: String,
    /// From where on at first. Default: `now`.
    pub first: String,
    /// The member of the answer that says from where on to ask next. Default: `last_seq`.
    pub cursor_member: String,
    /// The member of the answer that holds the list of changes. One of more than 256 is taken for a hint that something changed. Default:
    /// `results`.
    pub list_member: String,
    /// Where in an item the record's id is. Default: `id`.
    pub id_path: MemberPath,
    /// Where in an item the record's version is. Default: `changes.0.rev`.
    pub version_path: MemberPath,
    /// Where in an item it says `true` when the record was deleted. Default: `deleted`.
    pub deleted_path: MemberPath,
    /// How long to wait before the next request after an answer that says to ask from the same place on. Default: 5 s.
    pub pause: Duration,
}

impl Default for LongPollDialect {
    fn default() -> Self {
        Self {
            path: "_changes".into(),
            parameters: vec![
                ("feed".into(), "longpoll".into()),
                ("timeout".into(), "30000".into()),
                ("limit".into(), "1000".into()),
            ],
            since_parameter: "since".into(),
            first: "now".into(),
            cursor_member: "last_seq".into(),
            list_member: "results".into(),
            id_path: "id".into(),
            version_path: "changes.0.rev".into(),
            deleted_path: "deleted".into(),
            pause: Duration::from_secs(5),
        }
    }
}

impl Default for LiveDialect {
    fn default() -> Self {
        Self::ServerSentEvents { path: "changes".into() }
    }
}

impl LiveDialect {
    pub(super) fn check(&self) -> Check {
        match self {
            Self::ServerSentEvents { path } => below_the_endpoint(path, "changes"),
            Self::Poll { every } if every.is_zero() => Err("`live.every` is zero".to_owned()),
            Self::LongPoll(poll) => poll.check(),
            _ => Ok(()),
        }
    }
}

impl LongPollDialect {
    fn check(&self) -> Check {
        if self.pause.is_zero() {
            return Err("`live.pause` is zero".to_owned());
        }
        below_the_endpoint(&self.path, "_changes")?;
        distinct(&[
            ("live.cursor_member", Some(&*self.cursor_member)),
            ("live.list_member", Some(&*self.list_member)),
        ])?;
        named("live.since_parameter", &self.since_parameter)
    }
}

/// Such a path is taken as it stands, step by step.
fn below_the_endpoint(path: &str, such_as: &str) -> Check {
    let leads_elsewhere = path.starts_with('/') || path.split('/').any(|step| matches!(step, "." | ".."));
    if path.is_empty() || leads_elsewhere || path.contains(['?', '#']) {
        return Err(format!(
            "`live.path` is `{path}`: expected the steps that follow the endpoint, such as `{such_as}`"
        ));
    }
    Ok(())
}
