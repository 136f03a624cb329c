//! Pages with too much in them.

use sync::{RemoteError, SyncError};

use super::server::page;
use super::story::{LIMIT, Story, Turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_items_where_five_hundred_were_asked_for_are_refused() {
    let turn = Turn::mine().await;
    let items = vec!["{}"; 300_000].join(",");
    let body = format!(r#"{{"items":[{items}],"cursor":"c","hasMore":false}}"#);
    assert!(body.len() < LIMIT, "it is within the limit of a body");
    let large = format!(
        r#"{{"items":[{}],"cursor":"c","hasMore":false}}"#,
        vec![r#"{"id":"x"}"#; 1_000_000].join(",")
    );
    for (body, told) in [(body, "items"), (large, "larger than")] {
        let answer = page(&body);
        drop(body);
        let story = Story::of(&turn, move |_| answer.clone()).await;
        let error = story.pull_error().await;
        assert!(matches!(&*error, SyncError::Pull { source: RemoteError::Protocol { .. }, .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
        // The server's own copy of a large answer is among it.
        assert!(story.memory() < 32 * LIMIT, "{} bytes", story.memory());
        assert!(story.app.state().notes.is_empty());
        story.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_nested_half_a_million_levels_deep_costs_neither_stack_nor_memory() {
    let turn = Turn::mine().await;
    let deep = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
    let bodies = [
        format!(r#"{{"items":{deep},"cursor":"c"}}"#),
        format!(r#"{{"x":{deep},"items":[{{"id":"n","title":{{"a":1}}}}],"cursor":{{}}}}"#),
        deep,
    ];
    for body in bodies {
        let story = Story::of(&turn, move |_| page(&body)).await;
        let error = story.pull_error().await;
        assert!(matches!(&*error, SyncError::Pull { .. } | SyncError::Unreadable { .. }), "{error:?}");
        assert!(story.memory() < 16 * LIMIT, "{} bytes", story.memory());
        story.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_nests_too_deep_to_be_read_is_kept_aside() {
    let turn = Turn::mine().await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let good = r#"{"id":"good","title":"x","updatedAt":"2026-01-01T00:00:00Z"}"#;
    let body = format!(r#"{{"items":[{{"id":"deep","title":{deep}}},{good}],"cursor":"c","hasMore":false}}"#);
    let story = Story::of(&turn, move |_| page(&body)).await;
    let error = story.pull_error().await;
    assert!(matches!(&*error, SyncError::Unreadable { key: Some(key), .. } if key == "deep"), "{error:?}");
    assert!(story.app.state().notes.contains_key("good"), "the rest of the page went through");
    story.ends_well().await;
}
