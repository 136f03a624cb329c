//! One policy on a field, and the handler of a `Manual` entity can call the merge, as can a strategy of one's own.

use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, Mergeable, OnConflict, Resolution, Strategy, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
struct Task {
    id: u64,
    title: String,
    #[sync(merge = Counter)]
    hours: u64,
}

sync_ui_tests::in_an_app!(Task);

impl OnConflict<Task> for App {
    async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        let (Some(local), Some(remote)) = (&conflict.local, &conflict.remote) else {
            return Ok(Resolution::Defer);
        };
        let mut merged = Task::merge(conflict.base.as_ref(), local, remote);
        if let Some(title) = merged.overlap(Task::FIELDS.title) {
            merged.value.title = format!("{} / {}", title.remote, title.local);
        }
        Ok(Resolution::Merged(merged.value))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tests", conflict = OrDefer)]
struct Test {
    id: u64,
    #[sync(merge = Counter)]
    runs: u64,
}

struct OrDefer;

impl<S: Sync> Strategy<S, Test> for OrDefer {
    const NEEDS_BASE: bool = true;

    async fn resolve(_: &S, conflict: Conflict<Test>) -> Result<Resolution<Test>, BoxError> {
        let (Some(local), Some(remote)) = (conflict.local, conflict.remote) else {
            return Ok(Resolution::Defer);
        };
        Ok(Resolution::Merged(Test::merge(conflict.base.as_ref(), &local, &remote).value))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let task = |title: &str, hours| Task { id: 1, title: title.into(), hours };
    let conflict = Conflict::new(1, Some(task("a", 1)), Some(task("b", 2)), Some(task("c", 3)));
    assert_eq!(App.on_conflict(conflict).await.unwrap(), Resolution::Merged(task("c / b", 4)));
    let _ = used;
    let test = |runs| Test { id: 1, runs };
    let conflict = Conflict::new(1, Some(test(1)), Some(test(2)), Some(test(3)));
    assert_eq!(OrDefer::resolve(&App, conflict).await.unwrap(), Resolution::Merged(test(4)));
}
