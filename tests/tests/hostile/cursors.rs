//! Cursors that lead nowhere, round in circles, or on for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use sync::SyncError;
use sync_tests::entities::Note;

use super::server::{Act, Seen, page};
use super::story::{Story, Turn};

fn since(seen: &Seen) -> Option<&str> {
    seen.target.split(['?', '&']).find_map(|part| part.strip_prefix("since="))
}

fn more(cursor: &str) -> Act {
    page(format!(r#"{{"items":[],"cursor":"{cursor}","hasMore":true}}"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_stands_still_ends_the_pull() {
    let turn = Turn::mine().await;
    let story = Story::of(&turn, |_| more("same")).await;
    let error = story.pull_error().await;
    assert!(matches!(&*error, SyncError::StuckCursor { cursor, .. } if cursor == "same"), "{error:?}");
    assert_eq!(story.server.seen().len(), 2);
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_that_go_round_in_a_circle_end_the_pull() {
    let turn = Turn::mine().await;
    for circle in [2, 3, 5] {
        let count = AtomicUsize::new(0);
        let story =
            Story::of(&turn, move |_| more(&format!("c{}", count.fetch_add(1, Ordering::SeqCst) % circle)))
                .await;
        let error = story.pull_error().await;
        assert!(matches!(&*error, SyncError::StuckCursor { .. }), "{error:?}");
        assert!(story.server.seen().len() <= 4 * circle, "{}", story.server.seen().len());
        story.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_without_end_stop_at_the_limit_and_the_next_pull_goes_on_from_there() {
    let turn = Turn::mine().await;
    let count = AtomicUsize::new(0);
    let story = Story::of(&turn, move |_| more(&format!("c{}", count.fetch_add(1, Ordering::SeqCst)))).await;
    let error = story.pull_error().await;
    assert!(matches!(&*error, SyncError::PageLimit { pages: 20, .. }), "{error:?}");
    assert!(error.to_string().contains("`EngineBuilder::page_limit`"), "{error}");
    assert_eq!(story.server.seen().len(), 20, "no page more is asked for");
    story.engine.pull_only::<Note>().await.unwrap();
    assert_eq!(since(&story.server.seen()[20]), Some("c19"), "nothing is pulled again");
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_longer_than_any_url_is_refused() {
    let turn = Turn::mine().await;
    let story = Story::of(&turn, |_| more(&"x".repeat(100_000))).await;
    let error = story.pull_error().await;
    assert!(error.to_string().contains("4096"), "{error}");
    assert_eq!(story.server.seen().len(), 1);
    story.ends_well().await;
}
