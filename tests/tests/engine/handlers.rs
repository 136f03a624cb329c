//! What a handler may do while it is called.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sync::testing::{Fault, Gate, ScriptedRemote};
use sync::{
    AutoSync, BoxError, Engine, Error, HandlerError, MemoryStorage, NotSynced, OnPull, OperationId, Pulled,
    Resolution, RetryPolicy, Schema, SyncError, SyncReport, Syncable,
};
use sync_tests::app::Answer;
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;

const SOON: Duration = Duration::from_secs(5);

/// Expected: an error, or that it runs later; never a wait for oneself.
#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_for_a_sync_does_not_hang_the_engine() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.flush().await) })
    }));
    let pull = tokio::time::timeout(SOON, device.engine.pull()).await;
    pull.expect("the handler's flush waits for the pull that waits for the handler").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_ask_another_engine_for_a_sync() {
    let (device, other) = (Device::new().await, Device::new().await);
    device.server.put(&note("a", "x", 0));
    other.engine.push(&note("b", "x", 0)).await.unwrap();
    let engine = other.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.flush().await.unwrap()) })
    }));
    assert!(device.engine.pull().await.unwrap().is_clean());
    assert_eq!(other.engine.queue_len(), 0);
}

/// Expected: as above, for the calls that hand something to `OnPull` themselves.
#[tokio::test(start_paused = true)]
async fn a_handler_that_discards_does_not_hang_the_engine() {
    let device = Device::new().await;
    device.engine.push(&note("bad", "x", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.put(&note("a", "x", 0));
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.clear_queue().await) })
    }));
    let pull = tokio::time::timeout(SOON, device.engine.pull()).await;
    pull.expect("the handler holds the one permit that `clear_queue` waits for").unwrap();
}

/// Expected: it is refused at once, also where the handler holds its thread until it hears of that, and by way of another engine.
#[tokio::test(start_paused = true)]
async fn a_handler_that_another_engine_calls_for_it_is_still_within_it() {
    let (device, other) = (Device::new().await, Device::with_refused_creation().await);
    device.server.put(&note("a", "x", 0));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (engine, answers) = (device.engine.clone(), Arc::clone(&asked));
    other.app.state().on_page = Some(Box::new(move || {
        answers.lock().unwrap().push(engine.clear_queue().now_or_never().map(|answer| answer.map(drop)));
        answers.lock().unwrap().push(engine.flush().now_or_never().map(|answer| answer.map(drop)));
        Box::pin(std::future::ready(()))
    }));
    let there = other.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let there = there.clone();
        Box::pin(async move { assert_eq!(there.clear_queue().await.unwrap(), 1) })
    }));
    in_time(device.engine.pull()).await;
    let asked = asked.lock().unwrap();
    assert!(matches!(asked[..], [Some(Err(Error::InHandler)), Some(Err(Error::InHandler))]), "{asked:?}");
}

/// Expected: pushing in a handler works (it is no sync).
#[tokio::test(start_paused = true)]
async fn a_handler_may_push() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&note("b", "y", 0)).await) })
    }));
    let pull = tokio::time::timeout(SOON, device.engine.pull()).await;
    pull.expect("a push does not wait").unwrap();
    assert_eq!(device.engine.queue_len(), 1);
}

