//! What the engine's calls can fail with.

mod handler;

use std::any::Any;
use std::sync::Arc;

pub(crate) use self::handler::{CHANGED, UNSAID};
pub use self::handler::{Handler, HandlerError};

use crate::entity::ReferenceError;
use crate::record::{EntityName, IdError, OperationId, Problem, RecordRef};
use crate::remote::RemoteError;
use crate::storage::StorageError;

/// Why a call of the engine failed.
///
/// An edit or a decision that failed has changed nothing. Calls that go on step by step keep what they did before they failed:
/// - [`retry_all`](crate::Engine::retry_all) and [`clear_queue`](crate::Engine::clear_queue) go from record to record, and
///   [`discard`](crate::Engine::discard) and [`answer`](crate::Engine::answer) tell `OnPull` before they write, so that it may have been
///   told of a decision that then could not be written down;
/// - [`flush`](crate::Engine::flush), [`pull`](crate::Engine::pull), [`pull_only`](crate::Engine::pull_only) and
///   [`full_sync`](crate::Engine::full_sync) may have sent and pulled something: the report is in
///   [`SyncEvent::SyncComplete`](crate::SyncEvent::SyncComplete);
/// - a [`resync`](crate::Engine::resync) is noted before the pull begins, and the next pull makes up for it; a scope
///   ([`set_scope`](crate::Engine::set_scope)) is written down before what is outside of it is let go, and the next engine goes on with
///   that.
///
/// That a server cannot be reached, refuses an operation or fails is no error of a call: the operation waits, and the
/// [`SyncReport`](crate::SyncReport) says what happened.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// An id cannot name a record.
    #[error("{entity}: {source}{}", advice(source))]
    Id {
        /// The entity.
        entity: EntityName,
        /// What is wrong with the id.
        #[source]
        source: IdError,
    },
    /// A record refers to another one by an id that cannot name one.
    #[error("{record}: {source}{}", if source.source == IdError::Empty { "; where it refers to nothing, use an `Option` that is `None`" } else { "" })]
    Reference {
        /// The record.
        record: RecordRef,
        /// Which of its fields, and what is wrong with the id in it.
        #[source]
        source: ReferenceError,
    },
    /// A record cannot be written as JSON.
    #[error("{record} cannot be written as JSON: {source}")]
    Encode {
        /// The record.
        record: RecordRef,
        /// What serde said.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A value of a scope cannot be written as JSON, and so cannot be asked for.
    #[error("a value of the scope of {entity} cannot be written as JSON: {source}")]
    Scope {
        /// The entity.
        entity: EntityName,
        /// What serde said.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// What is stored cannot be read as the entity's type any more. It is kept as it is.
    #[error(
        "what is stored of {record} cannot be read as the type that the program has now: {reason}{}",
        operation.map(|operation| format!("; mend that, or give its operation {operation} up with `discard`")).unwrap_or_default()
    )]
    Decode {
        /// The record.
        record: RecordRef,
        /// What serde said, or the entity's `upgrade`.
        reason: String,
        /// The operation, when it is one that waits for the user: for [`discard`](crate::Engine::discard).
        operation: Option<OperationId>,
    },
    /// Two entities of the schema have the same storage name.
    #[error(
        "two entities of the schema are named `{name}`; give one of them another with `#[sync(name = \"…\")]`"
    )]
    DuplicateName {
        /// The name.
        name: EntityName,
    },
    /// Two entities of the schema have the same endpoint: each would pull the other's records.
    #[error(
        "the entities `{first}` and `{second}` of the schema have the same endpoint `{endpoint}`, so that each would pull the other's records; give each kind of record an endpoint of its own"
    )]
    DuplicateEndpoint {
        /// The endpoint.
        endpoint: &'static str,
        /// The first of them.
        first: EntityName,
        /// The second of them.
        second: EntityName,
    },
    /// A later version of the program has used the storage.
    #[error(
        "{entity} was stored by version {stored} of its struct, and this program has version {known}: install the later one; nothing was changed"
    )]
    NewerData {
        /// The entity.
        entity: EntityName,
        /// The version that was stored.
        stored: u32,
        /// The version of the program.
        known: u32,
    },
    /// Another member has become the id of an entity, and what is stored is named by the one that was.
    #[error(
        "the id of `{entity}` was the member `{stored}`, and is now `{known}`, so what is stored would be taken for other records: give the entity another name in the storage, with `#[sync(name = \"…\")]`, or, where the ids are the same under another name, raise its `version` and write an `upgrade`; nothing was changed"
    )]
    MovedId {
        /// The entity.
        entity: EntityName,
        /// The JSON member that was the id.
        stored: String,
        /// The one that is the id now.
        known: &'static str,
    },
    /// An engine was built outside of a tokio runtime.
    #[error(
        "`build` needs a tokio runtime, on which the engine lives: await it in one, such as that of `#[tokio::main]` or `Runtime::block_on`"
    )]
    NoRuntime,
    /// There is no parked operation with this id, or no longer. A conflict that was deferred has another one as soon as something else of
    /// the server's is known: what was decided about the former is not applied to that.
    #[error(
        "no parked operation has the id {0}; it was sent, answered, discarded or replaced by a newer edit, or the server's side of a conflict has changed, which then has another id: look at it again with `engine.conflicts()`"
    )]
    NotParked(OperationId),
    /// A parked operation that is no conflict cannot be answered with a resolution.
    #[error("the operation {0} is not a conflict: use `retry` or `discard`")]
    NotAConflict(OperationId),
    /// The handler that was told of the user's decision failed. The operation stays parked.
    #[error(transparent)]
    Handler(Arc<HandlerError>),
    /// A merged record has another id than the record in conflict.
    #[error("the merged record has the id `{merged}`, but the conflict is about {record}")]
    OtherRecord {
        /// The record in conflict.
        record: RecordRef,
        /// The id of what was given.
        merged: String,
    },
    /// A transaction was asked of a storage that is not the engine's.
    #[error(
        "the engine is built on another storage; use the `SqliteStorage` that it was built with, or a clone of it"
    )]
    OtherStorage,
    /// A handler or strategy asked for a sync, or for a decision of which a handler is told, and would wait for itself.
    #[error(
        "a handler cannot wait for a sync that waits for the handler; push from it as you like, and let the background send it"
    )]
    InHandler,
    /// The engine was shut down.
    #[error("the engine was shut down; build a new one")]
    ShutDown,
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

