//! The ways of some well-known servers. Nothing outside this file knows their names.

use std::time::Duration;

use super::{
    AdvertisedLimit, AnsweredBody, BatchDialect, BatchOutcomes, ConflictDialect, CursorSource,
    DeletionDialect, Dialect, FetchDialect, LiveDialect, LongPollDialect, MemberPath, Method, NewestCursor,
    Paging, Parameters, PullDialect, RecordBatch, RecordDialect, RequestBatch, ScopeDialect, SentBody,
    Template, Tombstone, VersionCheck, VersionSource, WriteDialect,
};

/// How often everything is listed where deletions are not told.
const LISTING: Duration = Duration::from_secs(60 * 60);

fn parameters(all: &[(&str, &str)]) -> Parameters {
    all.iter().map(|(name, value)| parameter(name, value)).collect()
}

fn parameter(name: &str, value: &str) -> (Template, Template) {
    (name.into(), value.into())
}

fn headers(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Dialect {
    /// [Kinto](https://docs.kinto-storage.org). The base URL ends at the collections, such as
    /// `https://x/v1/buckets/app/collections`, and the endpoint names one: `/notes`.
    ///
    /// Versions are `last_modified`, conflicts are found by `If-Match`, and bring the server's record under
    /// `details.existing`; deletions are told to those who ask `_since`, so the first pull asks from 0 on.
    #[must_use]
    pub fn kinto() -> Self {
        let record = "{endpoint}/records/{id}";
        // A write waits while the server is read-only.
        let put = WriteDialect { path: record.into(), unavailable: vec![405], ..WriteDialect::overwrite() };
        Self {
            record: RecordDialect {
                answered_in: "data".into(),
                sent_in: "data".into(),
                unsent: vec!["last_modified".into()],
                version: VersionSource::Member("last_modified".into()),
                ..RecordDialect::default()
            },
            fetch: FetchDialect { path: record.into(), ..FetchDialect::default() },
            create: WriteDialect {
                headers: headers(&[("If-None-Match", "*")]),
                check: VersionCheck::Nothing,
                done: vec![201],
                compared: vec![200],
                missing: Vec::new(),
                ..put.clone()
            },
            update: put.clone(),
            overwrite: put.clone(),
            delete: WriteDialect { method: Method::Delete, body: SentBody::Nothing, done: vec![200], ..put },
            conflict: ConflictDialect { record: vec!["details.existing".into()] },
            pull: PullDialect {
                path: "{endpoint}/records".into(),
                parameters: parameters(&[("_sort", "last_modified"), ("_limit", "{limit}")]),
                first: parameters(&[("_since", "0")]),
                since: parameters(&[("_since", "\"{cursor}\"")]),
                items: "data".into(),
                cursor: CursorSource::Header("ETag".into()),
                paging: Paging::Header("Next-Page".into()),
                next_after_item: true,
                // Its tombstones have no fields, so a filter by one would hide deletions.
                scope: ScopeDialect::nothing(),
                ..PullDialect::default()
            },
            // The API's root is above the buckets.
            batch: BatchDialect::Requests(RequestBatch {
                address: "../../../batch".into(),
                limit: 25,
                advertised: Some(AdvertisedLimit {
                    address: "../../../".into(),
                    member: "settings.batch_max_requests".into(),
                }),
            }),
            live: LiveDialect::Nothing,
            ..Self::default()
        }
    }

    /// The protocol of [CouchDB](https://docs.couchdb.org) and `PouchDB` Server. The endpoint names a database: `/notes`.
    ///
    /// Versions are `_rev`; conflicts bring no record, which is then asked for.
    #[must_use]
    pub fn couchdb() -> Self {
        let receipt = AnsweredBody::Receipt { version_member: "rev".into() };
        let put = WriteDialect {
            check: VersionCheck::Member("_rev".into()),
            answer: receipt.clone(),
            done: vec![200, 201, 202],
            conflict: vec![409, 412],
            ..WriteDialect::overwrite()
        };
        Self {
            record: RecordDialect {
                id_member: "_id".into(),
                tombstone: Tombstone::True("_deleted".into()),
                version: VersionSource::Member("_rev".into()),
                unsent: vec!["_rev".into()],
                ..RecordDialect::default()
            },
            create: WriteDialect { check: VersionCheck::Nothing, missing: Vec::new(), ..put.clone() },
            update: put.clone(),
            overwrite: put,
            delete: WriteDialect {
                check: VersionCheck::Parameter { name: "rev".into(), value: "{version}".into() },
                answer: receipt,
                done: vec![200, 202],
                // Of a stale revision, PouchDB Server says that there is no such record.
                conflict: vec![404, 409, 412],
                missing: Vec::new(),
                ..WriteDialect::delete()
            },
            conflict: ConflictDialect { record: Vec::new() },
            pull: PullDialect {
                path: "{endpoint}/_changes".into(),
                parameters: parameters(&[("include_docs", "true"), ("limit", "{limit}")]),
                items: "results".into(),
                item: "doc".into(),
                cursor: CursorSource::Member("last_seq".into()),
                paging: Paging::Cursor { more: MemberPath::whole() },
                // It takes a function on the server to list a part of the changes.
                scope: ScopeDialect::nothing(),
                newest: Some(NewestCursor { path: "{endpoint}".into(), member: "update_seq".into() }),
                ..PullDialect::default()
            },
            batch: BatchDialect::Records(RecordBatch {
                path: "{endpoint}/_bulk_docs".into(),
                headers: Vec::new(),
                sent_in: "docs".into(),
                id_member: Some("_id".into()),
                limit: 100,
                outcomes: BatchOutcomes::Receipts {
                    version_member: "rev".into(),
                    error_member: "error".into(),
                },
            }),
            live: LiveDialect::LongPoll(Box::<LongPollDialect>::default()),
            ..Self::default()
        }
    }

    /// [json-server](https://github.com/typicode/json-server), 0.17 and 1.0: a server for prototypes, without versions,
    /// tombstones, a check of what it is sent, or a filter by time that all its releases have. So each record is read before
    /// it is written, and each pull lists everything.
    #[must_use]
    pub fn json_server() -> Self {
        let reading = |write: WriteDialect| WriteDialect { check: VersionCheck::ReadFirst, ..write };
        Self {
            record: RecordDialect {
                tombstone: Tombstone::Nothing,
                version: VersionSource::Nothing,
                ..RecordDialect::default()
            },
            create: WriteDialect { done: vec![201], ..reading(WriteDialect::create()) },
            update: WriteDialect { method: Method::Put, ..reading(WriteDialect::update()) },
            overwrite: reading(WriteDialect::overwrite()),
            delete: reading(WriteDialect::delete()),
            conflict: ConflictDialect { record: Vec::new() },
            pull: PullDialect {
                // In an order that an edit does not change.
                parameters: parameters(&[("_sort", "{id_member}"), ("_limit", "{limit}")]),
                since: Vec::new(),
                items: MemberPath::whole(),
                cursor: CursorSource::Nothing,
                paging: Paging::Offset { parameter: "_start".into() },
                scope: ScopeDialect {
                    equal: Some(parameter("{field}", "{value}")),
                    ..ScopeDialect::nothing()
                },
                ..PullDialect::default()
            },
            deletions: DeletionDialect::Listed { every: LISTING },
            live: LiveDialect::Nothing,
            ..Self::default()
        }
    }

    /// [`PostgREST`](https://docs.postgrest.org), on which Supabase stands. The endpoint names a table or view: `/notes`,
    /// with the columns of the entity's members, and two more:
    ///
    /// - `version bigint`, which a trigger sets on each insert and update, and which is the order in which changes become visible;
    /// - `deleted_at timestamptz`, which is not null in a tombstone. A deletion sets it; a trigger on insert gives the place of
    ///   a tombstone free.
    ///
    /// These triggers do both, where the id is a column `id`:
    ///
    /// ```sql
    #[doc = include_str!("postgrest.sql")]
    /// ```
    #[must_use]
    pub fn postgrest() -> Self {
        let one = parameters(&[("{id_member}", "eq.{id}")]);
        let patch = WriteDialect {
            method: Method::Patch,
            path: "{endpoint}".into(),
            parameters: parameters(&[("{id_member}", "eq.{id}"), ("deleted_at", "is.null")]),
            headers: headers(&[("Prefer", "return=representation")]),
            check: VersionCheck::Parameter { name: "version".into(), value: "eq.{version}".into() },
            done: vec![200],
            unproven: vec![204],
            conflict: vec![409, 412],
            missing: Vec::new(),
            ..WriteDialect::update()
        };
        Self {
            record: RecordDialect {
                answered_in: "0".into(),
                unsent: vec!["version".into(), "deleted_at".into()],
                tombstone: Tombstone::Present("deleted_at".into()),
                version: VersionSource::Member("version".into()),
                ..RecordDialect::default()
            },
            fetch: FetchDialect { path: "{endpoint}".into(), parameters: one, missing: Vec::new() },
            create: WriteDialect {
                method: Method::Post,
                parameters: Vec::new(),
                check: VersionCheck::Nothing,
                done: vec![201],
                unproven: Vec::new(),
                ..patch.clone()
            },
            update: patch.clone(),
            overwrite: patch.clone(),
            delete: WriteDialect { body: SentBody::Json(r#"{"deleted_at":"now"}"#.into()), ..patch },
            conflict: ConflictDialect { record: Vec::new() },
            pull: PullDialect {
                parameters: parameters(&[("order", "version.asc"), ("limit", "{limit}")]),
                since: parameters(&[("version", "gt.{cursor}")]),
                items: MemberPath::whole(),
                cursor: CursorSource::LastItem("version".into()),
                paging: Paging::Cursor { more: MemberPath::whole() },
                scope: ScopeDialect {
                    equal: Some(parameter("{field}", "eq.{value}")),
                    nothing: Some(parameter("{field}", "is.null")),
                    at_least: Some(parameter("{field}", "gte.{value}")),
                    more_than: Some(parameter("{field}", "gt.{value}")),
                    at_most: Some(parameter("{field}", "lte.{value}")),
                    less_than: Some(parameter("{field}", "lt.{value}")),
                },
                ..PullDialect::default()
            },
            batch: BatchDialect::Records(RecordBatch {
                path: "{endpoint}".into(),
                headers: headers(&[("Prefer", "return=representation")]),
                sent_in: MemberPath::whole(),
                id_member: None,
                limit: 100,
                outcomes: BatchOutcomes::AllOrNothing,
            }),
            live: LiveDialect::Nothing,
            ..Self::default()
        }
    }
}
