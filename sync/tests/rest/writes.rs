//! Each verb: the exact request, and what each success comes to.

use sync::Remote;
use sync::record::Write;
use sync::remote::WriteAnswer;

use super::given::{
    OPERATION, RECORD, answered, bytes, create, on_version, operation, overwrite, remote, send, update,
    version,
};
use super::server::{Answer, Server};

const NOTHING: WriteAnswer = WriteAnswer::Accepted { version: None, body: None };

#[tokio::test]
async fn a_creation_posts_the_record_to_the_collection() {
    let server = Server::saying(Answer::status(201)).await;
    // A creation replaces nothing, so that there is no version to match.
    remote(&server).send(on_version(create(), "7")).await.unwrap();
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target, &*seen.body), ("POST", "/notes", RECORD));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some(OPERATION));
    assert_eq!(seen.header("if-match"), None);
    assert_eq!(seen.header("authorization"), None);
    assert!(seen.header("user-agent").unwrap().starts_with("sync/"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn an_update_patches_the_record_on_the_version_it_was_made_on() {
    let server = Server::saying(Answer::status(204)).await;
    remote(&server).send(on_version(update(), "v-7")).await.unwrap();
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target, &*seen.body), ("PATCH", "/notes/n1", RECORD));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some(OPERATION));
    assert_eq!(seen.header("if-match"), Some("\"v-7\""));
}

#[tokio::test]
async fn an_overwrite_puts_the_winner_on_the_version_that_lost() {
    let server = Server::saying(Answer::status(200)).await;
    remote(&server).send(on_version(overwrite(), "8")).await.unwrap();
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target, &*seen.body), ("PUT", "/notes/n1", RECORD));
    assert_eq!(seen.header("idempotency-key"), Some(OPERATION));
    assert_eq!(seen.header("if-match"), Some("\"8\""));
}

#[tokio::test]
async fn a_deletion_has_no_body() {
    let server = Server::saying(Answer::status(204)).await;
    remote(&server).send(on_version(Write::Delete, "8")).await.unwrap();
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target, &*seen.body), ("DELETE", "/notes/n1", ""));
    assert_eq!(seen.header("content-type"), None);
    assert_eq!(seen.header("idempotency-key"), Some(OPERATION));
    assert_eq!(seen.header("if-match"), Some("\"8\""));
}

#[tokio::test]
async fn without_a_known_version_nothing_is_asked_to_match() {
    for write in [update(), overwrite(), Write::Delete] {
        let server = Server::saying(Answer::status(204)).await;
        remote(&server).send(operation(write)).await.unwrap();
        assert_eq!(server.only().header("if-match"), None);
    }
}

#[tokio::test]
async fn each_attempt_carries_the_same_idempotency_key() {
    let server = Server::saying_in_turn(vec![Answer::status(500), Answer::status(201)]).await;
    let remote = remote(&server);
    remote.send(operation(create())).await.unwrap_err();
    remote.send(operation(create())).await.unwrap();
    let keys: Vec<_> =
        server.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, [OPERATION, OPERATION]);
}

#[tokio::test]
async fn every_success_of_the_table_is_accepted_and_no_other() {
    let table = [
        (create(), vec![200, 201, 204]),
        (update(), vec![200, 204]),
        (overwrite(), vec![200, 201, 204]),
        (Write::Delete, vec![200, 204]),
    ];
    for (write, successes) in table {
        for status in [200, 201, 202, 203, 204, 205, 206, 207, 299] {
            let server = Server::saying(Answer::status(status)).await;
            let answer = send(&server, write.clone()).await;
            if successes.contains(&status) {
                assert_eq!(answer.unwrap().answer, NOTHING, "{} {status}", write.verb());
            } else {
                let error = answer.unwrap_err();
                let protocol = matches!(error, sync::RemoteError::Protocol { .. });
                assert!(protocol, "{} {status}: {error}", write.verb());
            }
        }
    }
}

#[tokio::test]
async fn the_servers_copy_and_version_are_handed_on() {
    let body = r#"{"id":"n1","title":"Milk","author":"server"}"#;
    for (write, status) in [(create(), 201), (update(), 200), (overwrite(), 200), (overwrite(), 201)] {
        let answer = Answer::json(status, format!(" {body}\n")).header("ETag", "\"9\"");
        let server = Server::saying(answer).await;
        let expected = WriteAnswer::Accepted { version: version("9"), body: Some(bytes(body)) };
        assert_eq!(answered(&server, write).await, expected);
    }
}

#[tokio::test]
async fn a_creation_answered_as_a_success_with_200_may_have_met_another_record() {
    let server = Server::saying(Answer::json(200, RECORD).header("ETag", "\"9\"")).await;
    let expected = WriteAnswer::Existing { version: version("9"), body: Some(bytes(RECORD)) };
    assert_eq!(answered(&server, create()).await, expected);
}

#[tokio::test]
async fn a_success_that_shows_no_record_is_one_all_the_same() {
    for body in ["", "  \n", "{}", "null", "\"ok\"", "[]", "true", r#"{"status":"ok"}"#] {
        for (write, status) in [(create(), 200), (create(), 201), (update(), 200), (Write::Delete, 200)] {
            let server = Server::saying(Answer::json(status, body)).await;
            assert_eq!(answered(&server, write).await, NOTHING, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn json_is_read_whatever_its_content_type_and_mark() {
    let server = Server::saying(Answer::status(201).body(format!("\u{feff}{RECORD}"))).await;
    let expected = WriteAnswer::Accepted { version: None, body: Some(bytes(RECORD)) };
    assert_eq!(answered(&server, create()).await, expected);
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    for status in [404, 410] {
        let server = Server::saying(Answer::status(status).body("<html>gone</html>")).await;
        assert_eq!(answered(&server, Write::Delete).await, NOTHING);
    }
}

#[tokio::test]
async fn an_update_of_a_record_that_is_not_there_says_so() {
    for status in [404, 410] {
        for write in [update(), overwrite()] {
            let server = Server::saying(Answer::status(status)).await;
            assert_eq!(answered(&server, write).await, WriteAnswer::Missing);
        }
    }
}

#[tokio::test]
async fn that_a_web_page_is_not_found_says_nothing_of_a_record() {
    let page = "<!doctype html><title>404 Not Found</title><hr>a gateway";
    for status in [404, 410] {
        for write in [create(), update(), overwrite(), Write::Delete] {
            let answer = Answer::status(status).header("Content-Type", "text/html; charset=utf-8").body(page);
            let error = send(&Server::saying(answer).await, write).await.unwrap_err();
            assert!(
                matches!(error, sync::RemoteError::Transient { status: told, .. } if told == status),
                "{error}"
            );
            assert!(error.to_string().contains("is the base URL right"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_web_page_is_no_success() {
    let page = "<!doctype html><title>Free Wi-Fi: please log in</title>";
    for write in [create(), update(), overwrite(), Write::Delete] {
        let server = Server::saying(Answer::status(200).header("Content-Type", "text/html").body(page)).await;
        let error = send(&server, write).await.unwrap_err();
        assert!(matches!(error, sync::RemoteError::Protocol { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("/notes") && text.contains("expected JSON") && text.contains("text/html"),
            "{text}"
        );
    }
}
