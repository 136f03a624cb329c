//! Settings, and what is wrong with them.

use std::error::Error;
use std::time::Duration;

use sync::remote::rest::BaseUrlProblem;
use sync::remote::rest::{
    BatchDialect, BatchOutcomes, CursorSource, DeletionDialect, LiveDialect, LongPollDialect, MemberPath,
    Method, Paging, PullDialect, RecordBatch, SentBody, Tombstone, VersionCheck, VersionSource,
};
use sync::{Dialect, Remote, RestError, RestRemote};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::given::{create, operation};
use super::server::{Answer, Server};

#[tokio::test]
async fn base_urls_that_work() {
    for url in [
        "http://localhost:3000",
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/v1/",
        "HTTPS://API.example.com/v1",
        "http://[::1]:8080/x",
        "https://bücher.example/läden",
    ] {
        RestRemote::new(url).unwrap();
    }
}

#[tokio::test]
async fn base_urls_that_do_not_work_say_what_to_write() {
    use BaseUrlProblem::{Credentials, Empty, Fragment, NotAbsolute, Query, Scheme, Whitespace};
    for (url, expected) in [
        ("", Some(Empty)),
        ("api.example.com/v1", Some(NotAbsolute)),
        ("localhost:3000", Some(NotAbsolute)),
        ("/v1", Some(NotAbsolute)),
        ("//api.example.com", Some(NotAbsolute)),
        ("https:/api.example.com", Some(NotAbsolute)),
        ("https:api.example.com", Some(NotAbsolute)),
        ("ftp://api.example.com", Some(Scheme("ftp".into()))),
        ("ws://api.example.com", Some(Scheme("ws".into()))),
        ("file:///etc/passwd", Some(Scheme("file".into()))),
        (" https://api.example.com", Some(Whitespace)),
        ("https://api.exa\nmple.com", Some(Whitespace)),
        ("https://api.example.com/a b", Some(Whitespace)),
        ("https://api.example.com/\0", Some(Whitespace)),
        ("https://user@api.example.com", Some(Credentials)),
        ("https://user:hunter2@api.example.com/v1", Some(Credentials)),
        ("https://:hunter2@api.example.com", Some(Credentials)),
        ("https://api.example.com/?key=hunter2", Some(Query)),
        ("https://api.example.com/?user=me@x.example&key=hunter2", Some(Query)),
        ("https://api.example.com?", Some(Query)),
        ("https://api.example.com/#top", Some(Fragment)),
        ("https://", None),
        ("https:///", None),
        ("https:///v1", None),
        (r"http://\\v1", None),
        ("https://user:hunter2@", None),
        ("https://user:hunter2#x@api.example.com", None),
        ("https://user:hunter2?x@api.example.com/?key=hunter2", None),
        ("https://[::1", None),
        ("https://api.example.com:99999", None),
        ("https://exa%mple.com", None),
    ] {
        let error = RestRemote::new(url).unwrap_err();
        let RestError::BaseUrl { problem, .. } = &error else { panic!("{url}: {error:?}") };
        match expected {
            Some(expected) => assert_eq!(*problem, expected, "{url}"),
            None => assert!(matches!(problem, BaseUrlProblem::Malformed(_)), "{url}: {problem:?}"),
        }
        let text = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!text.contains("hunter2"), "{text}");
    }
    let error = RestRemote::new("localhost:3000").unwrap_err().to_string();
    assert!(error.contains("localhost:3000") && error.contains("https://api.example.com/v1"), "{error}");
    let error = RestRemote::new("https://user:pw@x.example").unwrap_err().to_string();
    assert!(error.contains(".bearer("), "{error}");
}

#[tokio::test]
async fn headers_and_user_agent_are_sent_with_every_request() {
    let server = Server::saying(Answer::status(201)).await;
    let remote = RestRemote::builder(server.url())
        .header("X-Tenant", "acme")
        .header("Authorization", "Basic dTpw")
        .user_agent("notes/2.1")
        .build()
        .unwrap();
    remote.send(operation(create())).await.unwrap();
    remote.probe().await.unwrap();
    for seen in server.seen() {
        assert_eq!(seen.header("x-tenant"), Some("acme"));
        assert_eq!(seen.header("user-agent"), Some("notes/2.1"));
    }
    assert_eq!(server.seen()[0].header("authorization"), Some("Basic dTpw"));
}

