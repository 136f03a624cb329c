//! Where a listener goes on after a lost connection: behind the last event that it heard, unless the server refuses that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use sync::record::{RecordKey, Refusal};
use sync::remote::{
    Changed, Changes, EventId, Fetched, Heard, ListenRequest, Page, PullRequest, Reply, WriteAnswer,
    WriteRequest,
};
use sync::testing::ScriptedRemote;
use sync::{AutoSync, Engine, EntityInfo, MemoryStorage, Remote, RemoteError};
use sync_tests::app::App;

use crate::device::{NO_PULLS, Ticking};

/// How a server of numbered events answers who goes on behind one of them. It cuts each connection after the next event.
#[derive(Debug, Clone, Copy)]
enum Manner {
    GoesOn,
    /// It says so at once.
    Refuses,
    /// It says so with a `Retry-After`.
    Postpones,
    /// It says so in the place of the first event.
    RefusesLater,
    /// It says that it does not know it any more.
    Forgets,
    /// The event after that cannot be read, whenever it comes.
    Breaks,
    /// What reads the stream panics at the event after that.
    Panics,
}

#[derive(Debug)]
struct Numbered {
    server: ScriptedRemote,
    manner: Manner,
    /// What those who listen for notes went on behind.
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

fn refused(retry_after: Option<Duration>) -> RemoteError {
    let refusal = Refusal { status: 400, problem: None };
    RemoteError::Refused { url: "memory:changes".to_owned(), refusal, retry_after }
}

fn broken() -> RemoteError {
    let reason = "an event is too large".to_owned();
    let url = "memory:changes".to_owned();
    RemoteError::Unreachable { url, reason, retry_after: None, in_doubt: false, source: None }
}

#[async_trait]
impl Remote for Numbered {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.server.send(request).await
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

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        if request.entity.name != "Note" {
            return Ok(None);
        }
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.after.as_ref().map(ToString::to_string));
            asked.len().to_string()
        };
        let event = Ok(Heard::Hint { event: Some(EventId::new(number)), changed: Changed::Anything });
        let heard = match self.manner {
            Manner::Refuses if request.after.is_some() => return Err(refused(None)),
            Manner::Postpones if request.after.is_some() => {
                return Err(refused(Some(Duration::from_secs(1))));
            }
            Manner::Forgets if request.after.is_some() => {
                return Err(RemoteError::CursorGone { url: "memory:changes".to_owned(), retry_after: None });
            }
            Manner::RefusesLater if request.after.is_some() => vec![event, Err(refused(None))],
            Manner::Breaks if request.after.is_some() => vec![Err(broken())],
            Manner::Panics => {
                let panic = stream::once(async { panic!("a stream of the user's") });
                return Ok(Some(stream::iter([event]).chain(panic).boxed()));
            }
            _ => vec![event],
        };
        Ok(Some(stream::iter(heard).boxed()))
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.server.probe().await
    }
}

/// What the first four requests of a listener went on behind.
async fn asked(manner: Manner) -> Vec<Option<String>> {
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let remote = Numbered { server: ScriptedRemote::new(), manner, asked: Arc::clone(&asked) };
    let clock = Ticking::default();
    let building = Engine::builder(App::default(), remote, MemoryStorage::new()).clock(clock).seed(7).build();
    let engine = building.await.unwrap();
    engine.start(AutoSync { listen: true, ..NO_PULLS });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    engine.shutdown().await;
    let mut asked = std::mem::take(&mut *asked.lock().unwrap());
    asked.truncate(4);
    asked
}

fn behind(events: [Option<&str>; 4]) -> Vec<Option<String>> {
    events.map(|event| event.map(ToOwned::to_owned)).to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_listener_goes_on_behind_the_last_event_that_it_heard() {
    for manner in [Manner::GoesOn, Manner::Panics] {
        assert_eq!(asked(manner).await, behind([None, Some("1"), Some("2"), Some("3")]), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_server_refuses_to_go_on_behind_is_not_offered_again() {
    let anew = behind([None, Some("1"), None, Some("3")]);
    for manner in [Manner::Refuses, Manner::RefusesLater, Manner::Forgets] {
        assert_eq!(asked(manner).await, anew, "{manner:?}");
    }
}

/// The refusal is not about the event.
#[tokio::test(start_paused = true)]
async fn an_event_is_offered_again_to_a_server_that_asks_to_wait() {
    assert_eq!(asked(Manner::Postpones).await, behind([None, Some("1"), Some("1"), Some("1")]));
}

/// One connection that is cut says nothing of what it was cut at.
#[tokio::test(start_paused = true)]
async fn an_event_behind_which_nothing_can_be_heard_is_offered_twice() {
    assert_eq!(asked(Manner::Breaks).await, behind([None, Some("1"), Some("1"), None]));
}
