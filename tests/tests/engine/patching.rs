//! A server that is sent what has changed, and not the whole record.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sync::record::RecordKey;
use sync::remote::{Fetched, Page, PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Engine, EntityInfo, MemoryStorage, Remote, RemoteError, RetryPolicy};
use sync_tests::app::App;
use sync_tests::entities::{Note, note};

/// Notes what each write would be compared with. The server does not compare versions, whatever it tells of them.
#[derive(Debug)]
struct Patched {
    server: ScriptedRemote,
    bases: Arc<Mutex<Vec<Option<String>>>>,
}

#[async_trait]
impl Remote for Patched {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        let title = |base: &sync::record::Payload| base.decode::<Note>().unwrap().title;
        self.bases.lock().unwrap().push(request.base.as_ref().map(title));
        self.server.send(WriteRequest { if_match: None, ..request }).await
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        self.server.pull(request).await
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.server.fetch(entity, key).await
    }

    fn sends_changes(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.server.probe().await
    }
}

type Device = (Engine<App>, Arc<Mutex<Vec<Option<String>>>>);

async fn device(server: &ScriptedRemote) -> Device {
    device_with(server, MemoryStorage::new()).await
}

async fn device_with(server: &ScriptedRemote, storage: MemoryStorage) -> Device {
    let bases = Arc::default();
    let remote = Patched { server: server.clone(), bases: Arc::clone(&bases) };
    let once = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let building = Engine::builder(App::default(), remote, storage).retry(once).build();
    (building.await.unwrap(), bases)
}

#[tokio::test]
async fn what_was_pulled_is_there_to_be_compared_with_whatever_the_strategy_needs() {
    let server = ScriptedRemote::new();
    server.put(&note("a", "theirs", 0));
    let (engine, bases) = device(&server).await;
    engine.pull().await.unwrap();
    engine.push(&note("a", "mine", 1)).await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(*bases.lock().unwrap(), [Some("theirs".to_owned())]);
}

/// The difference to nothing would be the whole record, which takes no member away.
#[tokio::test]
async fn what_was_pulled_for_a_server_that_was_sent_whole_records_is_fetched() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&note("a", "theirs", 0));
    let before = Engine::builder(App::default(), server.clone(), storage.clone()).build().await.unwrap();
    before.pull().await.unwrap();
    before.shutdown().await;
    drop(before);
    let (engine, bases) = device_with(&server, storage).await;
    engine.pull().await.unwrap();
    engine.push(&note("a", "mine", 1)).await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(*bases.lock().unwrap(), [Some("theirs".to_owned())]);
}

/// The difference to the base would be nothing, and the server stay as the lost operation left it.
#[tokio::test]
async fn where_a_lost_operation_may_have_changed_the_record_that_is_looked_at_first() {
    for server in [ScriptedRemote::new(), ScriptedRemote::without_versions()] {
        for the_look_is_lost in [false, true] {
            let device = device(&server).await;
            taken_back(&server, &device, the_look_is_lost).await;
        }
    }
}

async fn taken_back(server: &ScriptedRemote, (engine, bases): &Device, the_look_is_lost: bool) {
    server.put(&note("a", "theirs", 0));
    engine.pull().await.unwrap();
    engine.push(&note("a", "mine", 1)).await.unwrap();
    server.once(Fault::AnswerLost);
    engine.flush().await.unwrap();
    engine.push(&note("a", "theirs", 0)).await.unwrap();
    server.once(Fault::Transient(500));
    if the_look_is_lost {
        // Nothing is sent then, so that it has to be looked again.
        server.script(|call| match call {
            Call::Fetch { .. } => Fault::RequestLost,
            _ => Fault::None,
        });
    }
    // The first one gives up, and the second one takes its place.
    engine.flush().await.unwrap();
    engine.flush().await.unwrap();
    server.heal();
    engine.flush().await.unwrap();
    let calls = server.calls();
    let is_fetch = |call: &Call| matches!(call, Call::Fetch { .. });
    assert!(calls.iter().any(is_fetch), "{calls:?}");
    assert_eq!(bases.lock().unwrap().last().unwrap().as_deref(), Some("mine"), "what it was found to be");
    assert_eq!(server.records::<Note>()["a"].title, "theirs");
}

/// A firewall may say so of each question for ever: the edit is not held back as long as that.
#[tokio::test]
async fn an_edit_that_waits_for_a_question_which_a_web_page_refuses_is_parked_in_the_end() {
    let server = ScriptedRemote::new();
    let (engine, _) = device(&server).await;
    server.put(&note("a", "theirs", 0));
    engine.pull().await.unwrap();
    engine.push(&note("a", "mine", 1)).await.unwrap();
    server.once(Fault::AnswerLost);
    engine.flush().await.unwrap();
    engine.push(&note("a", "mine again", 2)).await.unwrap();
    server.once(Fault::Transient(500));
    server.script(|call| match call {
        Call::Fetch { .. } => Fault::WebPage(400),
        _ => Fault::None,
    });
    for _ in 0..3 {
        engine.flush().await.unwrap();
    }
    let asked = server.calls().iter().filter(|call| matches!(call, Call::Fetch { .. })).count();
    assert_eq!(asked, 1, "with one attempt, the question is asked once");
    let parked = engine.parked::<Note>().await.unwrap();
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(engine.queue_len(), 0);
}
