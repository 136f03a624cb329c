//! A server in memory, with faults at will.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

use super::server::{Effect, Server, Versions};
use crate::entity::{EntityInfo, Syncable};
use crate::record::{OperationId, Payload, Problem, RecordKey, Refusal, Version};
use crate::remote::{
    Changed, Changes, Fetched, Heard, ListenRequest, Page, PageItem, PullRequest, Remote, RemoteError, Reply,
    TransientCause, WriteAnswer, WriteRequest,
};

/// How many hints wait for a listener at most.
const HINTS: usize = 1024;

/// How many calls are remembered.
const CALLS: usize = 100_000;

/// A server in memory that speaks the contract (versions, conflicts with the current record, idempotency keys,
/// tombstones, cursors, pages), and goes wrong when it is told to. Clones are the same server.
#[derive(Clone)]
pub struct ScriptedRemote(Arc<Mutex<State>>);

/// Behind a lock of its own, so that it may use the server that it is a script of.
type Script = Arc<Mutex<dyn FnMut(&Call) -> Fault + Send>>;

struct State {
    server: Server,
    calls: VecDeque<Call>,
    once: VecDeque<Fault>,
    script: Option<Script>,
}

impl State {
    fn note(&mut self, call: Call) {
        if self.calls.len() == CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// An operation.
    Write {
        /// The entity's name.
        entity: &'static str,
        /// The record's id.
        key: String,
        /// `create`, `update`, `overwrite` or `delete`.
        verb: &'static str,
        /// The operation's id: the idempotency key.
        operation: OperationId,
        /// The version that it was made on.
        if_match: Option<Version>,
        /// The record that it carries.
        payload: Option<Payload>,
    },
    /// A page.
    Pull {
        /// The entity's name.
        entity: &'static str,
        /// The cursor.
        since: Option<String>,
    },
    /// One record.
    Fetch {
        /// The entity's name.
        entity: &'static str,
        /// The record's id.
        key: String,
    },
    /// A connection over which the server [tells changes](ScriptedRemote::tell_changes).
    Listen {
        /// The entity's name.
        entity: &'static str,
    },
    /// Whether the server is there.
    Probe,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The server cannot be reached; nothing happens there.
    RequestLost,
    /// The request takes effect, and its answer is lost.
    AnswerLost,
    /// The request takes effect; its answer comes once the gate is opened.
    Hold(Gate),
    /// The request takes effect, and the answer asks to wait.
    ThenWait(Duration),
    /// Status 500, or another one that may pass.
    Transient(u16),
    /// A page of HTML with this 4xx: a firewall's, perhaps, or a framework's.
    WebPage(u16),
    /// Status 429.
    Throttled(Option<Duration>),
    /// Status 401.
    Unauthorized,
    /// Refused for good, with this status and explanation.
    Refused(u16, String),
    /// Refused with this status, and the answer asks to wait.
    RefusedThenWait(u16, Duration),
    /// 410 on a pull: the server no longer knows the cursor.
    CursorGone,
    /// An answer of no use.
    Protocol(String),
    /// 409 or 412 without the record.
    ConflictWithoutBody,
    /// An acceptance, whatever is there, whose body is this JSON and that tells no version: the server has made this of the
    /// record. What does not carry the record's id is only said, and nothing becomes of it there.
    AcceptedAs(String),
    /// A page in which this JSON stands as one more item.
    ExtraItem(String),
    /// Other items and cursor for a page: whatever a wrong server would say.
    Page(Box<Page>),
}

/// Holds an answer back until it is opened. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<(bool, usize)>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new((false, 0))))
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.0.send_modify(|state| state.0 = true);
    }

    /// Waits until this many requests stand before the gate.
    pub async fn reached(&self, requests: usize) {
        // The sender is in `self`, so the channel is open.
        let _ = self.0.subscribe().wait_for(|state| state.1 >= requests).await;
    }

    async fn pass(&self) {
        self.0.send_modify(|state| state.1 += 1);
        let _ = self.0.subscribe().wait_for(|state| state.0).await;
    }
}

