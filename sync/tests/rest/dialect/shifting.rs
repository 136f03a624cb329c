//! Lists that change while their pages are read: nothing is missed.

use std::sync::Mutex;

use sync::RemoteError;
use sync::remote::rest::{CursorSource, MemberPath, Paging, PullDialect};
use sync::storage::Cursor;

use crate::dialect::lists::{by_number, dialect, items, number, parameters, query, try_walk, walk};
use crate::server::{Answer, Server};

/// Records as (id, n), in the order of `n`; a record is written between two pages, and so moves to the end.
struct Store {
    rows: Vec<(usize, usize)>,
    clock: usize,
}

impl Store {
    fn of(count: usize) -> Self {
        Self { rows: (0..count).map(|id| (id, id)).collect(), clock: count }
    }

    fn touch(&mut self, id: usize) {
        self.clock += 1;
        let n = self.clock;
        self.rows.retain(|(row, _)| *row != id);
        self.rows.push((id, n));
    }

    fn delete(&mut self, id: usize) {
        self.rows.retain(|(row, _)| *row != id);
    }

    fn json(rows: &[(usize, usize)]) -> String {
        let rows: Vec<_> = rows.iter().map(|(id, n)| format!(r#"{{"id":"r{id}","n":{n}}}"#)).collect();
        format!("[{}]", rows.join(","))
    }
}

/// All but these.
fn expected(count: usize, gone: &[usize]) -> Vec<String> {
    let mut ids: Vec<_> = (0..count).filter(|id| !gone.contains(id)).map(|id| format!("r{id}")).collect();
    ids.sort();
    ids
}

/// Each id once.
fn seen(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test]
async fn a_record_that_moves_to_the_end_between_two_pages_hides_no_other() {
    for numbered in [false, true] {
        let store = Mutex::new(Store::of(12));
        let server = Server::scripted(move |request, nth| {
            let mut store = store.lock().unwrap();
            if nth == 1 {
                store.touch(1);
            }
            let skip = if numbered { 3 * (number(request, "at") - 1) } else { number(request, "at") };
            let from: usize = query(request).get("n_gte").map_or(0, |n| n.parse().unwrap());
            let rows: Vec<_> =
                store.rows.iter().filter(|row| row.1 >= from).skip(skip).take(3).copied().collect();
            Answer::json(200, Store::json(&rows))
        })
        .await;
        let parameter = "at".to_owned();
        let paging =
            if numbered { Paging::Number { parameter, first: 1 } } else { Paging::Offset { parameter } };
        let walked = walk(&server, &dialect(by_number(paging)), None).await;
        assert_eq!(seen(walked.ids), expected(12, &[]), "numbered: {numbered}");
    }
}

#[tokio::test]
async fn a_deletion_between_two_pages_of_a_whole_list_hides_no_other() {
    for numbered in [false, true] {
        let store = Mutex::new(Store::of(12));
        let server = Server::scripted(move |request, nth| {
            let mut store = store.lock().unwrap();
            if nth == 1 {
                store.delete(1);
            }
            let skip = if numbered { 3 * (number(request, "at") - 1) } else { number(request, "at") };
            let rows: Vec<_> = store.rows.iter().skip(skip).take(3).copied().collect();
            Answer::json(200, Store::json(&rows))
        })
        .await;
        let parameter = "at".to_owned();
        let pull = PullDialect {
            since: Vec::new(),
            items: MemberPath::whole(),
            cursor: CursorSource::Nothing,
            paging: if numbered {
                Paging::Number { parameter, first: 1 }
            } else {
                Paging::Offset { parameter }
            },
            ..PullDialect::default()
        };
        let walked = walk(&server, &dialect(pull), None).await;
        let found = seen(walked.ids);
        assert!(expected(12, &[1]).iter().all(|id| found.contains(id)), "numbered: {numbered}: {found:?}");
    }
}

#[tokio::test]
async fn a_list_that_shifts_all_the_time_comes_to_an_end_nevertheless() {
    let server = Server::scripted(move |request, nth| {
        // Another first item with every request.
        let rows: Vec<_> =
            (0..12).map(|id| (100 * nth + id, id)).skip(number(request, "at")).take(3).collect();
        Answer::json(200, Store::json(&rows))
    })
    .await;
    let pull = PullDialect {
        since: Vec::new(),
        items: MemberPath::whole(),
        cursor: CursorSource::Nothing,
        paging: Paging::Offset { parameter: "at".into() },
        ..PullDialect::default()
    };
    let error = try_walk(&server, &dialect(pull), None).await.unwrap_err();
    assert!(
        matches!(error, RemoteError::CursorGone { .. }),
        "nobody is told that this was everything: {error}"
    );
    assert!(server.seen().len() <= 13, "{}", server.seen().len());
}

#[tokio::test]
async fn what_changes_while_linked_pages_are_read_comes_with_the_next_pull() {
    let store = Mutex::new(Store::of(7));
    let server = Server::scripted(move |request, nth| {
        let mut store = store.lock().unwrap();
        if nth == 1 {
            store.touch(0);
        }
        let query = query(request);
        let from: usize = query.get("since").map_or(0, |n| n.parse::<usize>().unwrap() + 1);
        let skip: usize = query.get("skip").map_or(0, |skip| skip.parse().unwrap());
        let newest = store.rows.last().map_or(0, |row| row.1);
        let found: Vec<_> = store.rows.iter().filter(|row| row.1 >= from).copied().collect();
        let rows: Vec<_> = found.iter().skip(skip).take(3).copied().collect();
        let answer = Answer::json(200, Store::json(&rows)).header("ETag", format!("\"{newest}\""));
        if skip + 3 < found.len() {
            answer.header("Link", format!("<?skip={}>; rel=next", skip + 3))
        } else {
            answer
        }
    })
    .await;
    let dialect = dialect(linked());
    let first = walk(&server, &dialect, None).await;
    let second = walk(&server, &dialect, first.cursor).await;
    assert!(second.ids.contains(&"r0".to_owned()), "{second:?}");
    assert_eq!(seen([first.ids, second.ids].concat()), expected(7, &[]));
}

/// A bare list with links, whose first page's `ETag` is the cursor.
fn linked() -> PullDialect {
    PullDialect {
        items: MemberPath::whole(),
        cursor: CursorSource::Header("ETag".into()),
        paging: Paging::Link,
        parameters: parameters(&[("limit", "{limit}")]),
        ..PullDialect::default()
    }
}

#[tokio::test]
async fn a_numbered_list_that_lost_more_than_a_page_between_two_pulls_is_begun_anew() {
    let parameter = "at".to_owned();
    let pull = PullDialect {
        since: Vec::new(),
        items: MemberPath::whole(),
        cursor: CursorSource::Nothing,
        paging: Paging::Number { parameter, first: 1 },
        ..PullDialect::default()
    };
    // As one that read three pages of nine records left it.
    let kept = Cursor::new(r#"{"next":{"after":3},"ended_with":"r8"}"#);
    for status in [404, 400, 410, 416, 422] {
        let server = Server::scripted(move |request, _| {
            let rows: Vec<_> = (0..4).map(|id| (id, id)).skip(3 * (number(request, "at") - 1)).collect();
            if rows.is_empty() {
                return Answer::json(status, r#"{"detail":"Invalid page."}"#);
            }
            Answer::json(200, Store::json(&rows[..rows.len().min(3)]))
        })
        .await;
        let walked = walk(&server, &dialect(pull.clone()), Some(kept.clone())).await;
        assert_eq!(seen(walked.ids), expected(4, &[]), "{status}");
        assert_eq!(walked.cursor, None, "the list was read to its end");
    }
}

/// By a link or a token, and by how many items come before the page: what a server means by them cannot be seen.
#[tokio::test]
async fn a_record_that_leaves_a_page_hides_none_of_the_next_one_wherever_it_was() {
    for token in [false, true] {
        for (gone, between) in [(0, 1), (2, 1), (1, 2), (5, 3)] {
            let store = Mutex::new(Store::of(12));
            let server = Server::scripted(move |request, nth| {
                let mut store = store.lock().unwrap();
                if nth == between {
                    store.delete(gone);
                }
                let skip: usize = query(request).get("skip").map_or(0, |skip| skip.parse().unwrap());
                let rows: Vec<_> = store.rows.iter().skip(skip).take(3).copied().collect();
                let (rows, more) = (Store::json(&rows), skip + 3 < store.rows.len());
                let next = if more { (skip + 3).to_string() } else { String::new() };
                let answer = Answer::json(200, format!(r#"{{"items":{rows},"next":"{next}"}}"#));
                if more { answer.header("Link", format!("<?skip={next}>; rel=next")) } else { answer }
            })
            .await;
            let paging = if token {
                Paging::Token { member: "next".into(), parameter: "skip".into() }
            } else {
                Paging::Link
            };
            let pull = PullDialect {
                since: Vec::new(),
                cursor: CursorSource::Nothing,
                paging,
                ..PullDialect::default()
            };
            let found = seen(walk(&server, &dialect(pull), None).await.ids);
            let missed: Vec<_> = expected(12, &[gone]).into_iter().filter(|id| !found.contains(id)).collect();
            assert!(missed.is_empty(), "token: {token}, {gone} gone before request {between}: {missed:?}");
        }
    }
}

/// A list whose links name the item that a page begins after; before the given request, something happens.
async fn keyset(happens: impl Fn(&mut Store, usize) + Send + Sync + 'static) -> Server {
    let store = Mutex::new(Store::of(12));
    Server::scripted(move |request, nth| {
        let mut store = store.lock().unwrap();
        happens(&mut store, nth);
        let asked = query(request);
        let number = |name: &str| asked.get(name).map(|n| n.parse::<usize>().unwrap());
        let after = number("after").or(number("since"));
        let newest = store.rows.last().map_or(0, |row| row.1);
        let mut found = store.rows.iter().filter(|row| after.is_none_or(|after| row.1 > after));
        let rows: Vec<_> = found.by_ref().take(3).copied().collect();
        let answer = Answer::json(200, Store::json(&rows)).header("ETag", format!("\"{newest}\""));
        match found.next() {
            Some(_) => answer.header("Link", format!("<?after={}>; rel=next", rows[2].1)),
            None => answer,
        }
    })
    .await
}

#[tokio::test]
async fn links_that_name_an_item_lose_nothing_and_come_to_an_end() {
    // Another record of the page before, its last one, one that is deleted, and one at each request.
    type Happens = fn(&mut Store, usize);
    let all: [Happens; 4] = [
        |store, nth| {
            if nth == 1 {
                store.touch(1);
            }
        },
        |store, nth| {
            if nth == 1 {
                store.touch(2);
            }
        },
        |store, nth| {
            if nth == 1 {
                store.delete(0);
            }
        },
        |store, nth| store.touch(nth % 12),
    ];
    for (which, happens) in all.into_iter().enumerate() {
        let server = keyset(happens).await;
        let walked = walk(&server, &dialect(linked()), None).await;
        assert_eq!(seen(walked.ids), expected(12, &[]), "{which}");
        if which == 0 {
            assert_eq!(server.seen().len(), 9, "five pages, and four of them again: nothing is begun anew");
        }
    }
}

#[tokio::test]
async fn each_page_is_asked_for_once_where_the_dialect_says_that_links_name_an_item() {
    let server = keyset(|_, _| {}).await;
    let pull = PullDialect { next_after_item: true, ..linked() };
    let walked = walk(&server, &dialect(pull), None).await;
    assert_eq!((walked.ids.len(), server.seen().len()), (12, 4));
}

/// Some tokens are good for one request.
#[tokio::test]
async fn a_page_that_the_server_shows_only_once_is_not_compared() {
    let asked = Mutex::new(Vec::new());
    let server = Server::scripted(move |request, _| {
        let (mut asked, token) = (asked.lock().unwrap(), query(request).get("t").cloned());
        if token.is_some() && asked.contains(&token) {
            return Answer::status(410);
        }
        let from = token.as_ref().map_or(0, |token| token.parse().unwrap());
        asked.push(token);
        let next = if from < 9 { (from + 3).to_string() } else { String::new() };
        Answer::json(200, format!(r#"{{"items":[{}],"next":"{next}"}}"#, items(from..from + 3)))
    })
    .await;
    let paging = Paging::Token { member: "next".into(), parameter: "t".into() };
    let pull =
        PullDialect { since: Vec::new(), cursor: CursorSource::Nothing, paging, ..PullDialect::default() };
    let walked = walk(&server, &dialect(pull), None).await;
    assert_eq!(seen(walked.ids), expected(12, &[]));
    assert_eq!(walked.pages, 4);
}
