//! Where nothing on a page says that the list has not shifted, the page before is looked at again: by a request of its own.

use std::sync::Mutex;
use std::time::Duration;

use sync::remote::rest::{CursorSource, MemberPath, Paging, PullDialect};
use sync::remote::{Position, PullRequest};
use sync::storage::Cursor;
use sync::{Remote, RemoteError, RestRemote};

use super::lists::{dialect, ids, items, number, query, try_walk};
use crate::given::NOTES;
use crate::server::{Answer, Seen, Server};

const LIMIT: usize = 3;

fn linked() -> PullDialect {
    PullDialect {
        since: Vec::new(),
        items: MemberPath::whole(),
        cursor: CursorSource::Nothing,
        paging: Paging::Link,
        ..PullDialect::default()
    }
}

/// A page of these rows, with a link that says how many come before the next one.
fn page(rows: &[usize], seen: &Seen) -> Answer {
    let skip: usize = query(seen).get("skip").map_or(0, |skip| skip.parse().unwrap());
    let found = rows.iter().copied().skip(skip).take(LIMIT);
    let answer = Answer::json(200, format!("[{}]", items(found)));
    let next = skip + LIMIT;
    if next < rows.len() { answer.header("Link", format!("<?skip={next}>; rel=next")) } else { answer }
}

fn rows(count: usize) -> Vec<usize> {
    (0..count).collect()
}

fn remote(server: &Server) -> RestRemote {
    RestRemote::builder(server.url()).dialect(dialect(linked())).build().unwrap()
}

fn request(since: Option<Cursor>) -> PullRequest {
    PullRequest { entity: &NOTES, since, limit: 3, scope: None }
}

fn goes_on(position: Position) -> Option<Cursor> {
    match position {
        Position::Cursor { cursor, has_more: true } => Some(cursor),
        _ => None,
    }
}

#[tokio::test]
async fn a_page_that_asks_for_patience_is_not_compared_at_once() {
    let server = Server::scripted(|seen, nth| {
        let answer = page(&rows(9), seen);
        if nth > 0 { answer.header("Retry-After", "60") } else { answer }
    })
    .await;
    let remote = remote(&server);
    let minute = Some(Duration::from_secs(60));
    let first = remote.pull(request(None)).await.unwrap();
    let second = remote.pull(request(goes_on(first.answer.position))).await.unwrap();
    assert_eq!((second.retry_after, second.answer.items.len()), (minute, 3), "its items are not lost");
    assert_eq!(server.seen().len(), 2, "everything waits");
    let compared = remote.pull(request(goes_on(second.answer.position))).await.unwrap();
    assert_eq!((compared.retry_after, compared.answer.items.len()), (minute, 0));
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/notes?limit=3", "/notes?skip=3", "/notes?limit=3"]);
}

#[tokio::test]
async fn a_linked_list_is_pulled_from_a_server_that_answers_every_other_request() {
    let server = Server::scripted(|seen, nth| {
        if nth % 2 == 1 { Answer::status(429).header("Retry-After", "1") } else { page(&rows(12), seen) }
    })
    .await;
    let remote = remote(&server);
    let (mut since, mut found) = (None, 0);
    for _ in 0..30 {
        let page = match remote.pull(request(since.clone())).await {
            Ok(reply) => reply.answer,
            Err(RemoteError::Throttled { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        found += page.items.len();
        match goes_on(page.position) {
            Some(cursor) => since = Some(cursor),
            None => return assert_eq!(found, 12),
        }
    }
    panic!("it never ends");
}

/// By links, numbers and offsets. What has moved up into the page before comes with that.
#[tokio::test]
async fn a_list_that_shifts_more_often_than_it_is_begun_anew_hides_nothing() {
    let parameter = "at".to_owned();
    for paging in [
        Paging::Link,
        Paging::Number { parameter: parameter.clone(), first: 1 },
        Paging::Offset { parameter },
    ] {
        for each in [1, 2] {
            let counted = paging.clone();
            let left = Mutex::new(rows(50));
            let server = Server::scripted(move |seen, nth| {
                let mut rows = left.lock().unwrap();
                if (1..=14 * each).contains(&nth) && nth % each == 0 {
                    rows.remove(0);
                }
                match &counted {
                    Paging::Link => page(&rows, seen),
                    paging => {
                        let at = number(seen, "at");
                        let skip = if matches!(paging, Paging::Number { .. }) { 3 * (at - 1) } else { at };
                        Answer::json(200, format!("[{}]", items(rows.iter().copied().skip(skip).take(3))))
                    }
                }
            })
            .await;
            let pull = PullDialect { paging: paging.clone(), ..linked() };
            match try_walk(&server, &dialect(pull), None).await {
                Ok(walked) => {
                    let missed: Vec<_> =
                        ids(14..50).into_iter().filter(|id| !walked.ids.contains(id)).collect();
                    assert!(missed.is_empty(), "{paging:?}: {missed:?}");
                }
                Err(error) => {
                    assert!(matches!(paging, Paging::Offset { .. }), "{paging:?}: {error}");
                    assert!(matches!(error, RemoteError::CursorGone { .. }), "{error}");
                }
            }
        }
    }
}
