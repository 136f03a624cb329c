//! What servers do in their own ways: the settings of the contract, as plain data.

mod batch;
mod check;
mod live;
mod member_path;
mod presets;
mod pull;
mod record;
mod template;
mod write;

use serde::{Deserialize, Serialize};

pub use self::batch::{AdvertisedLimit, BatchDialect, BatchOutcomes, RecordBatch, RequestBatch};
pub use self::live::{LiveDialect, LongPollDialect};
pub use self::member_path::MemberPath;
pub use self::pull::{CursorSource, DeletionDialect, NewestCursor, Paging, PullDialect, ScopeDialect};
pub use self::record::{ConflictDialect, FetchDialect, RecordDialect, Tombstone, VersionSource};
pub use self::template::Template;
pub use self::write::{AnsweredBody, Method, SentBody, VersionCheck, WriteDialect};

/// Query parameters: names and values.
pub type Parameters = Vec<(Template, Template)>;

/// The ways of a server, as plain data. [`Dialect::default`] is the contract in the README ("For people who write the server"); there are presets
/// for [Kinto](Self::kinto), [`CouchDB`'s protocol](Self::couchdb), [json-server](Self::json_server) and
/// [`PostgREST`](Self::postgrest), on which Supabase stands.
///
/// ```
/// use sync::remote::rest::{Dialect, PullDialect, RecordDialect, VersionSource};
///
/// let dialect = Dialect {
///     pull: PullDialect {
///         since: vec![("modified_after".into(), "{cursor}".into())],
///         items: "data".into(),
///         ..PullDialect::default()
///     },
///     record: RecordDialect { version: VersionSource::ETag, ..RecordDialect::default() },
///     ..Dialect::default()
/// };
/// ```
///
/// It can be kept as JSON: a part that is left out has its default, and so have the members of most parts; how a record is written,
/// and batches, are said whole. What is unknown is refused. A dialect that contradicts
/// itself is refused when the remote is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
    /// The statuses that say that the credentials are not taken, from 400 to 499: a [`Credentials`](crate::Credentials) hook is asked for
    /// fresh ones, and the request is sent again. Default: 401.
    ///
    /// `[401, 403]` is for servers that say 403 of an expired token or session, such as those of Django REST framework with
    /// `SessionAuthentication` first, and of Spring Security with `Http403ForbiddenEntryPoint`. The hook is then also asked when somebody
    /// may not do something. What is answered with another status than 401 to fresh credentials as well has the meaning that it has
    /// without this setting: with 403, the operation is refused. Without a hook, each of these statuses is taken for a 401.
    pub unauthorized: Vec<u16>,
    /// What a record looks like.
    pub record: RecordDialect,
    /// How one record is asked for.
    pub fetch: FetchDialect,
    /// How a new record is sent. Default: [`WriteDialect::create`].
    pub create: WriteDialect,
    /// How a changed record is sent. Default: [`WriteDialect::update`].
    pub update: WriteDialect,
    /// How a record is put in place of whatever is there. Default: [`WriteDialect::overwrite`].
    pub overwrite: WriteDialect,
    /// How a record is deleted. Default: [`WriteDialect::delete`].
    pub delete: WriteDialect,
    /// Where the server's record is in the answer to a conflicting write.
    pub conflict: ConflictDialect,
    /// How changes are listed.
    pub pull: PullDialect,
    /// How deletions by others are found.
    pub deletions: DeletionDialect,
    /// How several operations are sent in one request.
    pub batch: BatchDialect,
    /// How changes are told while a device listens.
    pub live: LiveDialect,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            unauthorized: vec![401],
            record: RecordDialect::default(),
            fetch: FetchDialect::default(),
            create: WriteDialect::create(),
            update: WriteDialect::update(),
            overwrite: WriteDialect::overwrite(),
            delete: WriteDialect::delete(),
            conflict: ConflictDialect::default(),
            pull: PullDialect::default(),
            deletions: DeletionDialect::default(),
            batch: BatchDialect::default(),
            live: LiveDialect::default(),
        }
    }
}
