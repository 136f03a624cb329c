//! Redirects: within the origin, and no others.

use sync::record::Write;
use sync::remote::rest::{CursorSource, MemberPath, Paging, PullDialect};
use sync::remote::{Position, PullRequest, Remote, WriteAnswer};
use sync::{Dialect, RemoteError, RestRemote};

use super::given::{
    NOTES, RECORD, answered, create, key, on_version, operation, page_after, page_of, remote, send,
};
use super::server::{Answer, Server};

fn to(status: u16, location: &str) -> Answer {
    Answer::status(status).header("Location", location)
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_method_body_and_headers() {
    for status in [307, 308] {
        let server = Server::scripted(move |seen, _| match &*seen.target {
            "/notes/n1" => to(status, "/v2/notes/n1"),
            _ => Answer::status(204),
        })
        .await;
        let remote = RestRemote::builder(server.url()).bearer("secret").build().unwrap();
        remote.send(on_version(Write::Update(super::given::payload()), "7")).await.unwrap();
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!((&*seen[1].method, &*seen[1].target, &*seen[1].body), ("PATCH", "/v2/notes/n1", RECORD));
        for header in ["idempotency-key", "if-match", "authorization", "content-type"] {
            assert!(seen[1].header(header).is_some(), "{header}");
            assert_eq!(seen[0].header(header), seen[1].header(header));
        }
    }
}

#[tokio::test]
async fn a_redirect_may_be_relative_absolute_or_have_a_query() {
    let server = Server::scripted(|seen, _| {
        let host = seen.header("host").unwrap();
        match &*seen.target {
            "/notes/a" => to(307, "b"),
            "/notes/b" => to(308, &format!("http://{host}/notes/c?page=1#top")),
            "/notes/c?page=1" => to(307, &format!("http://eve:pw@{host}/notes/d")),
            "/notes/d" => Answer::json(200, RECORD),
            other => panic!("{other}"),
        }
    })
    .await;
    remote(&server).fetch(&NOTES, &key("a")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| seen.header("authorization").is_none()), "{seen:#?}");
}

#[tokio::test]
async fn another_origin_gets_neither_request_nor_credentials() {
    let stranger = Server::saying(Answer::status(201)).await;
    for status in [301, 302, 303, 307, 308] {
        let there = format!("{}/notes?key=hunter2", stranger.url());
        let server = Server::saying(to(status, &there)).await;
        let remote = RestRemote::builder(server.url()).bearer("secret").build().unwrap();
        let error = remote.send(operation(create())).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&stranger.url()) && text.contains("base URL"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("secret"), "{text}");
    }
    assert!(stranger.seen().is_empty());
}

#[tokio::test]
async fn another_port_or_scheme_is_another_origin() {
    let server =
        Server::scripted(|seen, _| to(307, &format!("https://{}/notes", seen.header("host").unwrap()))).await;
    let error = send(&server, create()).await.unwrap_err();
    assert!(error.to_string().contains("another origin"), "{error}");
    for elsewhere in ["http://localhost:1/", "//127.0.0.1:1/notes", "ftp://127.0.0.1/", "data:text/plain,x"] {
        let server = Server::saying(to(307, elsewhere)).await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_that_turns_a_write_into_a_read_is_no_success() {
    for status in [301, 302, 303] {
        let server = Server::scripted(move |seen, _| match &*seen.target {
            place if place.starts_with("/notes") => to(status, "/elsewhere"),
            _ if seen.method == "GET" => Answer::json(200, r#"{"items":[]}"#),
            _ => Answer::json(200, RECORD),
        })
        .await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        assert_eq!(server.seen().len(), 1);
        // The same for reading: the base URL is wrong, and the user is told so.
        let error = remote(&server).pull(page_after("c")).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("set the base URL") && text.contains("/elsewhere`"), "{text}");
        assert!(!text.contains("into a GET"), "it is one: {text}");
        assert_eq!(server.seen().len(), 2);
    }
}

/// As Django answers, and others do.
#[tokio::test]
async fn a_redirect_to_the_same_path_with_a_slash_tells_what_to_write_into_the_dialect() {
    let server = Server::scripted(|seen, _| {
        let path = seen.target.split('?').next().unwrap();
        if path.ends_with('/') { Answer::status(204) } else { to(301, &format!("{path}/?key=hunter2")) }
    })
    .await;
    let error = remote(&server).pull(page_after("c")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/notes/`") && text.contains(r#"`pull.path: "{endpoint}/"`"#), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("base URL"), "{text}");
    let text = send(&server, create()).await.unwrap_err().to_string();
    assert!(text.contains("into a GET") && text.contains("with a slash"), "{text}");
    let server = Server::saying(to(301, "/notes")).await;
    let pull = PullDialect { path: "{endpoint}/".into(), ..PullDialect::default() };
    let dialect = Dialect { pull, ..Dialect::default() };
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let text = remote.pull(page_after("c")).await.unwrap_err().to_string();
    assert!(text.contains("without a slash"), "{text}");
}

#[tokio::test]
async fn a_redirect_loop_ends_after_five() {
    let server = Server::scripted(|_, nth| to(307, &format!("/notes/{nth}"))).await;
    let error = send(&server, create()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 6);
    let server =
        Server::scripted(|_, nth| if nth < 5 { to(307, "/notes") } else { Answer::status(201) }).await;
    assert_eq!(answered(&server, create()).await, WriteAnswer::Accepted { version: None, body: None });
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_an_error() {
    for answer in [Answer::status(307), to(308, "http://[oops"), to(307, "http://")] {
        let server = Server::saying(answer).await;
        let error = send(&server, create()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    }
}

/// RFC 3986, section 5.1.3.
#[tokio::test]
async fn a_link_is_relative_to_where_the_page_was_answered() {
    let server = Server::scripted(|seen, _| match &*seen.target {
        "/notes?limit=5" => to(308, "/notes/?limit=5"),
        "/notes/?limit=5" => Answer::json(200, r#"[{"id":"a"}]"#).header("Link", "<more/2>; rel=next"),
        _ => Answer::json(200, r#"[{"id":"a"}]"#),
    })
    .await;
    let pull = PullDialect {
        since: Vec::new(),
        items: MemberPath::whole(),
        cursor: CursorSource::Nothing,
        paging: Paging::Link,
        ..PullDialect::default()
    };
    let dialect = Dialect { pull, ..Dialect::default() };
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let page = remote.pull(page_of(5)).await.unwrap().answer;
    let Position::Cursor { cursor, has_more: true } = page.position else { panic!("{page:?}") };
    remote.pull(PullRequest { since: Some(cursor), ..page_of(5) }).await.unwrap();
    assert_eq!(server.seen()[2].target, "/notes/more/2");
}
