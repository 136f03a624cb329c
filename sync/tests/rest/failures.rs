//! The failure classes, one by one.

use std::time::Duration;

use sync::record::{Problem, Write};
use sync::remote::WriteAnswer;
use sync::{Remote, RemoteError, RestRemote};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

use super::given::{NOTES, answered, create, key, operation, overwrite, page_of, remote, send, told, update};
use super::server::{Answer, Server};

#[tokio::test]
async fn a_gateway_without_a_server_behind_it_is_unreachable() {
    // A proxy or a network that wants somebody to log in, and what Cloudflare and Supabase say for 502 and its like.
    for status in [502, 503, 504, 407, 511, 520, 521, 522, 523, 524, 525, 526, 527, 530, 540] {
        let server = Server::saying(Answer::status(status).header("Retry-After", "7")).await;
        let error = send(&server, create()).await.unwrap_err();
        let RemoteError::Unreachable { url, retry_after, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*url, format!("{}/notes", server.url()));
        assert_eq!(*retry_after, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_throttles() {
    let server = Server::saying(Answer::status(429).header("Retry-After", "3")).await;
    let error = send(&server, update()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Throttled { status: 429, .. }), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn what_may_succeed_later_is_transient() {
    for status in [408, 425, 500, 501, 505, 507, 508, 529, 599] {
        let server = Server::saying(Answer::status(status)).await;
        let error = send(&server, update()).await.unwrap_err();
        assert!(matches!(&error, RemoteError::Transient { status: s, .. } if *s == status), "{error:?}");
    }
}

#[tokio::test]
async fn what_will_not_succeed_as_it_is_is_refused() {
    for status in [400, 402, 403, 405, 406, 413, 414, 415, 422, 423, 424, 428, 431, 451, 499] {
        let server = Server::saying(Answer::status(status)).await;
        let error = send(&server, update()).await.unwrap_err();
        let RemoteError::Refused { refusal, .. } = &error else { panic!("{status}: {error:?}") };
        assert_eq!((refusal.status, &refusal.problem), (status, &None));
    }
}

/// A web application firewall, an application that was stopped, a web server that has static files only while the API is set up anew, a proxy
/// to which the headers are too long (400) or that does not know the host (421).
#[tokio::test]
async fn what_a_web_page_refuses_may_succeed_later() {
    for status in [400, 402, 403, 405, 413, 421, 422, 431, 451] {
        let page = |body: &str| Answer::status(status).header("Content-Type", "text/html").body(body);
        let server = Server::saying(page("<!doctype html><title>Error</title>")).await;
        for write in [create(), update(), overwrite(), Write::Delete] {
            let error = send(&server, write).await.unwrap_err();
            assert!(matches!(&error, RemoteError::Transient { status: s, .. } if *s == status), "{error:?}");
            assert!(error.to_string().contains("a page of HTML"), "{error}");
        }
        let error = remote(&server).pull(page_of(5)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Transient { .. }), "{error:?}");
        let error = remote(&server).fetch(&NOTES, &key("n1")).await.unwrap_err();
        if matches!(status, 403 | 405) {
            let cannot_be_read = matches!(error, RemoteError::Refused { .. });
            assert!(cannot_be_read, "no edit waits for ever for such a question: {error:?}");
        } else {
            assert!(matches!(error, RemoteError::Transient { .. }), "{error:?}");
        }
        let error = send(&Server::saying(page("")).await, update()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Refused { .. }), "there is no page in it: {error:?}");
    }
}

/// Frameworks say so with a page of theirs, and then the record can be read. A gateway says it of everything.
#[tokio::test]
async fn a_conflict_that_a_web_page_tells_is_looked_into() {
    for status in [409, 412] {
        let page = Answer::status(status).header("Content-Type", "text/html").body("<h1>Conflict</h1>");
        let server = Server::saying(page).await;
        assert!(matches!(answered(&server, update()).await, WriteAnswer::Conflict { body: None, .. }));
        for error in [
            remote(&server).fetch(&NOTES, &key("n1")).await.map(drop).unwrap_err(),
            remote(&server).pull(page_of(5)).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, RemoteError::Transient { .. }), "{status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_a_status_says_of_the_moment_it_says_with_a_web_page_too() {
    for status in [401, 407, 408, 425, 429] {
        let page = Answer::status(status).header("Content-Type", "text/html").body("<h1>Not now</h1>");
        let server = Server::saying(page).await;
        let errors = [
            send(&server, update()).await.map(drop).unwrap_err(),
            remote(&server).pull(page_of(5)).await.map(drop).unwrap_err(),
            remote(&server).fetch(&NOTES, &key("n1")).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            let right = match status {
                401 => matches!(error, RemoteError::Unauthorized { .. }),
                407 => matches!(error, RemoteError::Unreachable { .. }),
                429 => matches!(error, RemoteError::Throttled { .. }),
                _ => matches!(error, RemoteError::Transient { .. }),
            };
            assert!(right, "{status}: {error:?}");
            assert!(!error.to_string().contains("a page of HTML"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_creation_that_finds_nothing_where_there_is_a_collection_is_refused() {
    for status in [404, 410] {
        let server = Server::scripted(move |seen, _| match &*seen.method {
            "GET" => Answer::json(200, r#"{"items":[]}"#),
            _ => Answer::status(status),
        })
        .await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(
            matches!(&error, RemoteError::Refused { refusal, .. } if refusal.status == status),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_401_without_a_hook_is_unauthorized_at_once() {
    let body = r#"{"title":"Unauthorized","detail":"the token has expired"}"#;
    let server = Server::saying(Answer::json(401, body)).await;
    let error = send(&server, create()).await.unwrap_err();
    let RemoteError::Unauthorized { reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(reason.as_deref(), Some("the token has expired"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn statuses_that_answer_nothing_are_protocol_errors() {
    for status in [202, 226, 300, 304, 399, 600, 999] {
        let server = Server::saying(Answer::status(status)).await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{status}: {error:?}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn problem_details_come_with_a_refusal() {
    let body = r#"{"type":"https://example.com/probs/quota","title":"Quota","status":403,
        "detail":"50 notes at most","instance":"/quota/5","balance":30}"#;
    for content in ["application/problem+json", "application/json", "text/plain"] {
        let server = Server::saying(Answer::status(403).header("Content-Type", content).body(body)).await;
        let error = send(&server, create()).await.unwrap_err();
        let RemoteError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
        let expected = Problem {
            kind: Some("https://example.com/probs/quota".into()),
            title: Some("Quota".into()),
            detail: Some("50 notes at most".into()),
            instance: Some("/quota/5".into()),
        };
        assert_eq!(refusal.problem.as_deref(), Some(&expected));
        assert!(error.to_string().contains("50 notes at most"), "{error}");
    }
}

#[tokio::test]
async fn servers_that_do_not_know_problem_details_are_quoted_too() {
    for (body, title, detail) in [
        (
            r#"{"code":400,"error":"Invalid parameters","message":"no id"}"#,
            Some("Invalid parameters"),
            Some("no id"),
        ),
        (r#"{"error":"bad_request","reason":"no id"}"#, Some("bad_request"), Some("no id")),
        (r#"{"title":"Bad","error":"x","detail":"no id","message":"y"}"#, Some("Bad"), Some("no id")),
        (r#"{"error":{"code":7}}"#, None, None),
    ] {
        let server = Server::saying(Answer::json(400, body)).await;
        let error = send(&server, create()).await.unwrap_err();
        let RemoteError::Refused { refusal, .. } = error else { panic!("{error:?}") };
        let problem = refusal.problem.unwrap_or_default();
        assert_eq!((problem.title.as_deref(), problem.detail.as_deref()), (title, detail), "{body}");
    }
}

/// So servers in Rust do: it is what axum says of a body that it cannot read.
#[tokio::test]
async fn a_line_of_plain_text_is_quoted_too() {
    let plain =
        |body: &[u8]| Answer::status(422).header("Content-Type", "Text/Plain; charset=utf-8").body(body);
    let endless = "ä".repeat(3000);
    for (answer, detail) in [
        (plain(b"missing field `x` at line 1 column 9\n"), Some("missing field `x` at line 1 column 9")),
        (plain(b" no\x1b[31m\r\n\twords\x7f "), Some("no [31m   words")),
        (plain(endless.as_bytes()), Some(&endless[..2 * 2048])),
        (plain(b"caf\xe9"), Some("caf\u{fffd}")),
        (plain(b""), None),
        (plain(b" \0\n"), None),
        // JSON says it in its members, and what else it holds may be the record.
        (plain(br#"{"id":"n1","text":"secret"}"#), None),
        (Answer::status(422).body("missing field"), None),
        (Answer::status(422).header("Content-Type", "text/css").body("missing field"), None),
    ] {
        let server = Server::saying(answer).await;
        let error = send(&server, update()).await.unwrap_err();
        let RemoteError::Refused { refusal, .. } = error else { panic!("{error:?}") };
        let expected = detail.map(|detail| Problem { detail: Some(detail.into()), ..Problem::default() });
        assert_eq!(refusal.problem.map(|problem| *problem), expected);
    }
}

#[tokio::test]
async fn a_method_that_the_server_does_not_know_is_told_of_with_the_settings_that_change_it() {
    let server = Server::saying(Answer::status(405).header("Allow", "GET, PUT")).await;
    for write in [create(), update(), overwrite(), Write::Delete] {
        let error = send(&server, write).await.unwrap_err();
        assert!(matches!(&error, RemoteError::Refused { refusal, .. } if refusal.status == 405), "{error:?}");
        let text = error.to_string();
        for part in ["no such method", "`method`", "`path`", "`update`", "dialect"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
    let error = send(&Server::saying(Answer::status(403)).await, update()).await.unwrap_err();
    assert!(!error.to_string().contains("method"), "{error}");
}

#[tokio::test]
async fn bad_problem_details_do_not_hide_the_refusal() {
    let endless_title = format!(r#"{{"title":"{}"}}"#, "ä".repeat(30_000));
    let deep = format!(r#"{{"x":{}{},"title":"deep"}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let cases = [
        ("<html>no</html>", None),
        ("[1]", None),
        (r#"{"detail":"#, None),
        (r#"{"detail":{"a":1},"title":7,"type":null}"#, None),
        (r#"{"detail":{"a":1},"title":"No"}"#, Some("No".to_owned())),
        (&endless_title, Some("ä".repeat(2048))),
        (&deep, Some("deep".to_owned())),
    ];
    for (body, title) in cases {
        let server = Server::saying(Answer::json(422, body)).await;
        let error = send(&server, create()).await.unwrap_err();
        let RemoteError::Refused { refusal, .. } = error else { panic!("{error:?}") };
        assert_eq!(refusal.status, 422);
        assert_eq!(refusal.problem.and_then(|problem| problem.title), title);
    }
}

#[tokio::test]
async fn a_refusal_stands_when_its_body_is_huge_or_breaks_off() {
    for answer in [
        Answer::json(422, vec![b' '; 200_000]),
        Answer::json(422, "{").cut_short_of(100),
        Answer::json(422, "{").cut_short_of(10_000_000_000),
        Answer::json(422, "padding").endless(),
    ] {
        let server = Server::saying(answer).await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(
            matches!(&error, RemoteError::Refused { refusal, .. } if refusal.problem.is_none()),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn nobody_at_home_is_unreachable() {
    // Taken, so that no other test gets the port, and never listened on.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let remote = RestRemote::new(format!("http://{}", taken.local_addr().unwrap())).unwrap();
    for error in [
        remote.send(operation(create())).await.map(drop).unwrap_err(),
        remote.pull(page_of(5)).await.map(drop).unwrap_err(),
        remote.fetch(&NOTES, &key("n1")).await.map(drop).unwrap_err(),
        remote.probe().await.unwrap_err(),
    ] {
        assert!(matches!(error, RemoteError::Unreachable { in_doubt: false, .. }), "{error:?}");
        assert!(told(&error).contains("no connection"), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_unreachable() {
    // RFC 6761, section 6.4: no name server knows it. Where none answers, the time for a connection runs out.
    let remote = RestRemote::builder("http://nobody.invalid");
    let remote = remote.connect_timeout(Duration::from_secs(2)).build().unwrap();
    let error = remote.probe().await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(told(&error).contains("http://nobody.invalid"), "{}", told(&error));
}

#[tokio::test]
async fn a_server_without_tls_is_unreachable_over_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = RestRemote::new(format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream
    });
    let error = remote.send(operation(create())).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("should the base URL begin with `http://`?"), "{error}");
    drop(server.await.unwrap());
}

#[tokio::test]
async fn a_server_with_tls_is_unreachable_without_it() {
    // What it says of a request that is no greeting: an alert (RFC 8446, section 6), here `decode_error`.
    let server = Server::saying(Answer::raw("\x15\x03\x03\0\x02\x02\x32")).await;
    let error = send(&server, create()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("should the base URL begin with `https://`?"), "{error}");
    let server = Server::saying(Answer::raw("")).await;
    let error = send(&server, create()).await.unwrap_err();
    assert!(!error.to_string().contains("base URL"), "{error}");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_unreachable() {
    for answer in [Answer::raw(""), Answer::raw("HTTP/1.1 20"), Answer::raw("SSH-2.0-OpenSSH_9.9\r\n")] {
        let server = Server::saying(answer).await;
        let error = send(&server, overwrite()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable { in_doubt: true, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let stalls = [Answer::nothing(), Answer::json(200, "{").stalling_short_of(100)];
    for answer in stalls {
        let server = Server::saying(answer).await;
        let remote = RestRemote::builder(server.url()).timeout(Duration::from_millis(150)).build().unwrap();
        let error = remote.send(operation(Write::Delete)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable { in_doubt: true, .. }), "{error:?}");
        assert!(error.to_string().contains("150ms"), "{error}");
    }
}

#[tokio::test]
async fn a_server_is_reachable_when_it_answers_anything() {
    for status in [200, 204, 301, 307, 401, 403, 404, 405, 429, 500, 501] {
        let server = Server::saying(Answer::status(status).header("Location", "http://other.example/")).await;
        let remote = RestRemote::builder(format!("{}/v1", server.url())).bearer("t").build().unwrap();
        remote.probe().await.unwrap();
        let seen = server.only();
        assert_eq!((&*seen.method, &*seen.target), ("HEAD", "/v1"));
        assert_eq!(seen.header("authorization"), None);
    }
    for status in [502, 503, 504, 511, 522] {
        let server = Server::saying(Answer::status(status)).await;
        let error = remote(&server).probe().await.unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    }
}