impl Default for ScriptedRemote {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedRemote {
    /// An empty server on which nothing goes wrong.
    #[must_use]
    pub fn new() -> Self {
        let state =
            State { server: Server::default(), calls: VecDeque::new(), once: VecDeque::new(), script: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A server that neither tells nor checks versions.
    #[must_use]
    pub fn without_versions() -> Self {
        let remote = Self::new();
        remote.state().server.versions = Versions::Unknown;
        remote
    }

    /// From now on the server tells those who listen of every change.
    pub fn tell_changes(&self) {
        self.state().server.told.get_or_insert_with(|| broadcast::channel(HINTS).0);
    }

    /// From now on the server offers nothing to listen to, as before [`tell_changes`](Self::tell_changes). Who listens is cut off.
    pub fn tell_no_changes(&self) {
        self.state().server.told = None;
    }

    /// Cuts the connections of all who listen. They may connect again.
    pub fn hang_up(&self) {
        if let Some(told) = &mut self.state().server.told {
            *told = broadcast::channel(HINTS).0;
        }
    }

    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.state().server.told.as_ref().map_or(0, broadcast::Sender::receiver_count)
    }

    /// Lets the next request go wrong; called again, the one after that.
    pub fn once(&self, fault: Fault) {
        self.state().once.push_back(fault);
    }

    /// Decides for each request what goes wrong with it; [`once`](Self::once) comes first. The script may use the server, to
    /// write as another client for instance.
    pub fn script(&self, script: impl FnMut(&Call) -> Fault + Send + 'static) {
        let script: Script = Arc::new(Mutex::new(script));
        // Whatever the one before holds is dropped once the server can be used again.
        drop(self.state().script.replace(script));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.once.clear();
        let script = state.script.take();
        drop(state);
        drop(script);
    }

    /// Another client writes a record.
    ///
    /// # Panics
    /// When the record cannot be written as JSON, or its id cannot name one.
    pub fn put<T: Syncable>(&self, record: &T) {
        let key = RecordKey::of(record.id()).expect("the id of a record in a test names it");
        let payload = Payload::encode(record).expect("a record in a test is JSON");
        self.state().server.store(&T::ENTITY, key.as_str(), None, None, Some(payload));
    }

    /// Another client deletes a record.
    ///
    /// # Panics
    /// When the id cannot name a record.
    pub fn remove<T: Syncable>(&self, id: &T::Id) {
        let key = RecordKey::of(id).expect("the id of a record in a test names it");
        let id = serde_json::to_vec(id).expect("an id that names a record is JSON");
        self.state().server.store(&T::ENTITY, key.as_str(), Some(id.into()), None, None);
    }

    /// A record is gone and no tombstone tells of it, as after a server was set up anew.
    ///
    /// # Panics
    /// When the id cannot name a record.
    pub fn forget<T: Syncable>(&self, id: &T::Id) {
        let key = RecordKey::of(id).expect("the id of a record in a test names it");
        self.state().server.forget(T::ENTITY.name, key.as_str());
    }

    /// The records of an entity, by id.
    ///
    /// # Panics
    /// When a record cannot be read as `T`.
    #[must_use]
    pub fn records<T: Syncable>(&self) -> BTreeMap<String, T> {
        let values = self.state().server.values(T::ENTITY.name);
        let read =
            |payload: Payload| payload.decode().expect("the server of a test holds records of the entity");
        values.into_iter().map(|(key, payload)| (key, read(payload))).collect()
    }

    /// The requests that came in, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.iter().cloned().collect()
    }

    /// The writes of this device that took effect, in order.
    #[must_use]
    pub fn writes(&self) -> Vec<Effect> {
        self.effects().into_iter().filter(|effect| effect.operation.is_some()).collect()
    }

    /// The writes that took effect, in order, those of other clients included.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        self.state().server.effects.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request, and says what goes wrong with it.
    fn arrive(&self, call: Call) -> Fault {
        let mut state = self.state();
        let script = match (state.once.pop_front(), &state.script) {
            (None, Some(script)) => Arc::clone(script),
            (fault, _) => {
                state.note(call);
                return fault.unwrap_or_default();
            }
        };
        drop(state);
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = script(&call);
        // Noted in the order in which the script was asked.
        self.state().note(call);
        fault
    }

