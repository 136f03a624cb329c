//! Pulls: pages in order, cursors of the server, and one bad record spoils nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::ready;
use sync::record::RecordKey;
use sync::remote::{Fetched, Page, PageItem, Position, Reply};
use sync::storage::Cursor;
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{
    Change, Engine, EntityInfo, Error, MemoryStorage, Remote, RemoteError, State, SyncError, SyncEvent,
};
use sync_tests::app::{App, Mood};
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;
use crate::peculiar::{Peculiar, Server};

fn cursors(server: &ScriptedRemote, of: &str) -> Vec<Option<String>> {
    let cursor = |call| match call {
        Call::Pull { entity, since } if entity == of => Some(since),
        _ => None,
    };
    server.calls().into_iter().filter_map(cursor).collect()
}

#[tokio::test]
async fn pages_come_in_order_until_there_are_no_more() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(10)).await;
    for number in 0..35 {
        device.server.put(&note(&format!("{number:02}"), "x", number));
    }
    let report = device.engine.pull().await.unwrap();
    assert_eq!(report.pulled, 35);
    let seen: Vec<_> =
        device.app.state().note_pages.iter().flatten().map(|change| change.id().clone()).collect();
    assert!(seen.is_sorted());
    assert_eq!(device.app.state().note_pages.len(), 4);
    device.server.put(&note("99", "new", 99));
    device.engine.pull().await.unwrap();
    assert_eq!(cursors(&device.server, "Note").last().unwrap().as_deref(), Some("35"));
    assert_eq!(device.app.state().notes.len(), 36);
}

#[tokio::test]
async fn a_tombstone_removes_the_record() {
    let device = Device::new().await;
    device.server.put(&task(1, None, "x"));
    device.engine.pull().await.unwrap();
    device.server.remove::<Task>(&1);
    device.engine.pull().await.unwrap();
    assert!(device.app.state().tasks.is_empty());
}

#[tokio::test]
async fn pull_only_asks_for_one_entity() {
    let device = Device::new().await;
    device.engine.pull_only::<Task>().await.unwrap();
    assert_eq!(device.server.calls(), [Call::Pull { entity: "Task", since: None }]);
}

#[tokio::test]
async fn a_page_comes_again_when_the_handler_failed_or_panicked() {
    let failures = [
        (Mood::Fail, "`OnPull` of Note failed: the application's database is locked"),
        (Mood::Panic, "`OnPull` of Note panicked: the application has a bug"),
    ];
    for (mood, told) in failures {
        let device = Device::new().await;
        device.server.put(&note("a", "x", 0));
        device.app.state().moods.push_back(mood);
        let report = device.engine.pull().await.unwrap();
        assert!(matches!(&*report.errors[0], SyncError::Handler(_)));
        assert_eq!(report.errors[0].to_string(), told);
        assert_eq!(device.engine.status().state, State::Error);
        let device = device.restart().await;
        device.engine.pull().await.unwrap();
        assert_eq!(cursors(&device.server, "Note"), [None, None]);
        assert_eq!(device.app.state().notes.len(), 1);
    }
}

#[tokio::test]
async fn a_cursor_never_moves_on_an_error() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    device.server.put(&note("a", "x", 0));
    device.server.put(&note("b", "x", 0));
    let mut pulls = 0;
    device.server.script(move |call| match call {
        Call::Pull { entity: "Note", .. } => {
            pulls += 1;
            if pulls == 2 { Fault::Transient(500) } else { Fault::None }
        }
        _ => Fault::None,
    });
    device.engine.pull().await.unwrap();
    device.engine.pull().await.unwrap();
    let asked = cursors(&device.server, "Note");
    assert_eq!(asked[..3], [None, Some("1".to_owned()), Some("1".to_owned())]);
    assert_eq!(device.app.state().notes.len(), 2);
}

