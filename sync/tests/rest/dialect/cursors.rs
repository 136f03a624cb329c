//! Lists that do not tell where the next pull begins.

use sync::remote::rest::{CursorSource, Dialect, MemberPath, Paging, PullDialect};
use sync::remote::{Page, Position, PullRequest};
use sync::{Remote, RemoteError, RestRemote};

use super::lists::{by_number, dialect, items, walk};
use crate::given::NOTES;
use crate::server::{Answer, Server};

#[tokio::test]
async fn a_page_without_the_cursor_that_was_promised_is_refused() {
    let server = Server::saying(Answer::json(200, r#"{"data":[]}"#)).await;
    let remote = RestRemote::builder(server.url()).dialect(Dialect::kinto()).build().unwrap();
    let error =
        remote.pull(PullRequest { entity: &NOTES, since: None, limit: 5, scope: None }).await.unwrap_err();
    assert!(error.to_string().contains("pull.cursor"), "{error}");
}

/// The last page of a server that says the same to whatever it is asked.
async fn pulled(body: String, pull: PullDialect) -> Result<Page, RemoteError> {
    let server = Server::saying(Answer::json(200, body)).await;
    let remote = RestRemote::builder(server.url()).dialect(dialect(pull)).build().unwrap();
    let mut since = None;
    loop {
        let request = PullRequest { entity: &NOTES, since, limit: 3, scope: None };
        let page = remote.pull(request).await?.answer;
        let Position::Cursor { cursor, has_more: true } = page.position else { return Ok(page) };
        since = Some(cursor);
    }
}

/// Apache's `mod_deflate` gives what it compresses a tag of its own, which the server then does not know; nginx makes it a weak one.
#[tokio::test]
async fn a_list_whose_etag_is_the_cursor_comes_as_it_is() {
    for source in ["ETag", "etag", "X-Last"] {
        let server = Server::scripted(move |seen, _| {
            let compressed = seen.header("accept-encoding") != Some("identity");
            let tag = if compressed && source != "X-Last" { "\"17-gzip\"" } else { "\"17\"" };
            let page = if seen.target.contains("page=2") { 1..2 } else { 0..1 };
            let answer = Answer::json(200, format!("[{}]", items(page.clone()))).header(source, tag);
            if page.start == 0 { answer.header("Link", "<?page=2>; rel=next") } else { answer }
        })
        .await;
        let pull = PullDialect { cursor: CursorSource::Header(source.into()), ..by_number(Paging::Link) };
        let walked = walk(&server, &dialect(pull), None).await;
        assert!(walked.cursor.is_some_and(|cursor| cursor.as_str() == r#"{"since":"17"}"#), "{source}");
        let encodings: Vec<_> =
            server.seen().iter().map(|seen| seen.header("accept-encoding").map(ToOwned::to_owned)).collect();
        // Only the first page's tag is one.
        let first = if source == "X-Last" { "gzip" } else { "identity" };
        assert_eq!(encodings[0].as_deref(), Some(first), "{source}");
        assert_eq!(encodings[1].as_deref(), Some("gzip"), "{source}");
    }
}

/// Taken for the end of the list, it would end each pull at the same item, and nobody would know why.
#[tokio::test]
async fn a_last_item_without_the_key_by_which_the_list_goes_on_is_refused() {
    let parameter = "at".to_owned();
    for paging in [
        Paging::Cursor { more: MemberPath::whole() },
        Paging::Offset { parameter: parameter.clone() },
        Paging::Number { parameter, first: 1 },
        Paging::Link,
        Paging::Whole,
    ] {
        for last in [
            r#"{"id":"b"}"#,
            r#"{"id":"b","n":null}"#,
            r#"{"id":"b","n":{}}"#,
            r#"{"id":"b","deleted":true}"#,
        ] {
            let body = format!(r#"[{{"id":"a","n":1}},{last}]"#);
            let error = pulled(body, by_number(paging.clone())).await.unwrap_err();
            assert!(matches!(error, RemoteError::Protocol { .. }), "{paging:?} {last}: {error:?}");
            assert!(error.to_string().contains("has no `n`"), "{error}");
        }
        let empty = pulled("[]".to_owned(), by_number(paging.clone())).await.unwrap();
        assert_eq!(empty.position, Position::Beginning, "{paging:?}: there is nothing yet");
    }
}

/// Each pull would list everything, and nobody would know why.
#[tokio::test]
async fn a_round_that_comes_to_its_end_without_any_cursor_says_what_to_choose() {
    let list = |range| format!(r#"{{"items":[{}]}}"#, items(range));
    for paging in [
        Paging::Link,
        Paging::Token { member: "next".into(), parameter: "t".into() },
        Paging::Offset { parameter: "skip".into() },
    ] {
        let pull = PullDialect { paging, ..PullDialect::default() };
        let error = pulled(list(0..2), pull.clone()).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
        let text = error.to_string();
        for part in ["`cursor`", "CursorSource::LastItem", "CursorSource::Nothing"] {
            assert!(text.contains(part), "{text}");
        }
        // Where there is nothing yet, there may be no cursor yet either.
        assert_eq!(pulled(list(0..0), pull.clone()).await.unwrap().position, Position::Beginning);
        let page =
            pulled(list(0..2), PullDialect { cursor: CursorSource::Nothing, since: Vec::new(), ..pull })
                .await
                .unwrap();
        assert_eq!((page.items.len(), page.position), (2, Position::Beginning));
    }
}
