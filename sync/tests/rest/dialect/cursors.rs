//! Lists that do not tell where the next pull begins.

use sync::remote::rest::{CursorSource, Dialect, MemberPath, Paging, PullDialect};
use sync::remote::{Page, Position, PullRequest};
use sync::{Remote, RemoteError, RestRemote};

use super::lists::{by_number, dialect, ids, items, parameters, query, walk};
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

/// Goes on by `n`: with the items that have at least it, or more.
async fn keyed(pages_of: usize, rows: Vec<String>, inclusive: bool) -> Server {
    let n = |row: &str| serde_json::from_str::<serde_json::Value>(row).unwrap()["n"].as_u64();
    Server::scripted(move |seen, _| {
        let asked = query(seen);
        let since = |name| asked.get(name).map(|n| n.parse::<u64>().unwrap());
        let from = if inclusive { since("n_gte") } else { since("n_gt").map(|n| n + 1) };
        // What has no key comes right after what it was written with.
        let start = rows.iter().position(|row| from.is_none_or(|from| n(row).is_some_and(|n| n >= from)));
        let skip = asked.get("at").map_or(0, |at| at.parse().unwrap());
        let found: Vec<_> =
            rows.iter().skip(start.unwrap_or(rows.len())).skip(skip).take(pages_of).cloned().collect();
        Answer::json(200, format!("[{}]", found.join(",")))
    })
    .await
}

fn by_key(inclusive: bool) -> PullDialect {
    let gt = PullDialect {
        since: parameters(&[("n_gt", "{cursor}")]),
        ..by_number(Paging::Cursor { more: MemberPath::whole() })
    };
    if inclusive { by_number(Paging::Offset { parameter: "at".into() }) } else { gt }
}

/// A server may have a limit of its own, as `PostgREST` with `db-max-rows` has.
#[tokio::test]
async fn a_key_leads_to_the_end_of_a_list_whose_pages_the_server_makes_smaller() {
    for inclusive in [false, true] {
        let rows = (0..7).map(|n| format!(r#"{{"id":"r{n}","n":{n}}}"#)).collect();
        let server = keyed(2, rows, inclusive).await;
        let mut walked = walk(&server, &dialect(by_key(inclusive)), None).await;
        walked.ids.dedup();
        assert_eq!(walked.ids, ids(0..7), "inclusive: {inclusive}");
        let asked = server.seen().len();
        walk(&server, &dialect(by_key(inclusive)), walked.cursor).await;
        assert_eq!(server.seen().len(), asked + 1, "where there is nothing new, that is seen at once");
    }
}

#[tokio::test]
async fn an_item_without_the_key_at_the_end_of_a_page_spoils_nothing() {
    for inclusive in [false, true] {
        for bad in ["null", r#"{"title":"no id"}"#, r#"{"id":"x","deleted":1}"#] {
            let row = |n: u8| format!(r#"{{"id":"r{n}","n":{n}}}"#);
            let rows = vec![row(0), row(1), bad.to_owned(), row(3), row(4), row(5), bad.to_owned()];
            let server = keyed(3, rows, inclusive).await;
            let mut walked = walk(&server, &dialect(by_key(inclusive)), None).await;
            walked.ids.dedup();
            assert_eq!(walked.ids, ids([0, 1, 3, 4, 5]), "inclusive: {inclusive}, {bad}");
        }
    }
    // Where none has one, nobody would know why it does not go on.
    let error = pulled(r#"[{"title":"no id"},null]"#.to_owned(), by_key(false)).await.unwrap_err();
    assert!(error.to_string().contains("has no `n`"), "{error}");
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