    /// Answers a request, or lets it go wrong.
    async fn answer<A: Send>(
        &self,
        url: &str,
        fault: Fault,
        take_effect: impl FnOnce(&mut Server) -> A + Send,
    ) -> Result<Reply<A>, RemoteError> {
        let url = url.to_owned();
        if let Some(error) = refusal(&fault, &url) {
            return Err(error);
        }
        let answer = take_effect(&mut self.state().server);
        match fault {
            Fault::AnswerLost => Err(lost(url, "the answer was lost")),
            Fault::Hold(gate) => {
                gate.pass().await;
                Ok(answer.into())
            }
            Fault::ThenWait(wait) => Ok(Reply { answer, retry_after: Some(wait) }),
            _ => Ok(answer.into()),
        }
    }
}

/// The fault as an error, when nothing takes effect.
fn refusal(fault: &Fault, url: &str) -> Option<RemoteError> {
    let url = url.to_owned();
    Some(match fault {
        Fault::RequestLost => lost(url, "the request was lost"),
        Fault::Transient(status) => transient(url, *status, TransientCause::Server),
        Fault::WebPage(status) => transient(url, *status, TransientCause::WebPage),
        Fault::Throttled(retry_after) => {
            RemoteError::Throttled { url, status: 429, retry_after: *retry_after }
        }
        Fault::Unauthorized => RemoteError::Unauthorized { url, reason: None, retry_after: None },
        Fault::Refused(status, detail) => {
            let problem = Some(Box::new(Problem { detail: Some(detail.clone()), ..Problem::default() }));
            RemoteError::Refused { url, refusal: Refusal { status: *status, problem }, retry_after: None }
        }
        Fault::RefusedThenWait(status, wait) => {
            let refusal = Refusal { status: *status, problem: None };
            RemoteError::Refused { url, refusal, retry_after: Some(*wait) }
        }
        Fault::CursorGone => RemoteError::CursorGone { url, retry_after: None },
        Fault::Protocol(reason) => {
            RemoteError::Protocol { url, reason: reason.clone(), retry_after: None, source: None }
        }
        _ => return None,
    })
}

fn transient(url: String, status: u16, cause: TransientCause) -> RemoteError {
    RemoteError::Transient { url, status, cause, problem: None, retry_after: None }
}

fn lost(url: String, reason: &str) -> RemoteError {
    RemoteError::Unreachable {
        url,
        reason: reason.to_owned(),
        retry_after: None,
        in_doubt: true,
        source: None,
    }
}

#[async_trait]
impl Remote for ScriptedRemote {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        let fault = self.arrive(Call::Write {
            entity: request.entity.name,
            key: request.key.to_string(),
            verb: request.write.verb(),
            operation: request.id,
            if_match: request.if_match.clone(),
            payload: request.write.payload().cloned(),
        });
        let url = format!("memory:{}/{}", request.entity.endpoint, request.key);
        match &fault {
            Fault::ConflictWithoutBody => {
                Ok(WriteAnswer::Conflict { version: None, body: None, problem: None }.into())
            }
            Fault::AcceptedAs(json) => Ok(self.state().server.accept_as(&request, json).into()),
            _ => self.answer(&url, fault, |server| server.write(&request)).await,
        }
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        let since = request.since.as_ref().map(ToString::to_string);
        let fault = self.arrive(Call::Pull { entity: request.entity.name, since });
        if let Fault::Page(page) = fault {
            return Ok((*page).into());
        }
        let extra = match &fault {
            Fault::ExtraItem(json) => Some(PageItem::Record { version: None, body: json.clone().into() }),
            _ => None,
        };
        let url = format!("memory:{}", request.entity.endpoint);
        let gone = RemoteError::CursorGone { url: url.clone(), retry_after: None };
        let reply = self
            .answer(&url, fault, |server| {
                let mut page = server.page(request.entity, request.since.as_ref(), request.limit)?;
                page.items.extend(extra);
                Some(page)
            })
            .await?;
        let Reply { answer, retry_after } = reply;
        Ok(Reply { answer: answer.ok_or(gone)?, retry_after })
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let fault = self.arrive(Call::Fetch { entity: entity.name, key: key.to_string() });
        let url = format!("memory:{}/{key}", entity.endpoint);
        self.answer(&url, fault, |server| server.fetch(entity, key)).await
    }

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        let Some(told) = self.state().server.told.as_ref().map(broadcast::Sender::subscribe) else {
            return Ok(None);
        };
        let entity = request.entity.name;
        let fault = self.arrive(Call::Listen { entity });
        self.answer("memory:changes", fault, |_| ()).await?;
        let hint = |changed| Some(Ok(Heard::Hint { event: None, changed }));
        let changes = BroadcastStream::new(told).filter_map(move |told| {
            std::future::ready(match told {
                Ok((of, changed)) if of == entity => hint(changed),
                Ok(_) => None,
                // Whoever is too slow has to look for itself.
                Err(_) => hint(Changed::Anything),
            })
        });
        Ok(Some(changes.boxed()))
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        let fault = self.arrive(Call::Probe);
        self.answer("memory:", fault, |_| ()).await.map(|_| ())
    }
}

impl fmt::Debug for ScriptedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedRemote")
    }
}
