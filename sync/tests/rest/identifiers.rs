//! Ids, cursors and endpoints cannot lead a request elsewhere.

use sync::entity::EntityInfo;
use sync::record::Write;
use sync::remote::WriteRequest;
use sync::{Remote, RemoteError, RestRemote};

use super::given::{NOTES, key, operation, page_after, remote, update};
use super::server::{Answer, Server};

async fn target_of(id: &str) -> String {
    let server = Server::saying(Answer::status(204)).await;
    let request = WriteRequest { key: key(id), ..operation(update()) };
    remote(&server).send(request).await.unwrap();
    server.only().target
}

#[tokio::test]
async fn an_id_is_exactly_one_segment_below_the_endpoint() {
    let ids = [
        "a/b",
        "../admin",
        "..%2fadmin",
        "%2e%2e",
        "%2E",
        "...",
        ".%2e",
        "a\\b",
        "/",
        "//evil.example/x",
        "http://evil.example/",
        "?q=1",
        "#top",
        "a?b#c",
        "a b",
        " ",
        "+",
        "%",
        "%zz",
        ";v=1",
        "a:b@c",
        "é",
        "日本語",
        "👩‍👩‍👧",
        "\u{202e}abc",
        "tab\tnew\r\nline: x",
        "\0",
        "'\"<>`{}|^",
        "~a-b_c.d",
        "018f3b6e-7d0c-7c3a-9a51-0123456789ab",
    ];
    for id in ids {
        let target = target_of(id).await;
        let segment = target.strip_prefix("/notes/").unwrap_or_else(|| panic!("{id:?} went to {target}"));
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        assert!(segment.bytes().all(unreserved), "{id:?} went to {target}");
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
        assert_eq!(decoded, id);
    }
}

#[tokio::test]
async fn the_encoding_is_that_of_unreserved_characters() {
    assert_eq!(target_of("a/b").await, "/notes/a%2Fb");
    assert_eq!(target_of("%2e%2e").await, "/notes/%252e%252e");
    assert_eq!(target_of("~a-b_c.d").await, "/notes/~a-b_c.d");
    assert_eq!(target_of("é?#").await, "/notes/%C3%A9%3F%23");
}

#[tokio::test]
async fn reading_one_record_encodes_its_id_the_same_way() {
    let server = Server::saying(Answer::status(500)).await;
    remote(&server).fetch(&NOTES, &key("../%2e/x")).await.unwrap_err();
    assert_eq!(server.only().target, "/notes/..%2F%252e%2Fx");
}

#[tokio::test]
async fn an_id_longer_than_a_url_is_refused_without_a_request() {
    let server = Server::saying(Answer::status(204)).await;
    let request = WriteRequest { key: key(&"x".repeat(70_000)), ..operation(Write::Delete) };
    let error = remote(&server).send(request).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused { refusal, .. } if refusal.status == 414), "{error:?}");
    assert!(error.to_string().len() < 500, "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_cursor_is_a_value_in_the_query_and_nothing_else() {
    for cursor in
        ["a&limit=9", "a b+c", "x#y", "a\r\nX-Admin: yes", "é", "%26", "a=b", "2026-01-01T00:00:00+02:00"]
    {
        let server = Server::saying(Answer::json(200, r#"{"items":[]}"#)).await;
        remote(&server).pull(page_after(cursor)).await.unwrap();
        let seen = server.only();
        let url = url::Url::parse("http://x").unwrap().join(&seen.target).unwrap();
        let pairs: Vec<_> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let expected = [("since".to_owned(), cursor.to_owned()), ("limit".to_owned(), "100".to_owned())];
        assert_eq!((url.path(), &*pairs), ("/notes", &expected[..]));
        assert_eq!(seen.header("x-admin"), None);
    }
}

#[tokio::test]
async fn endpoints_stand_below_the_path_of_the_base_url() {
    let endpoint = |endpoint: &'static str| -> &'static EntityInfo {
        Box::leak(Box::new(EntityInfo { endpoint, ..NOTES }))
    };
    for (base, path, collection, record) in [
        ("", "/notes", "/notes", "/notes/n1"),
        ("/", "/notes", "/notes", "/notes/n1"),
        ("/v1", "/notes", "/v1/notes", "/v1/notes/n1"),
        ("/v1/", "/notes", "/v1/notes", "/v1/notes/n1"),
        ("/a%20b", "/my%20notes", "/a%20b/my%20notes", "/a%20b/my%20notes/n1"),
        ("/v1", "/a/b", "/v1/a/b", "/v1/a/b/n1"),
        ("/v1", "/notes/", "/v1/notes/", "/v1/notes/n1"),
        ("/v1", "/né", "/v1/n%C3%A9", "/v1/n%C3%A9/n1"),
    ] {
        let server = Server::saying(Answer::status(204)).await;
        let remote = RestRemote::new(format!("{}{base}", server.url())).unwrap();
        let entity = endpoint(path);
        remote.send(WriteRequest { entity, ..operation(super::given::create()) }).await.unwrap();
        remote.send(WriteRequest { entity, ..operation(Write::Delete) }).await.unwrap();
        let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
        assert_eq!(targets, [collection, record], "{base} and {path}");
    }
}

#[tokio::test]
async fn an_endpoint_made_by_hand_cannot_leave_the_base_url() {
    for path in
        ["", "notes", "@evil.example/", "/../admin", "/a/%2e%2e/b", "/a?x=1", "/a#b", "\\evil", "/a\\..\\b"]
    {
        let server = Server::saying(Answer::status(204)).await;
        let remote = RestRemote::new(format!("{}/v1", server.url())).unwrap();
        let entity: &'static EntityInfo = Box::leak(Box::new(EntityInfo { endpoint: path, ..NOTES }));
        for write in [super::given::create(), Write::Delete] {
            let error = remote.send(WriteRequest { entity, ..operation(write) }).await.unwrap_err();
            assert!(matches!(error, RemoteError::Protocol { .. }), "{path}: {error:?}");
            assert!(error.to_string().contains("/notes"), "{error}");
            assert!(server.seen().is_empty());
        }
    }
}
