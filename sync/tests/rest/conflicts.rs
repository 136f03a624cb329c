//! 409 and 412: where the server's record is, and which version it has.

use sync::record::Write;
use sync::remote::WriteAnswer;

use super::given::{answered, bytes, create, overwrite, update, version};
use super::server::{Answer, Server};

const THEIRS: &str = r#"{"id":"n1","title":"Bread","version":12}"#;

async fn conflict_of(answer: Answer) -> WriteAnswer {
    let server = Server::saying(answer).await;
    answered(&server, update()).await
}

fn conflict(v: Option<&str>, body: Option<&str>) -> WriteAnswer {
    WriteAnswer::Conflict { version: v.and_then(version), body: body.map(bytes), problem: None }
}

#[tokio::test]
async fn both_statuses_are_conflicts_for_every_verb() {
    for status in [409, 412] {
        for write in [create(), update(), overwrite(), Write::Delete] {
            let server = Server::saying(Answer::json(status, THEIRS)).await;
            assert_eq!(answered(&server, write).await, conflict(Some("12"), Some(THEIRS)));
        }
    }
}

#[tokio::test]
async fn the_record_stands_bare_or_under_current() {
    assert_eq!(conflict_of(Answer::json(409, THEIRS)).await, conflict(Some("12"), Some(THEIRS)));
    let wrapped = format!(r#"{{"error":"stale","current":{THEIRS}}}"#);
    assert_eq!(conflict_of(Answer::json(412, wrapped)).await, conflict(Some("12"), Some(THEIRS)));
}

#[tokio::test]
async fn the_etag_goes_before_the_version_member() {
    let answer = Answer::json(409, THEIRS).header("ETag", "\"13\"");
    assert_eq!(conflict_of(answer).await, conflict(Some("13"), Some(THEIRS)));
    let answer = Answer::json(409, THEIRS).header("ETag", "W/\"13\"");
    assert_eq!(conflict_of(answer).await, conflict(Some("12"), Some(THEIRS)));
}

#[tokio::test]
async fn an_answer_without_the_record_is_a_conflict_all_the_same() {
    for body in
        ["", "null", "{}", "[]", "\"stale\"", "<html>", "{\"id\":", r#"{"current":null}"#, r#"{"current":3}"#]
    {
        assert_eq!(conflict_of(Answer::json(409, body)).await, conflict(None, None), "{body}");
    }
    let answer = Answer::status(412).header("ETag", "\"13\"");
    assert_eq!(conflict_of(answer).await, conflict(Some("13"), None));
}

#[tokio::test]
async fn problem_details_are_not_taken_for_the_record() {
    let problem = |body: &str| {
        Answer::status(409).header("Content-Type", "application/problem+json; charset=utf-8").body(body)
    };
    let details = r#"{"type":"about:blank","title":"Conflict","id":"request-5"}"#;
    let WriteAnswer::Conflict { version: None, body: None, problem: Some(told) } =
        conflict_of(problem(details)).await
    else {
        panic!("a conflict without the record")
    };
    assert_eq!((told.kind.as_deref(), told.title.as_deref()), (Some("about:blank"), Some("Conflict")));
    let with_record = format!(r#"{{"type":"about:blank","id":"request-5","current":{THEIRS}}}"#);
    assert_eq!(conflict_of(problem(&with_record)).await, conflict(Some("12"), Some(THEIRS)));
}

/// Its members are the user's words, and not the server's.
#[tokio::test]
async fn a_tombstone_is_no_problem_details() {
    for tombstone in [
        r#"{"id":"n1","title":"secret","deleted":true}"#,
        r#"{"id":"n1","title":"secret","deleted":"since monday"}"#,
        r#"{"current":{"id":"n1","title":"secret","deleted":true}}"#,
    ] {
        assert_eq!(conflict_of(Answer::json(409, tombstone)).await, conflict(None, None), "{tombstone}");
    }
}

#[tokio::test]
async fn an_envelope_and_a_record_are_told_apart_by_the_id_that_was_sent() {
    let envelope = format!(r#"{{"id":"error-77","current":{THEIRS}}}"#);
    assert_eq!(conflict_of(Answer::json(409, envelope)).await, conflict(Some("12"), Some(THEIRS)));
    let record = r#"{"id":"n1","title":"Bread","current":{"id":"u5"}}"#;
    assert_eq!(conflict_of(Answer::json(409, record)).await, conflict(None, Some(record)));
}

#[tokio::test]
async fn a_conflict_whose_body_broke_off_is_a_conflict() {
    let answer = Answer::json(409, r#"{"id":"n1","#).cut_short_of(500);
    assert_eq!(conflict_of(answer).await, conflict(None, None));
}
