//! What a merge of both sides means for the edit that it is about.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use sync::testing::{Call, ScriptedRemote};
use sync::{
    Engine, Events, MemoryStorage, NotSynced, OnPull, Receipt, Schema, SyncEvent, SyncReport, Syncable,
    Verdict,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/pages", conflict = Merge)]
struct Page {
    id: String,
    title: String,
    #[sync(merge = Set)]
    tags: BTreeSet<String>,
}

#[derive(Schema)]
#[sync(entities(Page))]
struct App;
impl OnPull<Page> for App {}

fn page(title: &str, tags: &[&str]) -> Page {
    Page { id: "1".into(), title: title.into(), tags: tags.iter().map(ToString::to_string).collect() }
}

/// An edit of a page that was synced without tags, and that somebody else has edited meanwhile.
struct Edited {
    engine: Engine<App>,
    server: ScriptedRemote,
    receipt: Receipt,
    events: Events,
}

impl Edited {
    async fn new(mine: &Page, theirs: &Page) -> Self {
        let server = ScriptedRemote::new();
        let engine = Engine::builder(App, server.clone(), MemoryStorage::new()).build().await.unwrap();
        engine.push(&page("base", &[])).await.unwrap();
        engine.full_sync().await.unwrap();
        server.put(theirs);
        let receipt = engine.push(mine).await.unwrap();
        let events = engine.events();
        Self { engine, server, receipt, events }
    }

    /// How the conflict is said to have been decided, and whether something is said to have been pushed.
    fn told(&mut self) -> (Vec<Verdict>, bool) {
        let events: Vec<_> = std::iter::from_fn(|| self.events.next().now_or_never().flatten()).collect();
        let verdict = |event: &SyncEvent| match event {
            SyncEvent::Conflict { verdict, .. } => Some(*verdict),
            _ => None,
        };
        let is_pushed = events.iter().any(|event| matches!(event, SyncEvent::Pushed { .. }));
        (events.iter().filter_map(verdict).collect(), is_pushed)
    }

    fn overwrites(&self) -> usize {
        let is_overwrite = |call: &&Call| matches!(call, Call::Write { verb: "overwrite", .. });
        self.server.calls().iter().filter(is_overwrite).count()
    }
}

fn counts(report: &SyncReport) -> (u64, u64, u64) {
    (report.conflicts, report.pushed, report.remaining)
}

#[tokio::test]
async fn an_edit_that_the_server_has_in_its_own_is_synced_and_nothing_more_is_sent() {
    for in_a_pull in [false, true] {
        let mut edited = Edited::new(&page("base", &["a"]), &page("base", &["a", "b"])).await;
        let report = if in_a_pull { edited.engine.pull().await } else { edited.engine.flush().await };
        assert_eq!(counts(&report.unwrap()), (1, 0, 0), "in a pull: {in_a_pull}");
        assert_eq!(edited.told(), (vec![Verdict::Merged], false), "in a pull: {in_a_pull}");
        assert_eq!(edited.overwrites(), 0);
        assert_eq!(edited.receipt.synced().await, Ok(()), "in a pull: {in_a_pull}");
    }
}

#[tokio::test]
async fn an_edit_of_which_a_merge_has_left_nothing_is_overruled() {
    let mut edited = Edited::new(&page("mine", &["a"]), &page("theirs", &["a", "b"])).await;
    let report = edited.engine.flush().await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0));
    assert_eq!(edited.told(), (vec![Verdict::TookRemote], false));
    assert_eq!(edited.overwrites(), 0);
    assert!(matches!(edited.receipt.synced().await, Err(NotSynced::Overruled { .. })));
}

#[tokio::test]
async fn an_edit_of_which_a_merge_has_left_something_is_sent_with_the_servers() {
    let mut edited = Edited::new(&page("mine", &["c"]), &page("theirs", &["a", "b"])).await;
    let report = edited.engine.flush().await.unwrap();
    assert_eq!(counts(&report), (1, 1, 0));
    assert_eq!(edited.told(), (vec![Verdict::Merged], true));
    assert_eq!(edited.server.records::<Page>()["1"], page("theirs", &["a", "b", "c"]));
    assert_eq!(edited.receipt.synced().await, Ok(()));
}
