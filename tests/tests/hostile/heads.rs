//! Heads that do not end, that are huge, or that try to write a header of ours.

use std::time::Duration;

use sync::{RemoteError, SyncError};

use super::server::{Act, answer, page};
use super::story::{Story, Turn};

fn unreachable_push(error: &SyncError) -> &str {
    let SyncError::Push { source: RemoteError::Unreachable { url, reason, .. }, .. } = error else {
        panic!("{error:?}")
    };
    assert!(url.ends_with("/notes"), "{url}");
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_drips_for_ever_is_given_up_in_time() {
    let turn = Turn::mine().await;
    let story =
        Story::of(&turn, |_| Act::Drip(b"HTTP/1.1 201 Created\r\n".to_vec(), b"X-Slow: 1\r\n".to_vec()))
            .await;
    let error = story.flush_error().await;
    assert!(unreachable_push(&error).contains("2s"), "{error}");
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_end_is_refused_before_it_fills_the_memory() {
    let turn = Turn::mine().await;
    let line = format!("X-Large: {}\r\n", "x".repeat(8000));
    let story =
        Story::of(&turn, move |_| Act::Flood(b"HTTP/1.1 201 Created\r\n".to_vec(), line.clone().into()))
            .await;
    let error = story.flush_error().await;
    assert!(!unreachable_push(&error).contains("2s"), "it is refused for its size: {error}");
    assert!(story.memory() < 8 * 1024 * 1024, "{} bytes", story.memory());
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_interim_answers_is_given_up_in_time_and_is_not_kept() {
    let turn = Turn::mine().await;
    let story =
        Story::of(&turn, |_| Act::Flood(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(500))).await;
    let error = story.flush_error().await;
    assert!(unreachable_push(&error).contains("2s"), "{error}");
    assert!(story.memory() < 8 * 1024 * 1024, "{} bytes", story.memory());
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_century_of_patience_is_an_hour() {
    let turn = Turn::mine().await;
    for century in ["3155760000", "Fri, 31 Dec 2123 23:59:59 GMT", "99999999999999999999999999"] {
        let head = format!("Retry-After: {century}\r\n");
        let story = Story::of(&turn, move |_| Act::Say(answer(429, &head, ""))).await;
        let error = story.flush_error().await;
        let SyncError::Push { source, .. } = &*error else { panic!("{error:?}") };
        assert!(matches!(source, RemoteError::Throttled { .. }), "{error:?}");
        assert_eq!(source.retry_after(), Some(Duration::from_secs(3600)), "{century}");
        story.later(1);
        story.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_cannot_write_a_header_of_the_next_request() {
    let turn = Turn::mine().await;
    // As an `ETag` it is cut by the parser or refused; as a member of a record it arrives whole.
    let evil = r#"1\"\r\nX-Injected: yes\r\n\r\nDELETE /notes/all HTTP/1.1"#;
    let record =
        format!(r#"{{"id":"theirs","title":"x","updatedAt":"2026-01-01T00:00:00Z","version":"{evil}"}}"#);
    let body = format!(r#"{{"items":[{record}],"cursor":"{evil}","hasMore":false}}"#);
    let story = Story::of(&turn, move |seen| match &*seen.method {
        "GET" => page(&body),
        _ => Act::Reset(Vec::new()),
    })
    .await;
    let report = story.engine.pull_only::<sync_tests::entities::Note>().await.unwrap();
    assert_eq!(report.pulled, 1, "{:?}", report.errors);
    let theirs = sync_tests::entities::note("theirs", "edited", 9);
    story.engine.push(&theirs).await.unwrap();
    story.engine.flush().await.unwrap();
    let again = story.engine.pull_only::<sync_tests::entities::Note>().await.unwrap();
    assert!(again.is_clean(), "{:?}", again.errors);
    let seen = story.server.seen();
    let since = "since=1%22%0D%0AX-Injected%3A+yes";
    assert!(seen.last().unwrap().target.contains(since), "the cursor is one value: {seen:?}");
    for request in &seen {
        assert!(request.header("x-injected").is_none(), "{request:?}");
        assert!(request.target.starts_with("/notes"), "{request:?}");
        assert!(["GET", "POST", "PATCH"].contains(&&*request.method), "{request:?}");
    }
}
