//! How operations are sent, and what their answers mean.

use sync::record::{Payload, Write};
use sync::remote::rest::{
    AnsweredBody, Dialect, Method, RecordDialect, SentBody, Tombstone, VersionCheck, VersionSource,
    WriteDialect,
};
use sync::remote::{Fetched, WriteAnswer, WriteRequest};
use sync::{Remote, RemoteError, RestRemote};

use crate::given::{
    NOTES, RECORD, bytes, create, key, on_version, operation, overwrite, payload, update, version,
};
use crate::server::{Answer, Seen, Server};

fn remote(server: &Server, dialect: Dialect) -> RestRemote {
    RestRemote::builder(server.url()).dialect(dialect).build().unwrap()
}

/// What goes over the wire for an operation.
async fn sent(dialect: Dialect, request: WriteRequest) -> Seen {
    let server = Server::saying(Answer::status(500)).await;
    remote(&server, dialect).send(request).await.unwrap_err();
    server.only()
}

async fn answered(
    dialect: Dialect,
    request: WriteRequest,
    answer: Answer,
) -> Result<WriteAnswer, RemoteError> {
    let server = Server::saying(answer).await;
    remote(&server, dialect).send(request).await.map(|reply| reply.answer)
}

fn line(seen: &Seen) -> String {
    format!("{} {}", seen.method, seen.target)
}

