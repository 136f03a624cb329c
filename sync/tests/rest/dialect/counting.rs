//! Lists whose pages are counted, and change meanwhile.

use std::sync::Mutex;

use sync::remote::rest::{CursorSource, MemberPath, Paging, PullDialect};
use sync::remote::{Position, PullRequest};
use sync::{Remote, RemoteError, RestRemote};

use super::lists::{by_number, dialect, ids, items, number, query, walk};
use crate::given::NOTES;
use crate::server::{Answer, Server};

fn paging(numbered: bool) -> Paging {
    let parameter = "at".to_owned();
    if numbered { Paging::Number { parameter, first: 1 } } else { Paging::Offset { parameter } }
}

fn counted(numbered: bool, cursor: CursorSource) -> PullDialect {
    PullDialect {
        since: if cursor == CursorSource::Nothing { Vec::new() } else { PullDialect::default().since },
        items: MemberPath::whole(),
        cursor,
        paging: paging(numbered),
        ..PullDialect::default()
    }
}

/// Everything, with each pull.
fn everything(numbered: bool) -> PullDialect {
    counted(numbered, CursorSource::Nothing)
}

fn missed(found: &[String], expected: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids(expected).into_iter().filter(|id| !found.contains(id)).collect()
}

/// Seven records that were changed at the same time, of which one is changed or deleted when three of them were read.
#[tokio::test]
async fn a_tie_that_moves_while_ties_are_counted_hides_no_other() {
    for numbered in [false, true] {
        for deleted in [false, true] {
            for (moved, before) in [(1, 2), (0, 3), (4, 3), (2, 2)] {
                let rows: Mutex<Vec<(usize, usize)>> =
                    Mutex::new((0..8).map(|id| (id, usize::from(id == 7))).collect());
                let server = Server::scripted(move |seen, nth| {
                    let mut rows = rows.lock().unwrap();
                    if nth == before {
                        rows.retain(|(id, _)| *id != moved);
                        if !deleted {
                            rows.push((moved, 9));
                        }
                    }
                    let from: usize = query(seen).get("n_gte").map_or(0, |n| n.parse().unwrap());
                    let skip = if numbered { 3 * (number(seen, "at") - 1) } else { number(seen, "at") };
                    let found = rows.iter().filter(|(_, n)| *n >= from).skip(skip).take(3);
                    let page: Vec<_> = found.map(|(id, n)| format!(r#"{{"id":"r{id}","n":{n}}}"#)).collect();
                    Answer::json(200, format!("[{}]", page.join(",")))
                })
                .await;
                let walked = walk(&server, &dialect(by_number(paging(numbered))), None).await;
                let missed = missed(&walked.ids, (0..8).filter(|id| !deleted || *id != moved));
                assert!(missed.is_empty(), "numbered: {numbered}, {moved} before {before}: {missed:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_insertion_that_shows_a_page_again_is_no_end() {
    for numbered in [false, true] {
        let server = Server::scripted(move |seen, nth| {
            // As many as lead to the very page that was read.
            let inserted = match (nth, numbered) {
                (0, _) => 0,
                (_, true) => 3,
                (_, false) => 2,
            };
            let skip = if numbered { 3 * (number(seen, "at") - 1) } else { number(seen, "at") };
            let rows = (100..100 + inserted).chain(0..8).skip(skip).take(3);
            let page: Vec<_> = rows.map(|id| format!(r#"{{"id":"r{id}"}}"#)).collect();
            Answer::json(200, format!("[{}]", page.join(",")))
        })
        .await;
        let walked = walk(&server, &dialect(everything(numbered)), None).await;
        let missed = missed(&walked.ids, 0..8);
        assert!(missed.is_empty(), "numbered: {numbered}: {missed:?}");
    }
}

#[tokio::test]
async fn an_item_without_an_id_at_the_end_of_a_page_begins_nothing_anew() {
    let all = [r#"{"id":"r0"}"#, r#"{"id":"r1"}"#, r#"{"title":"x"}"#, r#"{"id":"r3"}"#];
    let server = Server::scripted(move |seen, _| {
        let page: Vec<_> = all.iter().skip(number(seen, "at")).take(3).copied().collect();
        Answer::json(200, format!("[{}]", page.join(",")))
    })
    .await;
    let walked = walk(&server, &dialect(everything(false)), None).await;
    assert!(walked.ids.contains(&"r3".to_owned()), "{walked:?}");
    let asked: Vec<_> = server.seen().iter().map(|seen| number(seen, "at")).collect();
    assert_eq!(asked, [0, 1, 3], "each page begins with what can be found again");
}

/// `WordPress` says 400 of it, `PostgREST` 416.
#[tokio::test]
async fn a_page_past_the_end_that_is_refused_ends_the_list() {
    for status in [400, 404, 410, 416, 422] {
        for count in [1, 3, 5, 6] {
            let server = Server::scripted(move |seen, _| {
                let page: Vec<_> = (0..count).skip(3 * (number(seen, "at") - 1)).take(3).collect();
                if page.is_empty() {
                    return Answer::json(status, r#"{"code":"rest_post_invalid_page_number"}"#);
                }
                Answer::json(200, format!("[{}]", items(page)))
            })
            .await;
            let walked = walk(&server, &dialect(everything(true)), None).await;
            assert_eq!((walked.ids, walked.cursor), (ids(0..count), None), "{status} {count}");
        }
    }
}

/// Pages have two items, however many are asked for, and the page past the end is what the server makes of it.
async fn of_two(count: usize, numbered: bool, past: fn() -> Answer) -> Server {
    Server::scripted(move |seen, _| {
        let at = number(seen, "at");
        let skip = if numbered { 2 * (at - 1) } else { at };
        let rows: Vec<_> = (0..count).skip(skip).take(2).collect();
        let answer = if rows.is_empty() && skip > 0 {
            past()
        } else {
            Answer::json(200, format!("[{}]", items(rows)))
        };
        answer.header("ETag", "\"9\"")
    })
    .await
}

#[tokio::test]
async fn a_server_that_sends_fewer_items_at_a_time_than_are_asked_for_is_read_to_its_end() {
    let empty = || Answer::json(200, "[]");
    let missing = || Answer::json(404, r#"{"detail":"Invalid page."}"#);
    for numbered in [false, true] {
        for past in [empty, missing] {
            for cursor in [CursorSource::Nothing, CursorSource::Header("ETag".into())] {
                for count in [0, 1, 2, 5, 8] {
                    let server = of_two(count, numbered, past).await;
                    let walked = walk(&server, &dialect(counted(numbered, cursor.clone())), None).await;
                    let mut found = walked.ids;
                    found.dedup();
                    assert_eq!(found, ids(0..count), "numbered: {numbered}, {cursor:?}");
                    assert_eq!(walked.cursor.is_some(), cursor != CursorSource::Nothing);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_list_without_items_is_asked_for_once_and_a_short_one_once_more() {
    for (numbered, count, requests) in
        // A page that has none of the items before is compared with the one that had.
        [(false, 0, 1), (true, 0, 1), (false, 1, 2), (true, 1, 3)]
    {
        let server = of_two(count, numbered, || Answer::json(200, "[]")).await;
        walk(&server, &dialect(counted(numbered, CursorSource::Nothing)), None).await;
        assert_eq!(server.seen().len(), requests, "numbered: {numbered}, {count}");
    }
}

/// A gateway may have said it.
#[tokio::test]
async fn a_page_of_html_is_no_end_of_a_list() {
    let page = || Answer::status(404).header("Content-Type", "text/html").body("<h1>404</h1>");
    let server = of_two(2, true, page).await;
    let dialect = dialect(counted(true, CursorSource::Nothing));
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let request = |since| PullRequest { entity: &NOTES, since, limit: 3, scope: None };
    let Position::Cursor { cursor, has_more: true } =
        remote.pull(request(None)).await.unwrap().answer.position
    else {
        panic!()
    };
    let error = remote.pull(request(Some(cursor))).await.unwrap_err();
    assert!(matches!(error, RemoteError::Transient { status: 404, .. }), "{error:?}");
}
