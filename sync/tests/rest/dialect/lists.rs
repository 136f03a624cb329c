//! How lists are asked for, and how they go on.

use std::collections::HashMap;

use sync::remote::rest::{CursorSource, Dialect, MemberPath, NewestCursor, Paging, Parameters, PullDialect};
use sync::remote::{PageItem, Position, PullRequest};
use sync::storage::Cursor;
use sync::{Remote, RemoteError, RestRemote};

use crate::given::{NOTES, TASKS};
use crate::server::{Answer, Seen, Server};

/// The parameters of a request.
pub fn query(seen: &Seen) -> HashMap<String, String> {
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A number among the parameters.
pub fn number(seen: &Seen, name: &str) -> usize {
    query(seen)[name].parse().unwrap()
}

pub fn parameters(all: &[(&str, &str)]) -> Parameters {
    all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

pub fn dialect(pull: PullDialect) -> Dialect {
    Dialect { pull, ..Dialect::default() }
}

/// A bare list whose items are in the order of a number `n`, which grows with each change.
pub fn by_number(paging: Paging) -> PullDialect {
    PullDialect {
        since: parameters(&[("n_gte", "{cursor}")]),
        items: MemberPath::whole(),
        cursor: CursorSource::LastItem("n".into()),
        paging,
        ..PullDialect::default()
    }
}

/// What a pull until there is no more came to.
#[derive(Debug)]
pub struct Walk {
    pub ids: Vec<String>,
    pub cursor: Option<Cursor>,
    /// How many pages had something new.
    pub pages: usize,
}

/// Pulls as the engine does, page by page.
pub async fn walk(server: &Server, dialect: &Dialect, since: Option<Cursor>) -> Walk {
    try_walk(server, dialect, since).await.unwrap()
}

/// The same where it may end with an error.
pub async fn try_walk(
    server: &Server,
    dialect: &Dialect,
    since: Option<Cursor>,
) -> Result<Walk, RemoteError> {
    let remote = RestRemote::builder(server.url()).dialect(dialect.clone()).build().unwrap();
    let mut walk = Walk { ids: Vec::new(), cursor: since, pages: 0 };
    loop {
        let request = PullRequest { entity: &NOTES, since: walk.cursor.clone(), limit: 3, scope: None };
        let page = remote.pull(request).await?.answer;
        walk.pages += usize::from(!page.items.is_empty());
        assert!(server.seen().len() < 100, "it goes on for ever: {walk:?}");
        for item in page.items {
            let body = match item {
                PageItem::Record { body, .. } => body,
                PageItem::Unreadable { .. } => continue,
                PageItem::Tombstone { .. } => panic!("nothing is deleted here: {item:?}"),
            };
            let item: serde_json::Value = serde_json::from_slice(&body).unwrap();
            walk.ids.push(item["id"].as_str().unwrap().to_owned());
        }
        match page.position {
            Position::Cursor { cursor, has_more } => {
                walk.cursor = Some(cursor);
                if !has_more {
                    return Ok(walk);
                }
            }
            Position::Beginning => {
                walk.cursor = None;
                return Ok(walk);
            }
            Position::NewestItem { .. } => panic!("the dialect names a cursor"),
        }
    }
}

pub fn items(range: impl IntoIterator<Item = usize>) -> String {
    let items: Vec<_> = range.into_iter().map(|n| format!(r#"{{"id":"r{n}","n":{n}}}"#)).collect();
    items.join(",")
}

pub fn ids(range: impl IntoIterator<Item = usize>) -> Vec<String> {
    range.into_iter().map(|n| format!("r{n}")).collect()
}

#[tokio::test]
async fn pages_go_on_by_a_link_and_the_first_pages_etag_is_the_cursor() {
    let server = Server::scripted(|seen, nth| {
        let page = if seen.target.contains("page=b") { "3..5" } else { "0..3" };
        let body = format!("[{}]", items(if page == "3..5" { 3..5 } else { 0..3 }));
        let answer = Answer::json(200, body).header("ETag", format!("\"{}\"", 10 + nth));
        // Relative, and with links to elsewhere beside it.
        let link = r#"</x?page=z>; rel="last", </notes?page=b&limit=3>; rel="next""#;
        if page == "0..3" { answer.header("Link", link) } else { answer }
    })
    .await;
    let dialect = dialect(PullDialect {
        first: parameters(&[("_since", "0")]),
        since: parameters(&[("_since", "\"{cursor}\"")]),
        items: MemberPath::whole(),
        cursor: CursorSource::Header("ETag".into()),
        paging: Paging::Link,
        ..PullDialect::default()
    });
    let first = walk(&server, &dialect, None).await;
    assert_eq!((first.ids, first.pages), (ids(0..5), 2));
    let seen = server.seen();
    assert_eq!(seen[0].target, "/notes?_since=0&limit=3");
    assert_eq!(seen[1].target, "/notes?page=b&limit=3");
    walk(&server, &dialect, first.cursor).await;
    let last = server.seen().pop().unwrap();
    assert_eq!(last.target, "/notes?_since=%2210%22&limit=3", "what changed meanwhile is newer");
}

#[tokio::test]
async fn the_next_page_of_another_host_is_not_asked_for() {
    let server =
        Server::saying(Answer::json(200, "[]").header("Next-Page", "http://elsewhere.example/x")).await;
    let dialect =
        dialect(PullDialect { paging: Paging::Header("Next-Page".into()), ..by_number(Paging::Link) });
    let remote = RestRemote::builder(server.url()).bearer("secret").dialect(dialect).build().unwrap();
    let request = |since| PullRequest { entity: &NOTES, since, limit: 3, scope: None };
    let error = remote.pull(request(None)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("leads to `elsewhere.example`") && text.contains("none of this server's"),
        "{text}"
    );
    assert!(text.contains("set the base URL"), "{text}");
    // Nor is one that was kept with a cursor.
    let kept = |address| Some(Cursor::new(format!(r#"{{"next":{{"address":"{address}"}}}}"#)));
    let error = remote.pull(request(kept("https://elsewhere.example/x"))).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 1);
    remote.pull(request(kept("//elsewhere.example/x"))).await.unwrap_err();
    assert_eq!(server.seen()[1].target, "//elsewhere.example/x", "a path of this server's");
}

#[tokio::test]
async fn the_address_of_the_next_page_is_relative_to_that_of_the_page() {
    for (link, expected) in [
        ("?page=2", "/v1/notes?page=2"),
        ("notes?page=2", "/v1/notes?page=2"),
        ("/v1/notes?page=2", "/v1/notes?page=2"),
        ("https://127.0.0.1:9/v1/notes?page=2", "/v1/notes?page=2"),
        ("more/2", "/v1/more/2"),
        ("https://127.0.0.1:9//v1/notes?page=2", "//v1/notes?page=2"),
        ("https://127.0.0.1:9//v1/notes", "//v1/notes"),
    ] {
        let server = Server::scripted(move |_, nth| {
            let body = format!("[{}]", items(nth..=nth));
            let answer = Answer::json(200, body);
            if nth == 0 { answer.header("Link", format!("<{link}>; rel=next")) } else { answer }
        })
        .await;
        let dialect = dialect(by_number(Paging::Link));
        let remote = RestRemote::builder(format!("{}/v1", server.url())).dialect(dialect).build().unwrap();
        let request = |since| PullRequest { entity: &NOTES, since, limit: 3, scope: None };
        let page = remote.pull(request(None)).await.unwrap().answer;
        let Position::Cursor { cursor, has_more: true } = page.position else { panic!("{page:?}") };
        remote.pull(request(Some(cursor))).await.unwrap();
        assert_eq!(server.seen()[1].target, expected, "{link}");
    }
}

#[tokio::test]
async fn pages_go_on_by_a_header_a_member_or_a_token() {
    let answer = |seen: &Seen, url: &str| {
        let second = query(seen).values().any(|value| value == "two");
        let next = if second { String::new() } else { format!("{url}?t=two") };
        let token = if second { "null" } else { "\"two\"" };
        let body = format!(
            r#"{{"meta":{{"sync":"s9","token":{token},"next":"{next}"}},"d":{{"rows":[{}]}}}}"#,
            items(if second { 3..4 } else { 0..3 })
        );
        let answer = Answer::json(200, body);
        if second { answer } else { answer.header("X-Next", next) }
    };
    for paging in [
        Paging::Header("X-Next".into()),
        Paging::Member("meta.next".into()),
        Paging::Token { member: "meta.token".into(), parameter: "t".into() },
    ] {
        // A server behind a proxy that does not know its own scheme.
        let server = Server::scripted(move |seen, _| answer(seen, "https://127.0.0.1/notes")).await;
        let pull = PullDialect {
            items: "d.rows".into(),
            cursor: CursorSource::Member("meta.sync".into()),
            paging: paging.clone(),
            ..PullDialect::default()
        };
        let first = walk(&server, &dialect(pull.clone()), None).await;
        assert_eq!((first.ids, first.pages), (ids(0..4), 2), "{paging:?}");
        walk(&server, &dialect(pull), first.cursor).await;
        assert_eq!(query(&server.seen().pop().unwrap())["since"], "s9", "{paging:?}");
    }
}

/// As PHP writes an array that has no members, whether it is a map or not.
#[tokio::test]
async fn an_empty_list_in_place_of_an_object_says_nothing() {
    let body = r#"{"data":[{"id":"a","n":1}],"meta":{"links":[]}}"#;
    let server = Server::saying(Answer::json(200, body)).await;
    let pull = PullDialect { items: "data".into(), ..by_number(Paging::Member("meta.links.next".into())) };
    let walk = walk(&server, &dialect(pull), None).await;
    assert_eq!((walk.ids, walk.pages), (vec!["a".to_owned()], 1));
}

#[tokio::test]
async fn a_list_and_its_cursor_may_be_inside_of_lists() {
    let all = r#"[{"rows":[{"id":"a"}]},{"rows":[{"id":"b"}],"next":["s1","s2"]}]"#;
    for (items, cursor, body) in [
        ("1.rows", "1.next.0", all.to_owned()),
        ("result.1.rows", "result.1.next.0", format!(r#"{{"result":{all}}}"#)),
    ] {
        let server = Server::saying(Answer::json(200, body)).await;
        let pull = PullDialect {
            items: items.into(),
            cursor: CursorSource::Member(cursor.into()),
            paging: Paging::Cursor { more: MemberPath::whole() },
            ..PullDialect::default()
        };
        let walk = walk(&server, &dialect(pull), None).await;
        assert_eq!((walk.ids, walk.cursor), (vec!["b".to_owned()], Some(Cursor::new("s1"))), "{items}");
    }
}

/// Servers keep the address or token of a next page for an hour, say, and the program was closed for longer.
#[tokio::test]
async fn a_round_whose_next_page_is_not_known_any_more_is_begun_anew_from_the_same_cursor() {
    for (status, kind, page) in [
        (400, "token", ""),
        (404, "token", ""),
        (404, "token", "<!doctype html>"),
        (410, "token", ""),
        (400, "link", ""),
        (400, "link", "<!doctype html>"),
        (410, "link", ""),
        (410, "link", "<!doctype html>"),
    ] {
        let server = Server::scripted(move |seen, _| {
            let asked = query(seen);
            match asked.get("t").map(String::as_str) {
                Some("old") => Answer::status(status).header("Content-Type", "text/html").body(page),
                Some("two") => Answer::json(200, format!(r#"{{"items":[{}],"sync":"s9"}}"#, items(3..4))),
                _ => Answer::json(
                    200,
                    format!(
                        r#"{{"items":[{}],"next":"{}"}}"#,
                        items(0..3),
                        if kind == "link" { "/notes?t=two" } else { "two" }
                    ),
                ),
            }
        })
        .await;
        let paging = match kind {
            "link" => Paging::Member("next".into()),
            _ => Paging::Token { member: "next".into(), parameter: "t".into() },
        };
        let pull =
            PullDialect { cursor: CursorSource::Member("sync".into()), paging, ..PullDialect::default() };
        let next = match kind {
            "link" => format!(r#"{{"address":"{}/notes?t=old"}}"#, server.url()),
            _ => r#"{"token":"old"}"#.to_owned(),
        };
        let kept = Cursor::new(format!(r#"{{"since":"s1","next":{next}}}"#));
        let walked = walk(&server, &dialect(pull), Some(kept)).await;
        assert_eq!(walked.ids, ids(0..4), "{status} {kind}");
        assert_eq!(query(&server.seen()[1])["since"], "s1", "{status} {kind}");
        assert!(walked.cursor.is_some_and(|cursor| cursor.as_str().contains("s9")), "{status} {kind}");
    }
}

#[tokio::test]
async fn a_server_that_knows_none_of_its_next_pages_is_told_of_and_everything_is_begun_anew() {
    let server = Server::scripted(|seen, _| match query(seen).get("t") {
        Some(_) => Answer::status(400),
        None => Answer::json(200, format!(r#"{{"items":[{}],"next":"two"}}"#, items(0..3))),
    })
    .await;
    let paging = Paging::Token { member: "next".into(), parameter: "t".into() };
    let pull = PullDialect { cursor: CursorSource::Member("sync".into()), paging, ..PullDialect::default() };
    let remote = RestRemote::builder(server.url()).dialect(dialect(pull)).build().unwrap();
    let mut since = None;
    for _ in 0..20 {
        match remote.pull(PullRequest { entity: &NOTES, since, limit: 3, scope: None }).await {
            Ok(reply) => match reply.answer.position {
                Position::Cursor { cursor, .. } => since = Some(cursor),
                other => panic!("{other:?}"),
            },
            // Kept as it is, the place would be asked for at each pull, and refused.
            Err(error) => return assert!(matches!(error, RemoteError::CursorGone { .. }), "{error}"),
        }
    }
    panic!("it begins anew for ever");
}

#[tokio::test]
async fn a_page_killed_in_the_middle_of_a_round_is_gone_on_with() {
    let server = Server::scripted(|seen, _| {
        let offset = query(seen).get("skip").map_or(0, |skip| skip.parse().unwrap());
        Answer::json(200, format!(r#"{{"items":[{}]}}"#, items(offset..(offset + 3).min(8))))
    })
    .await;
    let dialect = dialect(PullDialect {
        since: Vec::new(),
        cursor: CursorSource::Nothing,
        paging: Paging::Offset { parameter: "skip".into() },
        ..PullDialect::default()
    });
    let remote = RestRemote::builder(server.url()).dialect(dialect.clone()).build().unwrap();
    let request = PullRequest { entity: &NOTES, since: None, limit: 3, scope: None };
    let Position::Cursor { cursor, has_more: true } = remote.pull(request).await.unwrap().answer.position
    else {
        panic!()
    };
    let mut rest = walk(&server, &dialect, Some(cursor)).await;
    rest.ids.dedup();
    assert_eq!(rest.ids, ids(2..8), "with one item again, by which it is seen that the list has not shifted");
    assert_eq!(rest.cursor, None, "the next pull lists everything again");
}

#[tokio::test]
async fn the_last_item_is_the_cursor_and_ties_are_broken_by_id() {
    // (n, id) in order; three records share n = 1.
    let all = [(0, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "e")];
    let server = Server::scripted(move |seen, _| {
        let query = query(seen);
        let after = query.get("or").map(|or| {
            let n: i32 = or.split(['.', ',']).nth(2).unwrap().parse().unwrap();
            (n, or.split('"').nth(1).unwrap().to_owned())
        });
        let found =
            all.iter().filter(|(n, id)| after.as_ref().is_none_or(|after| (*n, *id) > (after.0, &*after.1)));
        let rows: Vec<_> = found.take(2).map(|(n, id)| format!(r#"{{"id":"{id}","n":{n}}}"#)).collect();
        Answer::json(200, format!("[{}]", rows.join(",")))
    })
    .await;
    let dialect = dialect(PullDialect {
        since: parameters(&[("or", r#"(n.gt.{cursor},and(n.eq.{cursor},id.gt."{last_id}"))"#)]),
        parameters: parameters(&[("order", "n,id"), ("limit", "{limit}")]),
        ..by_number(Paging::Cursor { more: MemberPath::whole() })
    });
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let request = PullRequest { entity: &NOTES, since: cursor, limit: 2, scope: None };
        let page = remote.pull(request).await.unwrap().answer;
        pages.push(page.items.len());
        let Position::Cursor { cursor: next, has_more } = page.position else { panic!("{page:?}") };
        cursor = Some(next);
        if !has_more {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1, 0], "the key leads no further");
    assert_eq!(query(&server.seen()[1])["or"], r#"(n.gt.1,and(n.eq.1,id.gt."b"))"#);
}

#[tokio::test]
async fn a_whole_page_with_one_key_is_passed_by_counting() {
    // Seven records that were changed at the same time, then two later ones.
    let all: Vec<(usize, usize)> = (0..9_usize).map(|id| (id, id.saturating_sub(6))).collect();
    for numbered in [false, true] {
        let all = all.clone();
        let server = Server::scripted(move |seen, _| {
            let query = query(seen);
            let from: usize = query.get("n_gte").map_or(0, |n| n.parse().unwrap());
            let skip = if numbered { 3 * (number(seen, "at") - 1) } else { number(seen, "at") };
            let found = all.iter().filter(|(_, n)| *n >= from).skip(skip).take(3);
            let rows: Vec<_> = found.map(|(id, n)| format!(r#"{{"id":"r{id}","n":{n}}}"#)).collect();
            Answer::json(200, format!("[{}]", rows.join(",")))
        })
        .await;
        let parameter = "at".to_owned();
        let paging =
            if numbered { Paging::Number { parameter, first: 1 } } else { Paging::Offset { parameter } };
        let mut walked = walk(&server, &dialect(by_number(paging)), None).await;
        walked.ids.dedup();
        walked.ids.sort();
        walked.ids.dedup();
        assert_eq!(walked.ids, ids(0..9), "numbered: {numbered}");
        assert_eq!(number(server.seen().last().unwrap(), "n_gte"), 2);
    }
}

#[tokio::test]
async fn a_server_that_repeats_its_last_page_for_ever_has_come_to_its_end() {
    let server = Server::scripted(|seen, _| {
        let page = number(seen, "_page").min(2);
        Answer::json(200, format!("[{}]", items(3 * (page - 1)..3 * page)))
    })
    .await;
    let dialect = dialect(PullDialect {
        since: Vec::new(),
        items: MemberPath::whole(),
        cursor: CursorSource::Nothing,
        paging: Paging::Number { parameter: "_page".into(), first: 1 },
        ..PullDialect::default()
    });
    let mut walked = walk(&server, &dialect, None).await;
    walked.ids.sort();
    walked.ids.dedup();
    assert_eq!(walked.ids, ids(0..6));
    // Once more than it takes to see it: as many as a page holds may have been written before it, too.
    assert_eq!(walked.pages, 4);
}

#[tokio::test]
async fn records_inside_items_are_found_and_numbers_are_cursors() {
    let body = r#"{"results":[
        {"seq":1,"id":"a","doc":{"_id":"a","_rev":"1-x","id":"a"}},
        {"seq":2,"id":"b","deleted":true,"doc":{"_id":"b","_rev":"2-y","_deleted":true}}],"last_seq":2}"#;
    let server = Server::scripted(move |seen, _| match &*seen.target {
        "/notes" => Answer::json(200, r#"{"update_seq":2}"#),
        _ => Answer::json(200, body),
    })
    .await;
    let remote = RestRemote::builder(server.url()).dialect(Dialect::couchdb()).build().unwrap();
    let request = PullRequest { entity: &NOTES, since: None, limit: 10, scope: None };
    let page = remote.pull(request).await.unwrap().answer;
    assert_eq!(server.only().target, "/notes/_changes?include_docs=true&limit=10");
    assert_eq!(page.position, Position::Cursor { cursor: Cursor::new("2"), has_more: false });
    assert!(
        matches!(&page.items[0], PageItem::Record { version: Some(version), .. } if version.as_str() == "1-x")
    );
    assert_eq!(page.items[1], PageItem::Tombstone { id: bytes::Bytes::from_static(b"\"b\"") });
}

#[tokio::test]
async fn a_cursor_from_before_the_server_lost_data_is_gone() {
    let server = Server::scripted(|seen, _| match &*seen.target {
        "/notes" => Answer::json(200, r#"{"update_seq":"5-abc"}"#),
        target => Answer::json(
            200,
            format!(r#"{{"results":[],"last_seq":{}}}"#, target.rsplit('=').next().unwrap()),
        ),
    })
    .await;
    let mut dialect = Dialect::couchdb();
    let pulled = async |dialect: &Dialect, since: &str| {
        let remote = RestRemote::builder(server.url()).dialect(dialect.clone()).build().unwrap();
        remote
            .pull(PullRequest { entity: &NOTES, since: Some(Cursor::new(since)), limit: 5, scope: None })
            .await
    };
    assert!(matches!(pulled(&dialect, "6-zzz").await, Err(RemoteError::CursorGone { .. })));
    pulled(&dialect, "5-abc").await.unwrap();
    dialect.pull.newest = Some(NewestCursor { path: "{endpoint}".into(), member: "nothing.here".into() });
    let error = pulled(&dialect, "5").await.unwrap_err();
    assert!(error.to_string().contains("`nothing.here`"), "{error}");
}

#[tokio::test]
async fn changes_by_updated_at_need_an_entity_that_has_one() {
    let server = Server::saying(Answer::json(200, "[]")).await;
    let dialect = dialect(PullDialect {
        since: parameters(&[("{updated_at}_gte", "{cursor}")]),
        cursor: CursorSource::LastItem("{updated_at}".into()),
        ..by_number(Paging::Offset { parameter: "_start".into() })
    });
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let error =
        remote.pull(PullRequest { entity: &TASKS, since: None, limit: 5, scope: None }).await.unwrap_err();
    assert!(error.to_string().contains("mark a field with `#[sync(updated_at)]`"), "{error}");
    let page =
        remote.pull(PullRequest { entity: &NOTES, since: None, limit: 5, scope: None }).await.unwrap().answer;
    assert_eq!(page.position, Position::Beginning, "nothing to go on from yet");
    let since = PullRequest { entity: &NOTES, since: Some(Cursor::new("2026")), limit: 5, scope: None };
    remote.pull(since).await.unwrap();
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/notes?limit=5&_start=0", "/notes?updatedAt_gte=2026&limit=5&_start=0"]);
}