/// What a person can do about an id that cannot name a record.
fn advice(error: &IdError) -> &'static str {
    match error {
        IdError::Empty => "; a new record needs one of its own, for instance `Uuid::now_v7()`",
        IdError::PathStep(_) => "; use another id",
        IdError::NotScalar(_) => "",
    }
}

/// What went wrong in a sync. Everything that it concerns waits and is tried again, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// An operation could not be sent, or was answered with an error. It is sent again later, but for one that the server refused, or
    /// that has failed [`max_attempts`](crate::RetryPolicy::max_attempts) times: that is parked, which
    /// [`SyncEvent::Parked`](crate::SyncEvent::Parked) tells, and waits for the user's decision.
    #[error("{record}: {source}")]
    Push {
        /// The record.
        record: RecordRef,
        /// The operation.
        operation: OperationId,
        /// What the server or the network said.
        #[source]
        source: RemoteError,
    },
    /// An operation was answered with something else than its record. Where that is a record with another id, or nothing that the server
    /// has shows that the operation was taken, the attempt counts, and a creation is parked at once: a server that gives out ids would make
    /// one more record.
    #[error(
        "{record}: {url} was answered with a body that is not this record: {reason}; answer with the record, or with 204 and no body, or say in the dialect where the record is (`answered_in` of its `record`), or that the body is none (`AnsweredBody::Receipt` as the `answer` of the write)"
    )]
    Answer {
        /// The record.
        record: RecordRef,
        /// The operation.
        operation: OperationId,
        /// The endpoint.
        url: String,
        /// What is wrong with the body.
        reason: String,
    },
    /// The server speaks of a conflict, or of a success, and has the very state that the operation was made on: nobody else's
    /// version is in the way. The attempt counts, and the operation is parked when there were too many.
    #[error(
        "{record}: the server did not take the edit because of a conflict{}, but what it has of the record is just what the edit was made on, so that no change of somebody else's is in the way; look for a rule of the server's that the record breaks, such as a value that has to be unique",
        problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default()
    )]
    NoConflict {
        /// The record.
        record: RecordRef,
        /// The operation.
        operation: OperationId,
        /// What the server said, where it said anything.
        problem: Option<Box<Problem>>,
    },
    /// A page could not be pulled. The cursor has not moved.
    #[error("{entity}: {source}")]
    Pull {
        /// The entity.
        entity: EntityName,
        /// What the server or the network said.
        #[source]
        source: RemoteError,
    },
    /// A record of which the server had to be asked by name could not be got. It is asked for again at a later pull; the rest of
    /// the entity is pulled all the same.
    #[error("{record}: what the server has of it cannot be got: {source}")]
    Record {
        /// The record.
        record: RecordRef,
        /// What the server said.
        #[source]
        source: RemoteError,
    },
    /// There is more, and the cursor does not move: the server gave one of this pull again, or it gave none and more
    /// records share the newest `updated_at` than a page holds.
    #[error(
        "{entity}: there is more after the cursor `{cursor}`, and the server's answers do not move it on; the pull was stopped, so mend the server's cursor, or ask for larger pages with `EngineBuilder::page_size`"
    )]
    StuckCursor {
        /// The entity.
        entity: EntityName,
        /// The cursor, up to the query of an address in it.
        cursor: String,
    },
    /// There is more after as many pages as a pull takes
    /// ([`EngineBuilder::page_limit`](crate::EngineBuilder::page_limit)). They went through; the next sync goes on after
    /// them.
    #[error(
        "{entity}: there is more after {pages} pages, and the next sync goes on there; if the collection is not that large, the server's cursors have no end, and if it is, `EngineBuilder::page_limit` lets a pull take more"
    )]
    PageLimit {
        /// The entity.
        entity: EntityName,
        /// How many pages were pulled.
        pages: u32,
    },
    /// The server, which tells no deletions, listed everything, and records were missing in the list that it still has. None
    /// of them is taken for deleted; those that it does not have any more are found with the next listing.
    #[error(
        "{entity}: the server's list of everything lacks {missing} records that it still has, so it is not believed; look whether the dialect asks for all pages, in an order that does not change meanwhile"
    )]
    IncompleteList {
        /// The entity.
        entity: EntityName,
        /// How many records were missing and are there.
        missing: u32,
    },
    /// A pulled item could not be read. It is kept aside ([`Engine::set_aside`](crate::Engine::set_aside)); the rest of
    /// its page went through.
    #[error("{entity}{}: a pulled item cannot be read and is kept aside: {reason}; look at it with `engine.set_aside()`", key.as_ref().map(|key| format!(" `{key}`")).unwrap_or_default())]
    Unreadable {
        /// The entity.
        entity: EntityName,
        /// The record's id, when at least that could be read.
        key: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// A handler or strategy of the user's failed.
    #[error(transparent)]
    Handler(#[from] HandlerError),
    /// Code of the user's, such as a `Deserialize`, panicked while this record was sent, or an answer about it was read.
    #[error("{record}: sending it, or reading the server's answer, panicked{}; the operation is sent again later", said(message.as_deref()))]
    Panicked {
        /// The record.
        record: RecordRef,
        /// The panic's message, which the log leaves out: it may quote the record.
        message: Option<String>,
    },
    /// Code of the user's, such as a [`Credentials`](crate::remote::rest::Credentials), panicked while an entity was pulled.
    /// What was not recorded by then is pulled again.
    #[error("{entity}: pulling it panicked{}; it is pulled again later", said(message.as_deref()))]
    PullPanicked {
        /// The entity.
        entity: EntityName,
        /// The panic's message, which the log leaves out: it may quote a record, or the credentials.
        message: Option<String>,
    },
    /// The server asked to wait; nothing was sent after that.
    #[error("the server asked to be left alone until {until}")]
    Throttled {
        /// Until when.
        until: chrono::DateTime<chrono::Utc>,
    },
    /// The device is offline, says its [`Connectivity`](crate::Connectivity); nothing was sent.
    #[error("the device is offline")]
    Offline,
    /// The storage holds operations of an entity that the schema does not list. They are kept.
    #[error(
        "{} in the storage until the schema lists that entity again; if it was renamed, write `#[sync(name = \"{entity}\")]`",
        if *waiting == 1 { format!("1 operation of `{entity}` waits") } else { format!("{waiting} operations of `{entity}` wait") }
    )]
    UnknownEntity {
        /// The entity's storage name.
        entity: EntityName,
        /// How many operations.
        waiting: u64,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(Arc<StorageError>),
}