/// Expected: as above, for the receipt of a push.
#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_its_own_edit_to_be_synced_does_not_hang_the_engine() {
    let (device, other) = (Device::new().await, Device::new().await);
    device.server.put(&note("a", "x", 0));
    let earlier = device.engine.push(&note("earlier", "y", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    other.engine.start(AutoSync::default());
    let (here, there) = (device.engine.clone(), other.engine.clone());
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut once = Some((tell, earlier));
    device.app.state().on_page = Some(Box::new(move || {
        let (here, there, once) = (here.clone(), there.clone(), once.take());
        Box::pin(async move {
            let (tell, earlier) = once.unwrap();
            let own = here.push(&note("b", "y", 0)).await.unwrap().synced().await;
            let elsewhere = there.push(&note("b", "y", 0)).await.unwrap().synced().await;
            tell.send((own, earlier.synced().await, elsewhere)).unwrap();
        })
    }));
    in_time(device.engine.pull()).await;
    let (own, earlier, elsewhere) = told.await.unwrap();
    assert_eq!(earlier, Ok(()), "that one is known");
    assert_eq!(elsewhere, Ok(()), "another engine does not wait for this handler");
    let error = own.unwrap_err();
    assert!(matches!(&error, NotSynced::InHandler { record } if record.key.as_str() == "b"), "{error:?}");
    assert!(error.to_string().contains("a task of its own"), "{error}");
    assert_eq!(device.engine.queue_len(), 1, "the edit waits as any other");
}

/// A message, which the handler marks as it comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/messages", conflict = ServerWins)]
struct Message {
    id: String,
    text: String,
    marks: u32,
}

fn message(id: &str, text: &str, marks: u32) -> Message {
    Message { id: id.into(), text: text.into(), marks }
}

/// Marks messages until they have as many marks.
#[derive(Clone, Default, Schema)]
#[sync(entities(Message))]
struct Inbox {
    wanted: u32,
    /// It marks them in a transaction.
    in_one: bool,
    /// It begins to edit them once more, and takes that back.
    hesitates: bool,
    engine: Arc<OnceLock<Engine<Inbox>>>,
    told: Arc<Mutex<Vec<Message>>>,
}

impl OnPull<Message> for Inbox {
    async fn on_pull(&self, pulled: Pulled<Message>) -> Result<(), BoxError> {
        for message in pulled.changes.iter().filter_map(|change| change.local()) {
            self.told.lock().unwrap().push(message.clone());
            if let Some(engine) = self.engine.get()
                && message.marks < self.wanted
            {
                let marked = Message { marks: message.marks + 1, ..message.clone() };
                if self.in_one {
                    engine.transaction(move |tx| tx.push(&marked)).await?;
                } else {
                    engine.push(&marked).await?;
                }
                if self.hesitates {
                    let twice = Message { marks: 99, ..message.clone() };
                    let taken_back = engine.transaction(move |tx| {
                        tx.push(&twice)?;
                        Err::<(), BoxError>("no, once is enough".into())
                    });
                    taken_back.await.unwrap_err();
                }
            }
        }
        Ok(())
    }
}

impl Inbox {
    /// It lives until the test drops it: the engine has the application, and that the engine.
    async fn with(wanted: u32, server: &ScriptedRemote) -> Engine<Self> {
        Self { wanted, ..Self::default() }.on(server).await
    }

    async fn on(self, server: &ScriptedRemote) -> Engine<Self> {
        let app = self;
        let built = Engine::builder(app.clone(), server.clone(), MemoryStorage::new()).build().await.unwrap();
        app.engine.get_or_init(|| built).clone()
    }
}

async fn in_time(sync: impl Future<Output = Result<SyncReport, Error>>) -> SyncReport {
    tokio::time::timeout(SOON, sync).await.expect("it comes to an end").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_edit_a_record_that_it_is_told_of() {
    marks_what_it_is_told_of(Inbox { wanted: 1, ..Inbox::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_edit_a_record_that_it_is_told_of_in_a_transaction() {
    marks_what_it_is_told_of(Inbox { wanted: 1, in_one: true, ..Inbox::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_a_handler_takes_back_leaves_the_one_before_it_alone() {
    marks_what_it_is_told_of(Inbox { wanted: 1, hesitates: true, ..Inbox::default() }).await;
}

/// It is told of the record again with its first edit on top, and edits that.
#[tokio::test(start_paused = true)]
async fn a_handler_may_edit_what_it_is_told_of_its_own_edit() {
    marks_what_it_is_told_of(Inbox { wanted: 3, ..Inbox::default() }).await;
}

async fn marks_what_it_is_told_of(inbox: Inbox) {
    let server = ScriptedRemote::new();
    let marks = inbox.wanted;
    server.put(&message("a", "one", 0));
    let engine = inbox.on(&server).await;
    for text in ["one", "two"] {
        server.put(&message("a", text, 0));
        let report = in_time(engine.pull()).await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(
            engine.queue_len(),
            1,
            "the edit was made on what it was told, so it is no conflict that it loses"
        );
        assert!(in_time(engine.flush()).await.is_clean());
        assert_eq!(server.records::<Message>()["a"], message("a", text, marks));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_edit_a_record_that_it_is_told_of_in_a_conflict() {
    for wanted in [1, 3] {
        let server = ScriptedRemote::new();
        let engine = Inbox::with(wanted, &server).await;
        engine.push(&message("a", "mine", wanted)).await.unwrap();
        in_time(engine.flush()).await;
        engine.push(&message("a", "mine again", wanted)).await.unwrap();
        server.put(&message("a", "theirs", 0));
        let report = in_time(engine.full_sync()).await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(server.records::<Message>()["a"], message("a", "theirs", wanted));
        assert_eq!(engine.queue_len(), 0);
    }
}

/// It has seen both sides, and what came of them.
#[tokio::test]
async fn an_edit_of_what_a_conflict_was_decided_for_is_in_no_conflict_again() {
    for decided in [Resolution::KeepLocal, Resolution::Merged(task(1, None, "both")), Resolution::Delete] {
        let device = told_of_a_conflict(vec![decided]).await;
        assert!(device.engine.pull().await.unwrap().is_clean());
        nothing_is_left_to_decide(&device).await;
    }
}

/// Merged once more, what the server's side has added would count twice.
#[tokio::test]
async fn an_edit_of_what_was_merged_is_not_merged_again() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/shelves", conflict = Merge)]
    struct Shelf {
        id: String,
        #[sync(merge = Counter)]
        books: u32,
        is_seen: bool,
    }

    #[derive(Clone, Default, Schema)]
    #[sync(entities(Shelf))]
    struct Library(Arc<OnceLock<Engine<Library>>>);

    impl OnPull<Shelf> for Library {
        async fn on_pull(&self, pulled: Pulled<Shelf>) -> Result<(), BoxError> {
            let merged = pulled.changes.iter().filter_map(|change| change.local());
            for shelf in merged.filter(|shelf| shelf.books == 6 && !shelf.is_seen) {
                self.0.get().unwrap().push(&Shelf { is_seen: true, ..shelf.clone() }).await?;
            }
            Ok(())
        }
    }

    let shelf = |books, is_seen| Shelf { id: "a".into(), books, is_seen };
    let (app, server) = (Library::default(), ScriptedRemote::new());
    let built = Engine::builder(app.clone(), server.clone(), MemoryStorage::new()).build().await.unwrap();
    let engine = app.0.get_or_init(|| built);
    server.put(&shelf(3, false));
    in_time(engine.pull()).await;
    engine.push(&shelf(4, false)).await.unwrap();
    server.put(&shelf(5, false));
    assert!(in_time(engine.full_sync()).await.is_clean());
    assert_eq!(server.records::<Shelf>()["a"], shelf(6, true));
}

/// Nobody has decided between the two sides yet, and the handler, which is told what it has shown all along, does not either.
#[tokio::test]
async fn an_edit_of_what_a_deferred_conflict_is_about_decides_nothing() {
    let device = told_of_a_conflict(vec![Resolution::Defer, Resolution::Defer]).await;
    device.engine.pull().await.unwrap();
    let waiting = device.engine.conflicts::<Task>().await.unwrap();
    assert_eq!(waiting[0].conflict.local, Some(task(1, None, "seen, and edited")));
    assert_eq!(device.app.state().conflicts.len(), 2);
}

/// Task 1 is to be pulled and is edited here, the conflict is to be decided so, and the handler edits it as soon as it is told of that.
async fn told_of_a_conflict(decided: Vec<Resolution<Task>>) -> Device {
    let device = Device::new().await;
    device.comes_into_conflict().await;
    for decision in decided {
        device.app.will(Answer::Decide(decision));
    }
    edits_what_it_is_told(&device);
    device
}

/// An edit that the user makes meanwhile, who has not seen the server's version, is a conflict with it.
#[tokio::test(start_paused = true)]
async fn an_edit_that_somebody_else_makes_while_the_handler_runs_is_not_the_handlers() {
    let device = Device::new().await;
    device.server.put(&note("a", "one", 0));
    device.engine.pull().await.unwrap();
    device.server.put(&note("a", "theirs", 5));
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        let elsewhere = tokio::spawn(async move { drop(engine.push(&note("a", "mine", 1)).await.unwrap()) });
        Box::pin(async move { elsewhere.await.unwrap() })
    }));
    assert_eq!(in_time(device.engine.full_sync()).await.conflicts, 1);
    assert_eq!(device.server.records::<Note>()["a"], note("a", "theirs", 5), "the later one wins");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_edits_each_record_whenever_it_is_told_of_it_is_reported() {
    let server = ScriptedRemote::new();
    server.put(&message("a", "one", 0));
    let engine = Inbox::with(u32::MAX, &server).await;
    let report = in_time(engine.pull()).await;
    let error = report.errors.first().expect("it is told of");
    let SyncError::Handler(HandlerError::Restless { record }) = &**error else { panic!("{error}") };
    assert_eq!(record.key.as_str(), "a");
    assert_eq!(engine.queue_len(), 1, "and what it edited is kept");
}

#[tokio::test]
async fn a_handler_may_make_a_record_again_that_it_is_told_is_gone() {
    let device = Device::new().await;
    device.server.put(&task(1, None, "base"));
    device.engine.pull().await.unwrap();
    device.server.remove::<Task>(&1);
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&task(1, None, "again")).await.unwrap()) })
    }));
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    device.engine.flush().await.unwrap();
    assert!(device.app.state().conflicts.is_empty(), "it has seen that it is gone");
    assert_eq!(device.server.records::<Task>()["1"].text, "again");
    assert_eq!(device.app.state().tasks[&1].text, "again");
}