#[tokio::test]
async fn without_a_cursor_the_newest_updated_at_that_the_server_sent_takes_its_place() {
    let device = Device::new().await;
    device.clock.set(chrono::DateTime::UNIX_EPOCH);
    let items: Vec<_> = [5, 9, 7]
        .iter()
        .map(|minute| PageItem::Record {
            version: None,
            body: serde_json::to_vec(&note(&minute.to_string(), "x", *minute)).unwrap().into(),
        })
        .collect();
    device.server.once(Fault::Page(Box::new(Page {
        items,
        position: Position::NewestItem { full: false, newest: None, limit: None },
    })));
    device.engine.pull_only::<Note>().await.unwrap();
    device.engine.pull_only::<Note>().await.unwrap();
    let newest = note("", "", 9).updated_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    assert_eq!(cursors(&device.server, "Note"), [None, Some(newest)]);
}

#[tokio::test]
async fn a_time_that_is_beyond_the_servers_own_is_no_cursor() {
    let device = Device::new().await;
    let item = |id: &str, minute| PageItem::Record {
        version: None,
        body: serde_json::to_vec(&note(id, "x", minute)).unwrap().into(),
    };
    let at = |minute| note("", "", minute).updated_at;
    let (limit, newest) = (Some(at(8)), Some(at(7)));
    for (newest, items) in [(newest, vec![item("a", 5), item("b", 9)]), (None, vec![item("c", 9)])] {
        let position = Position::NewestItem { full: false, newest, limit };
        device.server.once(Fault::Page(Box::new(Page { items, position })));
        device.engine.pull_only::<Note>().await.unwrap();
    }
    device.engine.pull_only::<Note>().await.unwrap();
    let kept = at(7).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    assert_eq!(cursors(&device.server, "Note"), [None, Some(kept.clone()), Some(kept)]);
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_kept_aside_and_the_rest_goes_through() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    device
        .server
        .once(Fault::ExtraItem(r#"{"id":"b","title":7,"updatedAt":"2026-01-01T00:00:00Z"}"#.to_owned()));
    let report = device.engine.pull().await.unwrap();
    assert_eq!((report.pulled, report.set_aside), (1, 1));
    let told = report.errors[0].to_string();
    assert!(told.starts_with(
        "Note `b`: a pulled item cannot be read and is kept aside: `title`: invalid type: an integer"
    ));
    assert!(told.ends_with("look at it with `engine.set_aside()`"), "{told}");
    let aside = device.engine.set_aside::<Note>().await.unwrap();
    assert_eq!(aside[0].key.as_ref().unwrap().as_str(), "b");
    assert!(aside[0].item.contains("\"title\":7"));
    device.server.put(&note("b", "mended", 1));
    device.engine.pull().await.unwrap();
    assert!(device.engine.set_aside::<Note>().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_item_without_an_id_is_kept_aside() {
    let device = Device::new().await;
    for item in [
        r#"{"title":"x","updatedAt":"2026-01-01T00:00:00Z"}"#,
        r#"{"id":"","title":"x","updatedAt":"2026-01-01T00:00:00Z"}"#,
    ] {
        device.server.once(Fault::ExtraItem(item.to_owned()));
        device.engine.pull_only::<Note>().await.unwrap();
    }
    assert_eq!(device.engine.set_aside::<Note>().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_cursor_that_does_not_move_stops_the_pull() {
    let device = Device::new().await;
    device.server.script(|call| match call {
        Call::Pull { .. } => {
            let position = Position::Cursor { cursor: Cursor::new("same"), has_more: true };
            Fault::Page(Box::new(Page { items: Vec::new(), position }))
        }
        _ => Fault::None,
    });
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::StuckCursor { .. }));
    assert!(report.errors[0].to_string().contains("`EngineBuilder::page_size`"), "{}", report.errors[0]);
    assert_eq!(device.server.calls().len(), 2);
}

/// A remote may keep an address in a cursor, with a key in it.
#[tokio::test]
async fn a_cursor_that_is_told_of_is_told_without_a_query() {
    let device = Device::new().await;
    device.server.script(|call| match call {
        Call::Pull { .. } => {
            let cursor = Cursor::new(r#"{"next":{"address":"/notes?page=2&key=hunter2"}}"#);
            Fault::Page(Box::new(Page {
                items: Vec::new(),
                position: Position::Cursor { cursor, has_more: true },
            }))
        }
        _ => Fault::None,
    });
    let report = device.engine.pull_only::<Note>().await.unwrap();
    let error = &report.errors[0];
    assert!(error.to_string().contains("/notes?…"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn our_own_write_coming_back_is_no_conflict() {
    for server in [ScriptedRemote::new(), ScriptedRemote::without_versions()] {
        let device = Device::on(&server).await;
        device.engine.push(&task(1, None, "one")).await.unwrap();
        device.engine.flush().await.unwrap();
        device.engine.push(&task(1, None, "two")).await.unwrap();
        device.engine.pull().await.unwrap();
        assert_eq!(device.app.state().conflicts.len(), 0);
        device.engine.flush().await.unwrap();
        assert_eq!(server.records::<Task>()["1"].text, "two");
        assert_eq!(device.app.state().conflicts.len(), 0);
    }
}

#[tokio::test]
async fn the_same_record_twice_in_a_page_ends_with_the_later_one() {
    let device = Device::new().await;
    let body = |title: &str| serde_json::to_vec(&note("a", title, 0)).unwrap().into();
    let item = |title: &str| PageItem::Record { version: None, body: body(title) };
    let position = Position::Cursor { cursor: Cursor::new("1"), has_more: false };
    device.server.once(Fault::Page(Box::new(Page { items: vec![item("one"), item("two")], position })));
    device.engine.pull_only::<Note>().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "two");
    assert_eq!(device.app.state().note_pages, [[Change::Upserted(note("a", "two", 0))]]);
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_not_kept_when_a_later_one_of_the_page_can() {
    let device = Device::new().await;
    let good = serde_json::to_vec(&note("a", "x", 0)).unwrap();
    let bad = br#"{"id":"a","title":7}"#;
    let item = |body: &[u8]| PageItem::Record { version: None, body: body.to_vec().into() };
    let position = Position::Cursor { cursor: Cursor::new("1"), has_more: false };
    let items = vec![item(bad), item(&good)];
    device.server.once(Fault::Page(Box::new(Page { items, position })));
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(device.engine.set_aside::<Note>().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_page_says_whether_more_follow_and_what_changed() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(2)).await;
    for id in ["a", "b", "c"] {
        device.server.put(&note(id, "x", 0));
    }
    let events = device.engine.events();
    device.engine.pull_only::<Note>().await.unwrap();
    let change = |id: &str| Change::Upserted(note(id, "x", 0));
    assert_eq!(device.app.state().note_pages, [vec![change("a"), change("b")], vec![change("c")]]);
    assert_eq!(device.app.state().more_follow, [true, false]);
    drop(device);
    let more = |event| match event {
        SyncEvent::PageProgress { has_more, .. } => Some(has_more),
        _ => None,
    };
    let told: Vec<_> = events.filter_map(|event| ready(more(event))).collect().await;
    assert_eq!(told, [true, false]);
}

#[tokio::test]
async fn a_handler_that_asks_for_a_sync_is_told_that_it_would_wait_for_itself() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    let engine = device.engine.clone();
    let (told, hears) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    device.app.state().on_page = Some(Box::new(move || {
        let (engine, told) = (engine.clone(), told.take());
        Box::pin(async move {
            let result = engine.flush().await;
            if let Some(told) = told {
                told.send(result).unwrap();
            }
        })
    }));
    device.engine.pull().await.unwrap();
    assert!(matches!(hears.await.unwrap(), Err(Error::InHandler)));
    assert_eq!(device.app.state().notes.len(), 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_asked_for_holds_up_nothing_else_of_its_entity() {
    for fault in [
        Fault::Refused(403, "not yours any more".to_owned()),
        Fault::Transient(500),
        Fault::Protocol("a page of HTML".to_owned()),
        // A gateway gives up on it alone.
        Fault::RequestLost,
    ] {
        let device = Device::with_refused_edit().await;
        device.discard().await;
        device.server.put(&note("b", "new", 2));
        let of_the_record = fault.clone();
        device.server.script(move |call| match call {
            Call::Fetch { .. } => of_the_record.clone(),
            _ => Fault::None,
        });
        let report = device.engine.pull().await.unwrap();
        let named = matches!(&*report.errors[0], SyncError::Record { record, .. } if record.to_string() == "Note `a`");
        assert!(named && report.errors.len() == 1, "{:?}", report.errors);
        assert_eq!(device.app.state().notes["b"].title, "new");
        // It is asked for again, also by a program that was started anew.
        device.server.heal();
        let device = device.restart().await;
        device.engine.pull().await.unwrap();
        assert_eq!(device.app.state().notes["a"].title, "theirs");
    }
}

/// A server that answers with another record than the one that is asked for, as long as it is confused.
#[derive(Debug, Clone)]
struct Confused(ScriptedRemote, Arc<AtomicBool>);

#[async_trait]
impl Peculiar for Confused {
    fn server(&self) -> &ScriptedRemote {
        &self.0
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let asked = self.0.fetch(entity, key).await?;
        let body = serde_json::to_vec(&note("other", "of no list", 0)).unwrap().into();
        let other = Fetched::Present { version: None, body };
        Ok(if self.1.load(Ordering::Relaxed) { other.into() } else { asked })
    }
}

#[tokio::test]
async fn another_record_than_the_one_that_is_asked_for_says_nothing() {
    let (server, app) = (ScriptedRemote::new(), App::default());
    let is_confused = Arc::new(AtomicBool::new(true));
    let remote = Server(Confused(server.clone(), Arc::clone(&is_confused)));
    let engine = Engine::builder(app.clone(), remote, MemoryStorage::new()).build().await.unwrap();
    server.put(&note("a", "theirs", 0));
    engine.pull().await.unwrap();
    engine.push(&note("a", "mine", 1)).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    engine.flush().await.unwrap();
    engine.clear_queue().await.unwrap();
    app.state().notes.insert("a".to_owned(), note("a", "mine", 1));
    let report = engine.pull().await.unwrap();
    let told: Vec<_> = report.errors.iter().map(ToString::to_string).collect();
    assert!(matches!(&*told, [only] if only.starts_with("Note `a`") && only.contains("`other`")), "{told:?}");
    assert!(!app.state().notes.contains_key("other"));
    // It is asked for again.
    is_confused.store(false, Ordering::Relaxed);
    assert!(engine.pull().await.unwrap().is_clean());
    assert_eq!(app.state().notes["a"].title, "theirs");
}

#[tokio::test]
async fn a_last_page_without_a_cursor_leaves_the_servers_own_in_force() {
    let device = Device::new().await;
    let page = |minute, position| {
        let body = serde_json::to_vec(&note("a", "x", minute)).unwrap().into();
        Fault::Page(Box::new(Page { items: vec![PageItem::Record { version: None, body }], position }))
    };
    let first = Position::Cursor { cursor: Cursor::new("opaque"), has_more: true };
    device.server.once(page(1, first));
    device.server.once(page(2, Position::NewestItem { full: false, newest: None, limit: None }));
    device.engine.pull_only::<Note>().await.unwrap();
    device.engine.pull_only::<Note>().await.unwrap();
    let opaque = Some("opaque".to_owned());
    assert_eq!(cursors(&device.server, "Note"), [None, opaque.clone(), opaque]);
}

/// By which `LastWriteWins` decides the next conflict.
#[tokio::test]
async fn an_edit_of_the_time_alone_is_sent_though_a_pull_shows_the_record_as_it_was() {
    for server in [ScriptedRemote::new(), ScriptedRemote::without_versions()] {
        let device = Device::on(&server).await;
        device.engine.push(&note("a", "x", 0)).await.unwrap();
        device.engine.full_sync().await.unwrap();
        let saved = note("a", "x", 5);
        let receipt = device.engine.push(&saved).await.unwrap();
        device.engine.pull().await.unwrap();
        device.engine.flush().await.unwrap();
        receipt.synced().await.unwrap();
        assert_eq!(server.records::<Note>()["a"], saved);
    }
}