impl SyncError {
    /// The record, if the error is about an edit of one alone.
    pub(crate) fn record_of_an_edit(&self) -> Option<&RecordRef> {
        match self {
            Self::Push { record, .. }
            | Self::Answer { record, .. }
            | Self::NoConflict { record, .. }
            | Self::Panicked { record, .. } => Some(record),
            _ => None,
        }
    }

    /// Whether an edit may wait for another attempt because of it, which another sync may have nothing to do with.
    pub(crate) fn is_about_an_edit(&self) -> bool {
        match self {
            Self::Push { .. }
            | Self::Answer { .. }
            | Self::NoConflict { .. }
            | Self::Handler(_)
            | Self::Panicked { .. } => true,
            Self::Pull { .. }
            | Self::Record { .. }
            | Self::StuckCursor { .. }
            | Self::PageLimit { .. }
            | Self::IncompleteList { .. }
            | Self::Unreadable { .. }
            | Self::PullPanicked { .. }
            | Self::Throttled { .. }
            | Self::Offline
            | Self::UnknownEntity { .. }
            | Self::Storage(_) => false,
        }
    }
}

impl From<StorageError> for SyncError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

/// What was said at a panic, behind that it was one.
fn said(message: Option<&str>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

/// What was said at a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// An error with its causes, in one line, each said once: some say their cause themselves.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            (said, cause) = (text, error.source());
        }
        Ok(())
    }
}