/// The user is asked about the conflict of task 1.
async fn in_conflict_with_somebody() -> Device {
    let device = Device::new().await;
    device.comes_into_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.pull().await.unwrap();
    device
}

/// The user is asked about the conflict of task 1, and the handler edits it as soon as it is told what came of that.
async fn edits_what_it_is_told_of_the_answer() -> (Device, OperationId) {
    let device = in_conflict_with_somebody().await;
    let conflicts = device.engine.conflicts::<Task>().await.unwrap();
    edits_what_it_is_told(&device);
    (device, conflicts[0].operation)
}

/// The handler edits task 1 as soon as it is told of it.
fn edits_what_it_is_told(device: &Device) {
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&task(1, None, "seen, and edited")).await.unwrap()) })
    }));
}

/// As one made of what a pull told does.
#[tokio::test]
async fn an_edit_of_what_a_discard_told_stands_on_that() {
    let (device, operation) = edits_what_it_is_told_of_the_answer().await;
    device.engine.discard(operation).await.unwrap();
    nothing_is_left_to_decide(&device).await;
}

#[tokio::test]
async fn so_does_an_edit_of_what_an_answer_told() {
    for answer in [
        Resolution::TakeRemote,
        Resolution::KeepLocal,
        Resolution::Merged(task(1, None, "both")),
        Resolution::Delete,
    ] {
        let (device, operation) = edits_what_it_is_told_of_the_answer().await;
        device.engine.answer(operation, answer).await.unwrap();
        nothing_is_left_to_decide(&device).await;
    }
}

