//! Answers to something else than what was asked.

use sync::{RemoteError, SyncError};
use sync_tests::entities::{Note, note};

use super::server::{Act, answer, page};
use super::story::{Story, Turn};

const JSON: &str = "Content-Type: application/json\r\n";
const STRANGER: &str = r#"{"id":"another","title":"x","updatedAt":"2026-01-01T00:00:00Z"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_another_request_is_no_answer_to_this_one() {
    let turn = Turn::mine().await;
    let story = Story::of(&turn, |_| Act::Say(answer(201, JSON, STRANGER))).await;
    let report = story.engine.flush().await.unwrap();
    let SyncError::Answer { record, url, reason, .. } = &*report.errors[0] else {
        panic!("{:?}", report.errors)
    };
    assert_eq!(record.to_string(), "Note `mine`");
    assert!(url.ends_with("/notes") && !reason.is_empty(), "{}", report.errors[0]);
    assert!(story.app.state().notes.is_empty(), "it is nobody's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_that_may_say_that_nothing_was_done_ends_no_edit() {
    let turn = Turn::mine().await;
    let no = r#"{"success":false,"message":"quota exceeded"}"#;
    let story = Story::of(&turn, move |_| Act::Say(answer(200, JSON, no))).await;
    let error = story.flush_error().await;
    let SyncError::Answer { record, url, reason, .. } = &*error else { panic!("{error:?}") };
    assert_eq!(record.to_string(), "Note `mine`");
    assert!(url.ends_with("/notes") && reason.contains(r#"{"message": …, "success": …}"#), "{error}");
    assert!(!error.to_string().contains("quota"), "it quotes: {error}");
    let parked = story.engine.parked::<Note>().await.unwrap();
    assert_eq!(parked[0].record, Some(note("mine", "written offline", 0)), "it is the user's to decide");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_ones() {
    let turn = Turn::mine().await;
    let poison = answer(200, JSON, format!(r#"{{"items":[{STRANGER}],"cursor":"evil","hasMore":false}}"#));
    let story = Story::of(&turn, move |seen| match &*seen.method {
        "GET" => page(r#"{"items":[],"cursor":"good","hasMore":false}"#),
        _ => Act::Say([answer(500, "", ""), poison.clone()].concat()),
    })
    .await;
    let error = story.flush_error().await;
    assert!(matches!(&*error, SyncError::Push { source: RemoteError::Transient { .. }, .. }), "{error:?}");
    let _ = story.engine.pull().await.unwrap();
    assert!(story.app.state().notes.is_empty(), "the poison was swallowed");
    assert!(story.server.seen().iter().any(|seen| seen.method == "GET"), "the pull asked for itself");
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_no_answer() {
    let turn = Turn::mine().await;
    for bytes in [&b"\0\x01\x02\xff\xfe"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 99999 What\r\n\r\n"] {
        let story = Story::of(&turn, move |_| Act::Reset(bytes.to_vec())).await;
        let error = story.flush_error().await;
        assert!(
            matches!(
                &*error,
                SyncError::Push { source: RemoteError::Unreachable { in_doubt: true, .. }, .. }
            ),
            "{error:?}"
        );
        story.ends_well().await;
    }
}