#[test]
fn bad_headers_are_named_when_the_remote_is_built() {
    let built = |name: &str, value: &str| RestRemote::builder("http://x.example").header(name, value).build();
    for name in ["", "X Key", "X-Key:", "X\r\nY", "naïve"] {
        let error = built(name, "v").unwrap_err();
        assert!(matches!(&error, RestError::HeaderName { name: n } if n == name), "{error:?}");
    }
    for value in ["hunter2\r\nX-Admin: yes", "hunter2\n", "\0", "\u{7f}"] {
        let error = built("X-Key", value).unwrap_err();
        assert!(matches!(&error, RestError::HeaderValue { name } if name == "X-Key"), "{error:?}");
        assert!(error.to_string().contains("X-Key"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    for name in ["If-Match", "idempotency-key", "Content-Type", "content-length", "HOST", "Transfer-Encoding"]
    {
        let error = built(name, "v").unwrap_err();
        assert!(matches!(&error, RestError::HeaderReserved { name: n } if n == name), "{error:?}");
    }
    let builder = || RestRemote::builder("http://x.example");
    let error = builder().user_agent("a\nb").build().unwrap_err();
    assert!(matches!(&error, RestError::HeaderValue { name } if name == "User-Agent"), "{error:?}");
    let error = builder().bearer("hunter2\n").build().unwrap_err();
    assert!(matches!(&error, RestError::HeaderValue { name } if name == "authorization"), "{error:?}");
    let error = builder().bearer("t").header("authorization", "Basic x").build().unwrap_err();
    assert!(matches!(error, RestError::TwoCredentials), "{error:?}");
}

#[test]
fn limits_of_zero_are_refused() {
    let builder = || RestRemote::builder("http://x.example");
    for (built, name) in [
        (builder().timeout(Duration::ZERO).build(), "timeout"),
        (builder().connect_timeout(Duration::ZERO).build(), "connect_timeout"),
        (builder().max_response_bytes(0).build(), "max_response_bytes"),
    ] {
        let error = built.unwrap_err();
        assert!(matches!(error, RestError::Zero { setting } if setting == name), "{error:?}");
        assert!(error.to_string().ends_with("leave it out for the default"), "{error}");
    }
}

#[test]
fn a_root_certificate_has_to_be_one() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "hello", broken] {
        let builder = || RestRemote::builder("https://x.example");
        for built in [builder().root_certificate_pem(pem), builder().only_root_certificates_pem(pem)] {
            let error = built.build().unwrap_err();
            assert!(matches!(error, RestError::Certificate { .. } | RestError::Client { .. }), "{error:?}");
        }
    }
}

/// Records in a list, which is answered with a receipt for each.
fn records() -> RecordBatch {
    RecordBatch {
        path: "{endpoint}".into(),
        headers: Vec::new(),
        sent_in: MemberPath::whole(),
        id_member: None,
        limit: 10,
        outcomes: BatchOutcomes::Receipts {
            version_member: "rev".to_owned(),
            error_member: "error".to_owned(),
        },
    }
}

type Mistake = fn(&mut Dialect);

/// Such mistakes are told of, each by what is to be seen in its message, before anything is sent.
fn are_refused(broken: &[(Mistake, &str)]) {
    for (break_it, setting) in broken {
        let mut dialect = Dialect::default();
        break_it(&mut dialect);
        let error = RestRemote::builder("http://x.example").dialect(dialect).build().unwrap_err();
        assert!(matches!(error, RestError::Dialect { .. }), "{error:?}");
        assert!(error.to_string().contains(setting), "{error}");
        assert!(!error.to_string().contains(" place `"), "it is called a placeholder: {error}");
    }
}

#[test]
fn a_dialect_that_contradicts_itself_is_refused() {
    are_refused(&[
        (
            |d| {
                d.pull.items = "data.rows".into();
                d.pull.cursor = CursorSource::Member("data".into());
            },
            "is inside of it",
        ),
        (
            |d| {
                d.pull.paging = Paging::Token { member: "cursor".into(), parameter: "page".into() };
            },
            "has two meanings",
        ),
        (|d| d.pull.paging = Paging::Member("cursor.next".into()), "has two meanings"),
        (|d| d.pull.paging = Paging::Cursor { more: "cursor".into() }, "has two meanings"),
        (|d| d.pull.items = MemberPath::whole(), "bare list"),
        (|d| d.pull.cursor = CursorSource::Member("items.0".into()), "inside the list"),
        (|d| d.pull.cursor = CursorSource::Member("".into()), "`pull.cursor` names no member"),
        (|d| d.pull.cursor = CursorSource::Nothing, "`pull.since` is never sent"),
        (|d| d.pull.since.clear(), "no placeholder `{cursor}`"),
        (|d| d.pull.since[0].1 = "{cursr}".into(), "there is no placeholder `{cursr}`"),
        (|d| d.pull.since[0].1 = "{cursor".into(), "no other half"),
        (|d| d.pull.since[0].1 = "{cursor}{last_id}".into(), "CursorSource::LastItem"),
        (|d| d.pull.cursor = CursorSource::Header("ETag".into()), "name another way"),
        (|d| d.pull.cursor = CursorSource::Header("E Tag".into()), "not the name of a header"),
        (|d| d.pull.paging = Paging::Header(String::new()), "not the name of a header"),
        (
            |d| d.pull.paging = Paging::Offset { parameter: "limit".into() },
            "`limit` of `pull.paging` is sent already",
        ),
        (
            |d| {
                d.pull.parameters.clear();
                d.pull.cursor = CursorSource::LastItem("n".into());
                d.pull.paging = Paging::Number { parameter: "page".into(), first: 1 };
            },
            "no placeholder `{limit}`",
        ),
        (|d| d.pull.parameters.push(("limit".into(), "5".into())), "`limit` twice"),
        (|d| d.pull.path = "notes".into(), "`pull.path` is `notes`"),
        (|d| d.pull.path = "{endpoint}?x=1".into(), "written as parameters"),
        (|d| d.pull.path = "{endpoint}/../x".into(), "somewhere else"),
        (|d| d.pull.gone = vec![41], "`pull.gone`: 41"),
        (|d| d.unauthorized.push(200), "`unauthorized`: 200"),
        (|d| d.unauthorized = vec![403], "`unauthorized` lacks 401"),
        (|d| d.record.version = VersionSource::Member("deleted".into()), "record.version"),
        (|d| d.record.version = VersionSource::Member(String::new()), "record.version"),
        (|d| d.record.version = VersionSource::Nothing, "write `VersionCheck::ReadFirst`"),
        (|d| d.record.tombstone = Tombstone::Nothing, "DeletionDialect::Listed"),
        (|d| d.deletions = DeletionDialect::Listed { every: Duration::ZERO }, "deletions.every"),
        (|d| d.fetch.path = "{endpoint}".into(), "fetch: neither"),
        (|d| d.update.path = "{endpoint}".into(), "update: neither"),
        (|d| d.update.done.clear(), "would be sent for ever"),
        (|d| d.update.done.push(409), "the status 409 is in `update.done` and in `update.conflict`"),
        (|d| d.update.unproven.push(302), "302 is no success"),
        (|d| d.update.headers.push(("If-Match".into(), "1".into())), "`If-Match` is set for each request"),
        (|d| d.update.body = SentBody::Nothing, "the record would not be sent"),
        (|d| d.create.body = SentBody::MergePatch, "nothing to be patched"),
        (|d| d.delete.body = SentBody::Json("{deleted}".into()), "delete.body is no JSON"),
        (|d| d.delete.check = VersionCheck::Member("rev".into()), "VersionCheck::Parameter"),
        (|d| d.update.check = VersionCheck::NumberMember(String::new()), "`update.check` is empty"),
        (
            |d| d.update.check = VersionCheck::Parameter { name: "rev".into(), value: "rev".into() },
            "no placeholder `{version}`",
        ),
        (
            |d| d.update.check = VersionCheck::Header { name: "If Match".into(), value: "{version}".into() },
            "not the name of a header",
        ),
        (|d| d.record.version = VersionSource::Header(String::new()), "`record.version`"),
        (
            |d| {
                d.update.check = VersionCheck::Header { name: "X-V".into(), value: "{version}".into() };
                d.update.headers.push(("x-v".into(), "1".into()));
            },
            "`x-v` is set for each request",
        ),
    ]);
}

/// A record in a list has no header and no parameter of its own, and takes the place of what is there.
#[test]
fn a_batch_of_records_that_would_lose_what_an_edit_says_by_itself_is_refused() {
    are_refused(&[
        (|d| d.batch = BatchDialect::Records(records()), "`update` has its version outside"),
        (
            |d| {
                (d.update.check, d.overwrite.check) = (VersionCheck::ReadFirst, VersionCheck::ReadFirst);
                d.batch = BatchDialect::Records(records());
            },
            "`update.method`",
        ),
        (
            |d| {
                d.batch = BatchDialect::Records(records());
                (d.update.method, d.update.check) = (Method::Put, VersionCheck::Member("v".to_owned()));
                (d.overwrite.body, d.overwrite.check) = (SentBody::MergePatch, VersionCheck::Nothing);
            },
            "`overwrite.body`",
        ),
        (
            |d| {
                d.batch = BatchDialect::Records(RecordBatch {
                    headers: vec![("Prefer".to_owned(), "a\nb".to_owned())],
                    outcomes: BatchOutcomes::AllOrNothing,
                    ..records()
                });
            },
            "batch.headers: the value of `Prefer` cannot be sent",
        ),
    ]);
}

#[test]
fn live_changes_are_asked_for_below_the_endpoint() {
    are_refused(&[
        (
            |d| d.live = LiveDialect::ServerSentEvents { path: "changes?stream=notes".to_owned() },
            "`live.path`",
        ),
        (
            |d| {
                let path = "../_changes".to_owned();
                d.live =
                    LiveDialect::LongPoll(Box::new(LongPollDialect { path, ..LongPollDialect::default() }));
            },
            "`live.path`",
        ),
    ]);
}

/// It is read until a page has nothing new.
#[test]
fn a_counted_list_need_not_be_asked_for_pages_of_a_size() {
    for paging in
        [Paging::Number { parameter: "page".into(), first: 1 }, Paging::Offset { parameter: "skip".into() }]
    {
        let pull = PullDialect { parameters: Vec::new(), paging, ..PullDialect::default() };
        let dialect = Dialect { pull, ..Dialect::default() };
        RestRemote::builder("http://x.example").dialect(dialect).build().unwrap();
    }
}

#[test]
fn a_dialect_is_data_that_can_be_read_from_a_file() {
    let dialect: Dialect = serde_json::from_str(r#"{"pull":{"items":["data"]}}"#).unwrap();
    let mut expected = Dialect::default();
    expected.pull.items = "data".into();
    assert_eq!(dialect, expected);
    serde_json::from_str::<Dialect>(r#"{"pull":{"itmes":["data"]}}"#).unwrap_err();
    for preset in [Dialect::kinto(), Dialect::couchdb(), Dialect::json_server(), Dialect::postgrest()] {
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<Dialect>(&text).unwrap(), preset);
        RestRemote::builder("http://x.example").dialect(preset).build().unwrap();
    }
}

#[tokio::test]
async fn http2_starts_at_once_where_it_is_known_to_be_spoken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let preface = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        preface
    });
    let remote = RestRemote::builder(url).http2_prior_knowledge().build().unwrap();
    let _ = remote.send(operation(create())).await.unwrap_err();
    assert_eq!(&preface.await.unwrap(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up_after_a_time_of_its_own() {
    // It takes the call, and does not say a word about TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let remote = RestRemote::builder(&url)
        .connect_timeout(Duration::from_millis(50))
        .timeout(Duration::from_secs(24 * 60 * 60))
        .build()
        .unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(60), remote.send(operation(create()))).await;
    let error = sent.expect("it is given up").unwrap_err();
    assert_eq!(error.to_string(), format!("{url}/notes cannot be reached: no connection within 50ms"));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::saying(Answer::status(201)).await;
    let remote = super::given::remote(&server);
    for _ in 0..5 {
        remote.send(operation(create())).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}