async fn nothing_is_left_to_decide(device: &Device) {
    assert_eq!(device.app.state().tasks[&1].text, "seen, and edited");
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    assert_eq!(device.app.state().conflicts.len(), 1, "the one that was answered");
    assert_eq!(device.server.records::<Task>()["1"].text, "seen, and edited");
}

#[tokio::test]
async fn so_does_a_deletion_of_what_they_told() {
    for is_answered in [true, false] {
        let device = in_conflict_with_somebody().await;
        let conflicts = device.engine.conflicts::<Task>().await.unwrap();
        let (engine, operation) = (device.engine.clone(), conflicts[0].operation);
        device.app.state().after_tasks = Some(Box::new(move || {
            let engine = engine.clone();
            Box::pin(async move { drop(engine.delete::<Task>(&1).await.unwrap()) })
        }));
        if is_answered {
            device.engine.answer(operation, Resolution::<Task>::TakeRemote).await.unwrap();
        } else {
            device.engine.discard(operation).await.unwrap();
        }
        assert!(device.engine.flush().await.unwrap().is_clean());
        assert_eq!(device.app.state().conflicts.len(), 1, "the one that was answered");
        assert!(device.server.records::<Task>().is_empty());
    }
}

/// What is under way is given up with the rest, and whoever waits for it is told so.
#[tokio::test]
async fn an_edit_of_what_clear_queue_told_takes_the_place_of_what_is_given_up() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "base")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    let sent = device.engine.push(&task(1, None, "sent")).await.unwrap();
    device.server.once(Fault::RequestLost);
    device.engine.flush().await.unwrap();
    let waits = device.engine.push(&task(1, None, "waits")).await.unwrap();
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&task(1, None, "base, edited")).await.unwrap()) })
    }));
    assert_eq!(device.engine.clear_queue().await.unwrap(), 1);
    for given_up in [sent, waits] {
        assert!(matches!(given_up.synced().await, Err(NotSynced::TakenBack { .. })));
    }
    device.wait_out();
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    assert!(device.app.state().conflicts.is_empty());
    let texts = device.server.writes().into_iter().filter_map(|write| write.value);
    let texts = texts.map(|payload| payload.decode::<Task>().unwrap().text);
    assert_eq!(texts.collect::<Vec<_>>(), ["base", "base, edited"], "what was given up is not sent again");
    assert_eq!(device.app.state().tasks[&1].text, "base, edited");
}

