//! Redirects in circles and to strangers.

use sync::{RemoteError, SyncError};

use super::server::{Act, Server, answer};
use super::story::{Story, Turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_loop_ends_after_five() {
    let turn = Turn::mine().await;
    let story = Story::of(&turn, |seen| {
        let other = if seen.target.starts_with("/notes") { "/tasks" } else { "/notes" };
        Act::Say(answer(307, &format!("Location: {other}\r\n"), ""))
    })
    .await;
    let error = story.flush_error().await;
    assert!(matches!(&*error, SyncError::Push { source: RemoteError::Protocol { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("sixth"), "{error}");
    assert_eq!(story.server.seen().len(), 6);
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_neither_records_nor_credentials() {
    let turn = Turn::mine().await;
    for status in [301, 302, 303, 307, 308] {
        let stranger = Server::new(|_| unreachable!("it is sane")).await;
        stranger.become_sane();
        let head = format!("Location: {}/notes\r\n", stranger.url());
        let story = Story::of(&turn, move |_| Act::Say(answer(status, &head, ""))).await;
        for error in [story.flush_error().await, story.pull_error().await] {
            assert!(error.to_string().contains(&stranger.url()), "{error}");
        }
        assert!(stranger.seen().is_empty(), "{:?}", stranger.seen());
        story.ends_well().await;
    }
}
