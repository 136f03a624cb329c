//! What the application's own code can fail with.

use crate::BoxError;
use crate::entity::ReferenceError;
use crate::misfit::Misfit;
use crate::record::{EntityName, IdError, RecordKey, RecordRef};

/// What to write where a struct has changed, and cannot read what was stored before.
pub(crate) const CHANGED: &str = "where the struct has changed, raise its `version` and write an `upgrade`, or give what is new `#[serde(default)]`";

/// What the log has in the place of words that may quote a record, or the credentials.
pub(crate) const UNSAID: &str = "what was said is in the report, and not in the log";

/// Why a handler or strategy of the user's did not give an answer. Nothing is lost: it is asked again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// It returned an error.
    #[error("{handler} of {entity}{} failed: {source}", named(key.as_ref()))]
    Failed {
        /// Which one.
        handler: Handler,
        /// The entity.
        entity: EntityName,
        /// The record's id; `None` where it was told of a whole page.
        key: Option<RecordKey>,
        /// What it returned.
        #[source]
        source: BoxError,
    },
    /// It panicked.
    #[error("{handler} of {entity}{} panicked: {message}", named(key.as_ref()))]
    Panicked {
        /// Which one.
        handler: Handler,
        /// The entity.
        entity: EntityName,
        /// The record's id; `None` where it was told of a whole page.
        key: Option<RecordKey>,
        /// The panic's message, when it had one.
        message: String,
    },
    /// It merged into another record.
    #[error(
        "the strategy of {entity} merged the conflict of `{key}` into a record with the id `{merged}`; keep the id"
    )]
    OtherRecord {
        /// The entity.
        entity: EntityName,
        /// The id of the record in conflict.
        key: String,
        /// The id of what it returned.
        merged: String,
    },
    /// What was pulled, merged or upgraded cannot be written as JSON.
    #[error("{record} cannot be written as JSON: {source}")]
    Json {
        /// The record.
        record: RecordRef,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
    /// What is stored of a record, and was to be given to it, is not of the entity's type any more.
    #[error(
        "what is stored of {record} cannot be read as the type that the program has now: {source}; {}, or put the record right with a new `push`",
        CHANGED
    )]
    Misfit {
        /// The record.
        record: RecordRef,
        /// Where it does not fit.
        #[source]
        source: Misfit,
    },
    /// The id of a stored record is not of the entity's id type any more.
    #[error("the id of {record}, which is stored, is none of the type that the program has now: {source}")]
    StoredId {
        /// The record.
        record: RecordRef,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
    /// What an earlier version of the program stored could not be upgraded.
    #[error(
        "what version {version} stored of {record} could not be upgraded: {source}; mend `upgrade`, and it is read again"
    )]
    Upgrade {
        /// The record.
        record: RecordRef,
        /// The version that stored it.
        version: u32,
        /// What the upgrade returned.
        #[source]
        source: BoxError,
    },
    /// An upgrade made another record.
    #[error("`upgrade` of {entity} made the record `{upgraded}` of `{key}`; keep the id")]
    UpgradedToOther {
        /// The entity.
        entity: EntityName,
        /// The id of the stored record.
        key: String,
        /// The id of what was made of it.
        upgraded: String,
    },
    /// A later version of the program stored it.
    #[error(
        "{record} was stored by version {stored} of its struct, and this program has version {known}: install the later one"
    )]
    Newer {
        /// The record.
        record: RecordRef,
        /// The version that stored it.
        stored: u32,
        /// The version of the program.
        known: u32,
    },
    /// What the code was to be told changed again and again, each time that it was told.
    #[error(
        "what is to be told of {record} changes each time that it was told: does `OnPull` edit every record that it is told of, or `upgrade` make another record each time? it is told again later"
    )]
    Restless {
        /// The record.
        record: RecordRef,
    },
    /// A reference of the merged record cannot name one.
    #[error("the merged record of {record} cannot be used: {source}")]
    Reference {
        /// The record.
        record: RecordRef,
        /// Which of its fields, and what is wrong with the id in it.
        #[source]
        source: ReferenceError,
    },
}

impl HandlerError {
    /// The same without the words of a panic, which may quote the record; `None` where there are none.
    pub(crate) fn without_words(&self) -> Option<Self> {
        let Self::Panicked { handler, entity, key, .. } = self else { return None };
        let (entity, key) = (entity.clone(), key.clone());
        Some(Self::Panicked { handler: *handler, entity, key, message: UNSAID.to_owned() })
    }

    /// Whether this version of the program cannot read what is stored, so that the code was not called.
    pub(crate) fn is_about_what_is_stored(&self) -> bool {
        self.unread().is_some()
    }

    /// The id of the record of which this version of the program cannot read what is stored, if that is what this says.
    pub(crate) fn unread(&self) -> Option<&str> {
        match self {
            Self::Misfit { record, .. } | Self::Upgrade { record, .. } => Some(record.key.as_str()),
            Self::UpgradedToOther { key, .. } => Some(key),
            Self::Panicked { handler: Handler::Upgrade, key, .. } => key.as_ref().map(RecordKey::as_str),
            _ => None,
        }
    }
}

/// A record's id behind its entity's name, where it is known.
fn named(key: Option<&RecordKey>) -> String {
    key.map(|key| format!(" `{key}`")).unwrap_or_default()
}

/// Which code of the user's was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// [`OnPull::on_pull`](crate::OnPull::on_pull).
    OnPull,
    /// [`Strategy::resolve`](crate::Strategy::resolve), such as [`OnConflict::on_conflict`](crate::OnConflict::on_conflict).
    Strategy,
    /// The `upgrade` of an entity ([`Syncable::upgrade`](crate::Syncable::upgrade)).
    Upgrade,
    /// What tells the values of a record's indexed fields ([`Indexable::index_value`](crate::replica::Indexable::index_value)).
    Index,
}

impl std::fmt::Display for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnPull => "`OnPull`",
            Self::Strategy => "the conflict strategy",
            Self::Upgrade => "`upgrade`",
            Self::Index => "the index",
        })
    }
}
