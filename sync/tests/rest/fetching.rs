//! One record.

use sync::remote::{Fetched, Remote};
use sync::{RemoteError, RestRemote};

use super::given::{NOTES, RECORD, TASKS, bytes, key, remote, version};
use super::server::{Answer, Server};

async fn fetched(answer: Answer) -> Result<Fetched, RemoteError> {
    let server = Server::saying(answer).await;
    remote(&server).fetch(&NOTES, &key("n1")).await.map(|reply| reply.answer)
}

#[tokio::test]
async fn it_is_asked_for_by_its_id() {
    let server = Server::saying(Answer::json(200, r#"{"key":"n1"}"#)).await;
    let remote = RestRemote::builder(server.url()).bearer("t").build().unwrap();
    remote.fetch(&TASKS, &key("n1")).await.unwrap();
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target, &*seen.body), ("GET", "/tasks/n1", ""));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn it_comes_with_its_version() {
    let answer = Answer::json(200, RECORD).header("ETag", "\"4\"");
    let present = |v| Fetched::Present { version: v, body: bytes(RECORD) };
    assert_eq!(fetched(answer).await.unwrap(), present(version("4")));
    assert_eq!(fetched(Answer::json(200, RECORD)).await.unwrap(), present(None));
    let body = r#"{"id":"n1","version":8}"#;
    let expected = Fetched::Present { version: version("8"), body: bytes(body) };
    assert_eq!(fetched(Answer::json(200, body)).await.unwrap(), expected);
}

#[tokio::test]
async fn it_may_not_be_there() {
    for status in [404, 410] {
        let server = Server::scripted(move |seen, _| {
            if seen.target.starts_with("/notes?") {
                Answer::json(200, r#"{"items":[]}"#)
            } else {
                Answer::status(status)
            }
        })
        .await;
        let reply = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap();
        assert_eq!(reply.answer, Fetched::Missing);
        // A gateway's page says nothing of the record.
        let page = Answer::status(status).header("Content-Type", "text/html").body("<!doctype html>");
        let error = fetched(page).await.unwrap_err();
        assert!(matches!(error, RemoteError::Transient { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_record_is_a_protocol_error() {
    for body in ["", "null", "{}", "[]", "3", r#"{"title":"no id"}"#, "<html>", r#"{"id":"n1""#] {
        let error = fetched(Answer::json(200, body)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{body}: {error:?}");
        assert!(error.to_string().contains("expected"), "{error}");
    }
    for status in [201, 204, 304] {
        let error = fetched(Answer::status(status)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_neither_clearly_there_nor_clearly_gone_is_taken_for_neither() {
    assert_eq!(fetched(Answer::json(200, r#"{"id":"n1","deleted":true}"#)).await.unwrap(), Fetched::Missing);
    for unclear in ["1", "\"yes\"", "[]"] {
        let body = format!(r#"{{"id":"n1","title":"Milk","deleted":{unclear}}}"#);
        let error = fetched(Answer::json(200, body)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        assert!(error.to_string().contains("its `deleted` is neither true nor false"), "{error}");
    }
}

#[tokio::test]
async fn failures_have_their_class() {
    let error = fetched(Answer::status(500)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Transient { .. }), "{error:?}");
    let error = fetched(Answer::status(403)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error:?}");
}