/// An error as the log has it: without the words of a server, of whoever has the credentials, or of a panic, which may quote the record or
/// the credentials.
pub(crate) struct Logged<'a>(pub(crate) &'a SyncError);

impl std::fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let without_words = match self.0 {
            SyncError::Push { record, operation, source } => source
                .without_words()
                .map(|source| SyncError::Push { record: record.clone(), operation: *operation, source }),
            SyncError::Pull { entity, source } => {
                source.without_words().map(|source| SyncError::Pull { entity: entity.clone(), source })
            }
            SyncError::Record { record, source } => {
                source.without_words().map(|source| SyncError::Record { record: record.clone(), source })
            }
            SyncError::NoConflict { record, operation, .. } => {
                Some(SyncError::NoConflict { record: record.clone(), operation: *operation, problem: None })
            }
            SyncError::Panicked { record, .. } => {
                Some(SyncError::Panicked { record: record.clone(), message: None })
            }
            SyncError::PullPanicked { entity, .. } => {
                Some(SyncError::PullPanicked { entity: entity.clone(), message: None })
            }
            SyncError::Handler(error) => error.without_words().map(SyncError::Handler),
            _ => None,
        };
        Chain(without_words.as_ref().unwrap_or(self.0)).fmt(f)
    }
}

/// The same for what came of one request.
pub(crate) struct LoggedRequest<'a>(pub(crate) &'a RemoteError);

impl std::fmt::Display for LoggedRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let without_words = self.0.without_words();
        without_words.as_ref().unwrap_or(self.0).fmt(f)
    }
}