#[tokio::test]
async fn kinto_puts_records_in_an_envelope_and_creates_only_what_is_not_there() {
    let seen = sent(Dialect::kinto(), operation(create())).await;
    assert_eq!(line(&seen), "PUT /notes/records/n1");
    assert_eq!(seen.header("if-none-match"), Some("*"));
    assert_eq!(seen.header("if-match"), None);
    assert_eq!(seen.body, format!(r#"{{"data":{RECORD}}}"#));
    for write in [update(), overwrite()] {
        let seen = sent(Dialect::kinto(), on_version(write, "1700000000123")).await;
        assert_eq!(line(&seen), "PUT /notes/records/n1");
        assert_eq!(seen.header("if-match"), Some("\"1700000000123\""), "unquoted is a 400");
    }
    let seen = sent(Dialect::kinto(), on_version(Write::Delete, "5")).await;
    assert_eq!((line(&seen), seen.body), ("DELETE /notes/records/n1".to_owned(), String::new()));
}

#[tokio::test]
async fn kinto_tells_the_conflicting_record_in_the_details() {
    let body =
        r#"{"code":412,"errno":114,"details":{"existing":{"id":"n1","last_modified":7,"title":"Theirs"}}}"#;
    let answer =
        answered(Dialect::kinto(), on_version(update(), "5"), Answer::json(412, body)).await.unwrap();
    let theirs = r#"{"id":"n1","last_modified":7,"title":"Theirs"}"#;
    assert_eq!(
        answer,
        WriteAnswer::Conflict { version: version("7"), body: Some(bytes(theirs)), problem: None }
    );
    // An update of a record that was deleted.
    let body = r#"{"code":412,"errno":114,"error":"Precondition Failed"}"#;
    let answer =
        answered(Dialect::kinto(), on_version(update(), "5"), Answer::json(412, body)).await.unwrap();
    assert!(
        matches!(answer, WriteAnswer::Conflict { version: None, body: None, problem: Some(_) }),
        "it is asked for: {answer:?}"
    );
}

#[tokio::test]
async fn kinto_answers_a_repeated_creation_with_what_is_there_which_is_compared() {
    let there = r#"{"data":{"id":"n1","title":"Theirs","last_modified":7}}"#;
    let answer = answered(Dialect::kinto(), operation(create()), Answer::json(200, there)).await.unwrap();
    let body = bytes(r#"{"id":"n1","title":"Theirs","last_modified":7}"#);
    assert_eq!(answer, WriteAnswer::Existing { version: version("7"), body: Some(body) });
}

#[tokio::test]
async fn a_server_that_is_read_only_for_a_while_is_waited_for() {
    let error = answered(Dialect::kinto(), operation(create()), Answer::status(405)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "nothing is parked: {error:?}");
    let error = answered(Dialect::default(), operation(create()), Answer::status(405)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn couchdb_has_versions_inside_records_and_in_the_question_of_a_deletion() {
    let seen = sent(Dialect::couchdb(), operation(create())).await;
    assert_eq!((line(&seen), &*seen.body), ("PUT /notes/n1".to_owned(), RECORD));
    let seen = sent(Dialect::couchdb(), on_version(update(), "1-a")).await;
    assert_eq!(seen.body, r#"{"id":"n1","title":"Milk","_rev":"1-a"}"#);
    assert_eq!(seen.header("if-match"), None);
    let seen = sent(Dialect::couchdb(), on_version(Write::Delete, "1-a b")).await;
    assert_eq!(line(&seen), "DELETE /notes/n1?rev=1-a+b");
}

#[tokio::test]
async fn couchdb_answers_with_a_receipt_that_is_no_record() {
    // As text, too.
    let receipt =
        Answer::status(201).header("Content-Type", "text/plain").body(r#"{"ok":true,"id":"n1","rev":"2-b"}"#);
    let answer = answered(Dialect::couchdb(), on_version(update(), "1-a"), receipt).await.unwrap();
    assert_eq!(answer, WriteAnswer::Accepted { version: version("2-b"), body: None });
    // The deletion of a revision that is not the newest; and a second deletion.
    let answer =
        answered(Dialect::couchdb(), on_version(Write::Delete, "1-a"), Answer::status(404)).await.unwrap();
    assert_eq!(
        answer,
        WriteAnswer::Conflict { version: None, body: None, problem: None },
        "it is asked for before it counts as gone"
    );
}

#[tokio::test]
async fn postgrest_checks_versions_by_a_filter_whose_empty_result_is_the_conflict() {
    let seen = sent(Dialect::postgrest(), on_version(update(), "5")).await;
    assert_eq!(line(&seen), "PATCH /notes?id=eq.n1&deleted_at=is.null&version=eq.5");
    assert_eq!(seen.header("prefer"), Some("return=representation"));
    for write in [update(), overwrite(), Write::Delete] {
        let nothing = Answer::json(200, "[]");
        let answer = answered(Dialect::postgrest(), on_version(write, "5"), nothing).await.unwrap();
        assert_eq!(answer, WriteAnswer::Conflict { version: None, body: None, problem: None });
    }
    let row = r#"[{"id":"n1","title":"Milk","version":6,"deleted_at":null}]"#;
    let answer =
        answered(Dialect::postgrest(), on_version(update(), "5"), Answer::json(200, row)).await.unwrap();
    let body = bytes(&row[1..row.len() - 1]);
    assert_eq!(answer, WriteAnswer::Accepted { version: version("6"), body: Some(body) });
    let seen = sent(Dialect::postgrest(), on_version(Write::Delete, "5")).await;
    assert_eq!(seen.body, r#"{"deleted_at":"now"}"#);
}

#[tokio::test]
async fn a_record_in_a_list_that_is_empty_does_not_exist() {
    for (body, missing) in [
        ("[]", true),
        (r#"[{"id":"n1","deleted_at":"2026-01-01"}]"#, true),
        (r#"[{"id":"n1","deleted_at":null,"version":3}]"#, false),
    ] {
        let server = Server::saying(Answer::json(200, body)).await;
        let fetched = remote(&server, Dialect::postgrest()).fetch(&NOTES, &key("n1")).await.unwrap().answer;
        assert_eq!(line(&server.only()), "GET /notes?id=eq.n1");
        assert_eq!(fetched == Fetched::Missing, missing, "{body}: {fetched:?}");
    }
}

#[tokio::test]
async fn a_success_that_proves_nothing_is_looked_into() {
    let mut dialect = Dialect::default();
    dialect.update.done = vec![200];
    dialect.update.unproven = vec![204];
    let answer = answered(dialect.clone(), operation(update()), Answer::status(204)).await.unwrap();
    assert_eq!(answer, WriteAnswer::Existing { version: None, body: None });
    let answer = answered(dialect, operation(update()), Answer::json(200, RECORD)).await.unwrap();
    assert!(matches!(answer, WriteAnswer::Accepted { .. }), "{answer:?}");
}

/// PHP writes `[]` for a map without members.
#[tokio::test]
async fn an_empty_list_says_that_there_is_no_record_only_where_records_come_in_lists() {
    let empty = || Answer::json(200, "[]");
    for (answered_in, expected) in [
        ("data", WriteAnswer::Accepted { version: None, body: None }),
        ("0", WriteAnswer::Conflict { version: None, body: None, problem: None }),
    ] {
        let mut dialect = Dialect::default();
        dialect.record.answered_in = answered_in.into();
        assert_eq!(answered(dialect, operation(update()), empty()).await.unwrap(), expected, "{answered_in}");
    }
}

#[tokio::test]
async fn a_receipt_may_be_a_word_and_no_page() {
    let mut dialect = Dialect::default();
    dialect.update.answer = AnsweredBody::Receipt { version_member: "rev".to_owned() };
    let said = |kind, body| Answer::status(200).header("Content-Type", kind).body(body);
    let word = said("text/plain", "OK").header("ETag", "\"9\"");
    let answer = answered(dialect.clone(), operation(update()), word).await.unwrap();
    assert_eq!(answer, WriteAnswer::Accepted { version: version("9"), body: None });
    let page = said("text/html; charset=utf-8", "<h1>Log in</h1>");
    let error = answered(dialect, operation(update()), page).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    let error =
        answered(Dialect::default(), operation(update()), said("text/plain", "OK")).await.unwrap_err();
    assert!(error.to_string().contains("`AnsweredBody::Receipt`"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_403_of_what_is_gone_is_understood() {
    let mut dialect = Dialect::default();
    dialect.update.missing.push(403);
    dialect.fetch.missing.push(403);
    let answer = answered(dialect.clone(), operation(update()), Answer::status(403)).await.unwrap();
    assert_eq!(answer, WriteAnswer::Missing);
    let server = Server::saying(Answer::status(403)).await;
    let fetched = remote(&server, dialect).fetch(&NOTES, &key("n1")).await.unwrap().answer;
    assert_eq!(fetched, Fetched::Missing);
}

#[tokio::test]
async fn only_what_changed_is_sent_as_a_merge_patch() {
    let mut dialect = Dialect::default();
    dialect.update.body = SentBody::MergePatch;
    let base = Payload::from_json(r#"{"id":"n1","title":"Bread","done":false}"#).unwrap();
    let seen = sent(dialect.clone(), WriteRequest { base: Some(base), ..operation(update()) }).await;
    assert_eq!(seen.header("content-type"), Some("application/merge-patch+json"));
    assert_eq!(seen.body, r#"{"title":"Milk","done":null}"#);
    let seen = sent(dialect, operation(update())).await;
    assert_eq!(seen.body, RECORD, "whole where the base is not kept");
}

#[tokio::test]
async fn what_a_record_has_no_longer_is_sent_as_null_where_an_update_leaves_what_it_does_not_name() {
    let clearing = |write| {
        let cleared = vec!["parent".to_owned(), "tags".to_owned(), "version".to_owned()];
        WriteRequest { cleared, ..on_version(write, "5") }
    };
    let nulls = r#"{"id":"n1","title":"Milk","parent":null,"tags":null"#;
    let seen = sent(Dialect::default(), clearing(update())).await;
    assert_eq!(seen.body, format!(r#"{nulls},"version":null}}"#));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    for write in [create(), overwrite()] {
        let seen = sent(Dialect::default(), clearing(write)).await;
        assert_eq!(seen.body, RECORD, "{} takes the place of what is there", seen.method);
    }
    for write in [update(), overwrite()] {
        let seen = sent(Dialect::postgrest(), clearing(write)).await;
        assert_eq!(seen.body, format!("{nulls}}}"), "the version is the server's own");
    }
    assert_eq!(sent(Dialect::postgrest(), clearing(create())).await.body, RECORD);
    for dialect in [Dialect::json_server(), Dialect::couchdb()] {
        let seen = sent(dialect, clearing(update())).await;
        assert!(!seen.body.contains("null"), "PUT: {}", seen.body);
    }
    let mut patching = Dialect::default();
    patching.update.body = SentBody::MergePatch;
    let seen = sent(patching.clone(), clearing(update())).await;
    assert_eq!(seen.body, format!(r#"{nulls},"version":null}}"#), "whole where the base is not kept");
    let base = Payload::from_json(r#"{"id":"n1","title":"Bread","tags":[1]}"#).unwrap();
    let seen = sent(patching, WriteRequest { base: Some(base), ..clearing(update()) }).await;
    assert_eq!(seen.body, r#"{"title":"Milk","tags":null}"#);
    let mut inside = Dialect::default();
    inside.update.check = VersionCheck::Member("version".into());
    inside.record.sent_in = "data".into();
    let seen = sent(inside, clearing(update())).await;
    assert_eq!(seen.body, format!(r#"{{"data":{nulls},"version":"5"}}}}"#));
}

#[tokio::test]
async fn the_engine_is_told_what_servers_merge_and_which_members_are_their_own() {
    let server = Server::saying(Answer::status(500)).await;
    for (dialect, merges, own) in [
        (Dialect::default(), true, &["version", "deleted"][..]),
        (Dialect::postgrest(), true, &["version", "deleted_at"]),
        (Dialect::kinto(), false, &["last_modified", "deleted"]),
        (Dialect::couchdb(), false, &["_rev", "_deleted", "_id"]),
        (Dialect::json_server(), false, &[]),
    ] {
        let remote = remote(&server, dialect);
        assert_eq!(
            (remote.merges(), &*remote.own_members()),
            (merges, &*own.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
    }
}

#[tokio::test]
async fn members_of_the_servers_own_are_not_sent_back() {
    let mut dialect = Dialect::default();
    dialect.record.unsent = vec!["title".into()];
    dialect.record.sent_in = "a.b".into();
    let seen = sent(dialect, operation(create())).await;
    assert_eq!(seen.body, r#"{"a":{"b":{"id":"n1"}}}"#);
}

#[tokio::test]
async fn a_deletion_can_be_a_record_that_says_so() {
    let dialect = Dialect {
        delete: WriteDialect {
            method: Method::Post,
            path: "{endpoint}/{id}/trash".into(),
            parameters: vec![("who".into(), "{id}".into())],
            body: SentBody::Json(r#"{"gone":true}"#.into()),
            check: VersionCheck::Parameter { name: "v".into(), value: "={version}".into() },
            ..WriteDialect::delete()
        },
        ..Dialect::default()
    };
    let request = WriteRequest { key: key("a/b"), ..on_version(Write::Delete, "1") };
    let seen = sent(dialect, request).await;
    assert_eq!(line(&seen), "POST /notes/a%2Fb/trash?who=a%2Fb&v=%3D1");
    assert_eq!(seen.body, r#"{"gone":true}"#);
}

#[tokio::test]
async fn a_weak_etag_is_no_version_and_a_configured_member_is() {
    let dialect = |version| Dialect {
        record: RecordDialect { version, ..RecordDialect::default() },
        ..Dialect::default()
    };
    let answer = || Answer::json(200, r#"{"id":"n1","title":"Milk","rev":3}"#);
    for (source, tag, expected) in [
        (VersionSource::ETag, r#"W/"hash""#, None),
        (VersionSource::ETag, r#""7""#, version("7")),
        (VersionSource::Member("rev".into()), r#""7""#, version("3")),
        (VersionSource::ETagOrMember("rev".into()), r#"W/"hash""#, version("3")),
        (VersionSource::ETagOrMember("rev".into()), r#""7""#, version("7")),
        (VersionSource::Header("ETag".into()), r#"W/"hash""#, version("hash")),
        (VersionSource::Header("X-Version".into()), r#""7""#, version("x1")),
        (VersionSource::Nothing, r#""7""#, None),
    ] {
        let mut dialect = dialect(source.clone());
        for write in [&mut dialect.update, &mut dialect.overwrite, &mut dialect.delete] {
            write.check = VersionCheck::ReadFirst;
        }
        let answer = answer().header("ETag", tag).header("X-Version", "x1");
        let answer = answered(dialect, operation(update()), answer).await;
        let Ok(WriteAnswer::Accepted { version, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(version, expected, "{source:?} {tag}");
    }
}

#[tokio::test]
async fn a_version_goes_wherever_the_dialect_wants_it() {
    let checked = |check| {
        let mut dialect = Dialect::default();
        dialect.update.check = check;
        sent(dialect, on_version(update(), "5"))
    };
    let seen = checked(VersionCheck::IfMatch).await;
    assert_eq!(seen.header("if-match"), Some("\"5\""));
    let seen = checked(VersionCheck::Member("version".into())).await;
    assert_eq!(seen.body, r#"{"id":"n1","title":"Milk","version":"5"}"#);
    let seen = checked(VersionCheck::Parameter { name: "rev".into(), value: "{version}".into() }).await;
    assert_eq!(seen.target, "/notes/n1?rev=5");
    let header = |name: &str, value: &str| VersionCheck::Header { name: name.into(), value: value.into() };
    assert_eq!(
        checked(header("If-Match", "{version}")).await.header("if-match"),
        Some("5"),
        "without quotes"
    );
    assert_eq!(checked(header("X-Unmodified", "v={version}")).await.header("x-unmodified"), Some("v=5"));
    for check in [VersionCheck::Nothing, VersionCheck::ReadFirst] {
        let seen = checked(check).await;
        assert_eq!((&*seen.target, &*seen.body, seen.header("if-match")), ("/notes/n1", RECORD, None));
    }
}

/// A server that takes no text for a number would refuse it.
#[tokio::test]
async fn a_version_that_the_record_shows_as_a_number_goes_back_as_one() {
    let record = |version: &str| Payload::from_json(&format!(r#"{{"id":"n1","rev":{version}}}"#)).unwrap();
    let sent_on = async |version: &str, mine: &str, base: Option<&str>| {
        let mut dialect = Dialect::default();
        dialect.update.check = VersionCheck::Member("rev".into());
        let request = on_version(Write::Update(record(mine)), version);
        sent(dialect, WriteRequest { base: base.map(record), ..request }).await.body
    };
    // What the device has may be older than what it was told.
    assert_eq!(sent_on("7", "6", None).await, r#"{"id":"n1","rev":7}"#);
    assert_eq!(sent_on("7", "null", Some("6")).await, r#"{"id":"n1","rev":7}"#);
    assert_eq!(
        sent_on("12345678901234567890123", "1", None).await,
        r#"{"id":"n1","rev":12345678901234567890123}"#
    );
    assert_eq!(sent_on("7", "\"6\"", None).await, r#"{"id":"n1","rev":"7"}"#, "no number is made of a text");
    assert_eq!(sent_on("7", "null", None).await, r#"{"id":"n1","rev":"7"}"#);
    for no_number in ["7-a", "07", "", "[1]"] {
        assert_eq!(sent_on(no_number, "6", None).await, format!(r#"{{"id":"n1","rev":"{no_number}"}}"#));
    }
}

#[tokio::test]
async fn a_version_that_no_record_shows_goes_back_as_a_number_where_the_dialect_says_so() {
    let mut dialect = Dialect::default();
    dialect.update.check = VersionCheck::NumberMember("revision".into());
    let seen = sent(dialect.clone(), on_version(update(), "7")).await;
    assert_eq!(seen.body, r#"{"id":"n1","title":"Milk","revision":7}"#);
    let seen = sent(dialect, on_version(update(), "7-a")).await;
    assert_eq!(seen.body, r#"{"id":"n1","title":"Milk","revision":"7-a"}"#);
}

#[tokio::test]
async fn a_weak_tag_of_a_server_that_takes_it_back_goes_back_as_it_came() {
    // OData's way: the tag is a member, and `If-Match` is what it says.
    let mut dialect = Dialect::default();
    dialect.record.version = VersionSource::Member("@odata.etag".into());
    dialect.update.check = VersionCheck::Header { name: "If-Match".into(), value: "{version}".into() };
    let seen = sent(dialect.clone(), on_version(update(), r#"W/"a'b""#)).await;
    assert_eq!(seen.header("if-match"), Some(r#"W/"a'b""#));
    let server = Server::saying(Answer::status(204)).await;
    let error = remote(&server, dialect).send(on_version(update(), "a\r\nX: y")).await.unwrap_err();
    assert!(error.to_string().contains("If-Match"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_receipt_without_a_version_is_still_a_success() {
    let mut dialect = Dialect::default();
    dialect.update.answer = AnsweredBody::Receipt { version_member: "rev".into() };
    for body in [r#"{"ok":true}"#, "[]", "\"fine\"", ""] {
        let answer = answered(dialect.clone(), operation(update()), Answer::json(200, body)).await.unwrap();
        assert_eq!(answer, WriteAnswer::Accepted { version: None, body: None }, "{body}");
    }
}

#[tokio::test]
async fn the_conflicting_record_is_looked_for_in_each_place() {
    let mut dialect = Dialect::default();
    dialect.conflict.record = vec!["error.record".into(), "errors.0.doc".into()];
    for body in [
        r#"{"error":{"record":{"id":"n1","version":8}}}"#,
        r#"{"error":{"record":{"id":"other"}},"errors":[{"doc":{"id":"n1","version":8}}]}"#,
    ] {
        let answer = answered(dialect.clone(), operation(update()), Answer::json(409, body)).await.unwrap();
        let theirs = Some(bytes(r#"{"id":"n1","version":8}"#));
        assert_eq!(
            answer,
            WriteAnswer::Conflict { version: version("8"), body: theirs, problem: None },
            "{body}"
        );
    }
    let body = r#"{"error":{"record":{"id":"n1","deleted":true}}}"#;
    let answer = answered(dialect, operation(update()), Answer::json(409, body)).await.unwrap();
    assert_eq!(
        answer,
        WriteAnswer::Conflict { version: None, body: None, problem: None },
        "a tombstone is no record"
    );
}

#[tokio::test]
async fn a_tombstone_may_be_a_time() {
    let mut dialect = Dialect::default();
    dialect.record.tombstone = Tombstone::Present("deletedAt".into());
    for (mark, missing) in [("null", false), ("\"2026-01-01\"", true), ("0", true), ("false", true)] {
        let body = format!(r#"{{"id":"n1","deletedAt":{mark}}}"#);
        let server = Server::saying(Answer::json(200, body)).await;
        let fetched = remote(&server, dialect.clone()).fetch(&NOTES, &key("n1")).await.unwrap().answer;
        assert_eq!(fetched == Fetched::Missing, missing, "{mark}");
    }
}

#[tokio::test]
async fn the_engine_is_told_where_it_has_to_read_before_it_writes() {
    let server = Server::saying(Answer::status(500)).await;
    let careless = remote(&server, Dialect::json_server());
    for write in [create(), update(), overwrite(), Write::Delete] {
        assert!(careless.reads_first(&write));
        assert!(!remote(&server, Dialect::default()).reads_first(&write));
    }
    assert_eq!(payload().as_str(), RECORD);
}
