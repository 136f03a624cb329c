//! Versions: from `ETag` or a member, to `If-Match`.

use sync::remote::WriteAnswer;
use sync::remote::rest::VersionSource;
use sync::{Dialect, Remote, RemoteError, RestRemote};

use super::given::{answered, create, on_version, operation, remote, update, version};
use super::server::{Answer, Server};

async fn version_told(answer: Answer) -> Option<sync::record::Version> {
    let server = Server::saying(answer).await;
    match answered(&server, update()).await {
        WriteAnswer::Accepted { version, .. } => version,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_strong_etag_is_the_version_without_its_quotes() {
    for (tag, expected) in [
        ("\"5\"", version("5")),
        ("\"a b/é=\"", version("a b/é=")),
        ("\"\"", version("")),
        ("W/\"5\"", None),
        ("w/\"5\"", None),
        ("5", None),
        ("\"", None),
        ("\"5", None),
        ("\"5\", \"6\"", None),
    ] {
        assert_eq!(version_told(Answer::status(204).header("ETag", tag)).await, expected, "{tag}");
    }
}

#[tokio::test]
async fn the_version_member_stands_in_for_a_missing_etag() {
    for (member, expected) in [
        ("7", version("7")),
        ("-7", version("-7")),
        ("18446744073709551616", version("18446744073709551616")),
        (r#""a\"b""#, version("a\"b")),
        ("7.5", None),
        ("1e3", None),
        ("null", None),
        ("true", None),
        ("{}", None),
    ] {
        let body = format!(r#"{{"id":"n1","version":{member}}}"#);
        assert_eq!(version_told(Answer::json(200, body)).await, expected, "{member}");
    }
    let both = Answer::json(200, r#"{"id":"n1","version":7}"#).header("ETag", "\"8\"");
    assert_eq!(version_told(both).await, version("8"));
}

#[tokio::test]
async fn the_dialect_names_the_version_member_or_has_none() {
    let server = Server::saying(Answer::json(201, r#"{"id":"n1","version":7,"rev":"9"}"#)).await;
    let member = |name: &str| VersionSource::Member(name.into());
    for (source, expected) in
        [(member("rev"), version("9")), (VersionSource::ETag, None), (member("version"), version("7"))]
    {
        let mut dialect = Dialect::default();
        dialect.record.version = source;
        let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
        let answer = remote.send(operation(create())).await.unwrap().answer;
        assert!(
            matches!(&answer, WriteAnswer::Accepted { version, .. } if *version == expected),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn what_came_as_a_version_goes_back_as_it_was() {
    for text in ["5", "", "a b", "é/=+", "W/5"] {
        let server = Server::saying(Answer::status(204)).await;
        remote(&server).send(on_version(update(), text)).await.unwrap();
        assert_eq!(server.only().header("if-match"), Some(&*format!("\"{text}\"")));
    }
}

#[tokio::test]
async fn a_version_that_cannot_be_a_header_is_an_error_and_injects_nothing() {
    for text in ["1\"\r\nX-Admin: yes", "1\n2", "1\r2", "\0", "a\"b", "\u{7f}", "\t"] {
        let server = Server::saying(Answer::status(204)).await;
        let error = remote(&server).send(on_version(update(), text)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        assert!(error.to_string().contains("If-Match"), "{error}");
        assert!(server.seen().is_empty());
    }
}
