//! Each verb: the exact request, and what each success comes to.

use sync::record::Write;
use sync::remote::{Fetched, TransientCause, WriteAnswer};
use sync::{Remote, RemoteError};

use super::given::{
    NOTES, OPERATION, RECORD, answered, bytes, create, key, on_version, operation, overwrite, page_after,
    remote, send, update, version,
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
}

/// As it passes what compresses it, an answer's `ETag` would become another one, or a weak one.
#[tokio::test]
async fn answers_about_one_record_are_asked_for_as_they_are() {
    let server = Server::saying(Answer::json(200, RECORD)).await;
    for write in [create(), update(), overwrite(), Write::Delete] {
        send(&server, write).await.unwrap();
    }
    remote(&server).fetch(&NOTES, &key("n1")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|seen| seen.header("accept-encoding") == Some("identity")));
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
                let protocol = matches!(error, RemoteError::Protocol { .. });
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

/// Frameworks write that for nothing, too.
#[tokio::test]
async fn a_success_that_says_nothing_is_one() {
    for body in ["", "  \n", "{}", "null", "[]", " [ ]"] {
        for (write, status) in [(create(), 200), (create(), 201), (update(), 200), (overwrite(), 200)] {
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
        let server = without_the_record(Answer::status(status).body("<html>gone</html>")).await;
        assert_eq!(answered(&server, Write::Delete).await, NOTHING);
    }
}

/// A server that says this of the record, and has the collection.
async fn without_the_record(absent: Answer) -> Server {
    Server::scripted(move |seen, _| match (&*seen.method, seen.target.starts_with("/notes?")) {
        ("GET", true) => Answer::json(200, r#"{"items":[]}"#),
        _ => absent.clone(),
    })
    .await
}

/// As a router has no route to the API, and each says so in its own way.
#[tokio::test]
async fn where_the_collection_is_not_there_either_nothing_is_said_of_a_record() {
    let is_doubt = |error: &RemoteError| {
        matches!(error, RemoteError::Transient { cause: TransientCause::NoCollection, .. })
    };
    for (has_words, absent) in [
        (false, Answer::status(404)),
        (false, Answer::status(404).header("Content-Type", "text/plain").body("404 page not found")),
        (true, Answer::json(404, r#"{"message":"no Route matched with those values"}"#)),
        (false, Answer::status(410)),
    ] {
        for write in [create(), update(), overwrite(), Write::Delete] {
            let server = Server::saying(absent.clone()).await;
            let error = send(&server, write).await.unwrap_err();
            assert!(is_doubt(&error), "{error}");
        }
        let server = Server::saying(absent).await;
        let error = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap_err();
        assert!(is_doubt(&error), "{error}");
        let text = error.to_string();
        assert!(text.contains("the collection is not there either") && !text.contains("HTML"), "{text}");
        assert!(!has_words || text.contains("no Route matched with those values"), "{text}");
    }
}

#[tokio::test]
async fn a_collection_that_cannot_be_asked_now_leaves_it_open_whether_a_record_is_there() {
    for (status, unreachable) in [(503, true), (500, false)] {
        let server = Server::scripted(move |seen, _| {
            if seen.target.starts_with("/notes?") { Answer::status(status) } else { Answer::status(404) }
        })
        .await;
        let error = send(&server, Write::Delete).await.unwrap_err();
        assert_eq!(matches!(error, RemoteError::Unreachable { .. }), unreachable, "{error}");
        assert_eq!(matches!(error, RemoteError::Transient { .. }), !unreachable, "{error}");
    }
}

#[tokio::test]
async fn a_collection_that_not_everybody_may_list_is_there() {
    for status in [400, 403, 405] {
        let server = Server::scripted(move |seen, _| {
            if seen.target.starts_with("/notes?") { Answer::status(status) } else { Answer::status(404) }
        })
        .await;
        assert_eq!(answered(&server, Write::Delete).await, NOTHING);
    }
}

/// A host of single-page applications answers each `GET` with the application, and says 404 to everything else while the API is away.
#[tokio::test]
async fn an_applications_page_for_every_address_is_no_collection() {
    let html = |status| Answer::status(status).header("Content-Type", "text/html").body("<!doctype html>");
    for list in [html(200), html(400), html(403), html(421), Answer::json(200, r#"{"status":"ok"}"#)] {
        for absent in [Answer::status(404), Answer::json(404, r#"{"detail":"Not found"}"#)] {
            let page = list.clone();
            let server = Server::scripted(move |seen, _| match &*seen.method {
                "GET" if seen.target.starts_with("/notes?") => page.clone(),
                "GET" => html(200),
                _ => absent.clone(),
            })
            .await;
            for write in [create(), update(), overwrite(), Write::Delete] {
                let error = send(&server, write).await.unwrap_err();
                assert!(matches!(error, RemoteError::Transient { status: 404, .. }), "{error}");
            }
        }
        let page = list.clone();
        let server = Server::scripted(move |seen, _| {
            if seen.target.starts_with("/notes?") { page.clone() } else { Answer::status(404) }
        })
        .await;
        let error = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap_err();
        assert!(matches!(error, RemoteError::Transient { status: 404, .. }), "{error}");
    }
}

#[tokio::test]
async fn the_collection_is_not_asked_for_each_of_many_records() {
    let server = without_the_record(Answer::status(404)).await;
    let remote = remote(&server);
    for number in 0..20 {
        let fetched = remote.fetch(&NOTES, &key(&format!("n{number}"))).await.unwrap().answer;
        assert_eq!(fetched, Fetched::Missing);
    }
    let lists = server.seen().iter().filter(|seen| seen.target.starts_with("/notes?")).count();
    assert!(lists < 20, "{lists}");
}

#[tokio::test]
async fn an_update_of_a_record_that_is_not_there_says_so() {
    for status in [404, 410] {
        for write in [update(), overwrite()] {
            let server = without_the_record(Answer::status(status)).await;
            assert_eq!(answered(&server, write).await, WriteAnswer::Missing);
        }
    }
}

/// It has no route for the method, or says 404 to hide that this user may not write.
#[tokio::test]
async fn a_record_that_can_be_read_is_there_whatever_a_write_is_told() {
    for status in [404, 410] {
        for write in [update(), overwrite(), Write::Delete] {
            let server = Server::scripted(move |seen, _| match &*seen.method {
                "GET" => Answer::json(200, RECORD).header("ETag", "\"9\""),
                _ => Answer::json(status, r#"{"title":"no such route"}"#),
            })
            .await;
            let answer = answered(&server, write).await;
            let WriteAnswer::Conflict { version: found, body, problem } = answer else {
                panic!("{answer:?}")
            };
            assert_eq!((found, body), (version("9"), Some(bytes(RECORD))));
            let problem = problem.unwrap();
            assert_eq!(problem.title.as_deref(), Some("no such route"));
            let told = problem.detail.unwrap();
            assert!(told.contains(&status.to_string()) && told.contains("the record is there"), "{told}");
            let seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
            assert_eq!(seen, ["/notes/n1", "/notes/n1"], "the record proves that its collection is there");
        }
    }
}

#[tokio::test]
async fn where_records_cannot_be_read_one_by_one_the_collection_is_proof_enough() {
    // The last is an application's page for every address, which is no record.
    for status in [400, 403, 404, 405, 200] {
        for page in ["", "<!doctype html>"] {
            let server = Server::scripted(move |seen, _| match &*seen.method {
                "GET" if seen.target.starts_with("/notes?") => Answer::json(200, r#"{"items":[]}"#),
                "GET" => Answer::status(status).header("Content-Type", "text/html").body(page),
                _ => Answer::status(404),
            })
            .await;
            assert_eq!(answered(&server, update()).await, WriteAnswer::Missing, "{status} {page}");
            assert_eq!(answered(&server, Write::Delete).await, NOTHING, "{status} {page}");
        }
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_asked_for_now_may_be_there() {
    for status in [407, 429, 500, 503] {
        let server = Server::scripted(move |seen, _| match &*seen.method {
            "GET" if seen.target == "/notes/n1" => Answer::status(status),
            "GET" => Answer::json(200, r#"{"items":[]}"#),
            _ => Answer::status(404),
        })
        .await;
        let error = send(&server, Write::Delete).await.unwrap_err();
        assert!(!matches!(error, RemoteError::Refused { .. }), "{status}: {error}");
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
                matches!(error, RemoteError::Transient { status: told, .. } if told == status),
                "{error}"
            );
            assert!(error.to_string().contains("is the base URL right"), "{error}");
        }
    }
}

/// Frameworks label an answer without a body as a page of HTML, too.
#[tokio::test]
async fn nothing_at_all_is_no_web_page_whatever_it_is_called() {
    for status in [404, 410] {
        for body in ["", "\r\n"] {
            let absent = Answer::status(status).header("Content-Type", "text/html; charset=utf-8").body(body);
            let server = without_the_record(absent).await;
            assert_eq!(answered(&server, Write::Delete).await, NOTHING);
            assert_eq!(answered(&server, update()).await, WriteAnswer::Missing);
            let fetched = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap().answer;
            assert_eq!(fetched, Fetched::Missing);
        }
    }
}

/// So it goes where a program returns the text of an error, and its framework takes every text for a page.
#[tokio::test]
async fn json_is_no_web_page_whatever_it_is_called() {
    let said = |status, body: &str| {
        Answer::status(status).header("Content-Type", "text/html; charset=utf-8").body(body)
    };
    let error = r#" {"title":"expired"}"#;
    for status in [404, 410] {
        let server = without_the_record(said(status, error)).await;
        assert_eq!(answered(&server, Write::Delete).await, NOTHING);
        assert_eq!(answered(&server, update()).await, WriteAnswer::Missing);
        let fetched = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap().answer;
        assert_eq!(fetched, Fetched::Missing);
    }
    let gone = remote(&Server::saying(said(410, error)).await).pull(page_after("c1")).await.unwrap_err();
    assert!(matches!(gone, RemoteError::CursorGone { .. }), "{gone:?}");
    for body in [error, r#"["expired"]"#, "\u{feff}{}"] {
        let refused = send(&Server::saying(said(422, body)).await, update()).await.unwrap_err();
        assert!(matches!(refused, RemoteError::Refused { .. }), "{body}: {refused:?}");
    }
    for body in ["{{ title }} <h1>no</h1>", "[if IE]<html>"] {
        let page = send(&Server::saying(said(422, body)).await, update()).await.unwrap_err();
        assert!(matches!(page, RemoteError::Transient { .. }), "{body}: {page:?}");
    }
}

#[tokio::test]
async fn a_web_page_is_no_success() {
    let page = "<!doctype html><title>Free Wi-Fi: please log in</title>";
    for write in [create(), update(), overwrite(), Write::Delete] {
        let server = Server::saying(Answer::status(200).header("Content-Type", "text/html").body(page)).await;
        let error = send(&server, write).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("/notes") && text.contains("expected JSON") && text.contains("text/html"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_success_that_brings_a_tombstone_is_no_success() {
    for tombstone in
        [r#"{"id":"n1","deleted":true}"#, r#"{"id":"N1","title":"Milk","version":9,"deleted":true}"#]
    {
        for status in [200, 201] {
            let saying = |status| Server::saying(Answer::json(status, tombstone));
            if status == 200 {
                assert_eq!(
                    answered(&saying(status).await, update()).await,
                    WriteAnswer::Missing,
                    "{tombstone}"
                );
            }
            assert_eq!(
                answered(&saying(status).await, overwrite()).await,
                WriteAnswer::Missing,
                "{tombstone}"
            );
            let asked_for = WriteAnswer::Conflict { version: None, body: None, problem: None };
            assert_eq!(answered(&saying(status).await, create()).await, asked_for, "{status} {tombstone}");
        }
        let server = Server::saying(Answer::json(200, tombstone)).await;
        let done = WriteAnswer::Accepted { version: None, body: None };
        assert_eq!(answered(&server, Write::Delete).await, done, "that is what was wanted");
    }
    // Nor does this tell of the record.
    for other in [r#"{"id":"n1","title":"Milk","deleted":1}"#, r#"{"id":"another","deleted":true}"#] {
        let server = Server::saying(Answer::json(200, other)).await;
        let asked_for = WriteAnswer::Conflict { version: None, body: None, problem: None };
        assert_eq!(answered(&server, update()).await, asked_for, "{other}");
    }
}

#[tokio::test]
async fn a_status_that_does_not_say_that_it_was_done_is_named_with_those_that_do() {
    for (write, status, expected) in [
        (create(), 202, "expected 201 or 204 or 200"),
        (update(), 202, "expected 200 or 204"),
        (update(), 208, "expected 200 or 204"),
        (Write::Delete, 202, "expected 200 or 204"),
    ] {
        let error = send(&Server::saying(Answer::status(status)).await, write.clone()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(&status.to_string()), "{text}");
        assert!(
            text.contains(&format!("`WriteDialect::done` of the dialect's `{}`", write.verb())),
            "{text}"
        );
    }
}