/// What is given up was out, and arrives.
#[tokio::test]
async fn an_edit_of_what_clear_queue_told_is_in_no_conflict_with_what_was_under_way() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "base")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&task(1, None, "sent")).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await.unwrap() });
    gate.reached(1).await;
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&task(1, None, "base, edited")).await.unwrap()) })
    }));
    assert_eq!(device.engine.clear_queue().await.unwrap(), 1);
    gate.open();
    flush.await.unwrap();
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    assert!(device.app.state().conflicts.is_empty(), "{:?}", device.app.state().conflicts);
    assert_eq!(device.server.records::<Task>()["1"].text, "base, edited");
}

/// What was given up was sent, and nobody knows whether it arrived.
#[tokio::test]
async fn an_edit_of_what_a_discard_told_is_in_no_conflict_with_what_was_discarded() {
    let retry = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.retry(retry)).await;
    device.engine.push(&task(1, None, "base")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.wait_out();
    device.server.once(Fault::Transient(500));
    assert_eq!(device.engine.flush().await.unwrap().parked, 1);
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&task(1, None, "base, edited")).await.unwrap()) })
    }));
    let parked = device.engine.parked::<Task>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    assert!(device.engine.flush().await.unwrap().is_clean());
    assert!(device.app.state().conflicts.is_empty(), "{:?}", device.app.state().conflicts);
    assert_eq!(device.server.records::<Task>()["1"].text, "base, edited");
}
