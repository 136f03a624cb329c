//! Builds an engine.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::{Engine, Registry};
use crate::clock::{Chance, Clock, SystemClock};
use crate::connectivity::{AlwaysOnline, Connectivity};
use crate::engine::claim;
use crate::engine::core::{Core, Tried};
use crate::engine::entities::Entities;
use crate::engine::group::Groups;
use crate::engine::held;
use crate::engine::ledger::{Ledger, Tally};
use crate::engine::notes;
use crate::engine::pause::{self, Pause};
use crate::engine::receipt::Receipts;
use crate::engine::scope;
use crate::engine::settings::{RetryPolicy, Settings};
use crate::engine::shapes::{self, Left};
use crate::engine::suspects::Suspects;
use crate::engine::turn::EngineId;
use crate::entity::Schema;
use crate::error::Error;
use crate::record::{EntityName, Principal};
use crate::remote::Remote;
use crate::status::Status;
use crate::storage::{self, Storage};
use crate::telemetry::{Announcer, Telemetry};

/// Settings of an [`Engine`], all of them optional. From [`Engine::builder`].
#[must_use = "call `.build().await`"]
pub struct EngineBuilder<S> {
    schema: S,
    remote: Arc<dyn Remote>,
    storage: Arc<dyn Storage>,
    principal: Principal,
    settings: Settings,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    connectivity: Arc<dyn Connectivity>,
    telemetry: Option<Arc<dyn Telemetry>>,
}

impl<S: Schema> EngineBuilder<S> {
    pub(super) fn new(schema: S, remote: Arc<dyn Remote>, storage: Arc<dyn Storage>) -> Self {
        Self {
            schema,
            remote,
            storage,
            principal: Principal::default(),
            settings: Settings::default(),
            clock: Arc::new(SystemClock),
            seed: None,
            connectivity: Arc::new(AlwaysOnline::default()),
            telemetry: None,
        }
    }

    /// The account that the remote's credentials belong to. What was queued under another, or without one, is kept in the storage, and is
    /// sent once an engine is built for that account, or without one, again.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// How many operations, of different records, are sent at once. Default: 16; at least 1.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.settings.max_in_flight = requests.max(1);
        self
    }

    /// How many records a page is asked to have. Default: 500; at least 1.
    pub fn page_size(mut self, records: u32) -> Self {
        self.settings.page_size = records.max(1);
        self
    }

    /// How many pages of an entity one pull asks for, before the queue has its turn again; requests that only look whether a list has
    /// shifted, or ended, count as well. What comes after them is pulled by
    /// the next sync. Default: 10 000; at least 1.
    ///
    /// It is not for the pages of a listing of everything ([`Engine::resync`](crate::Engine::resync), a new scope, a server that tells no
    /// deletions): what is missing in a list is known at its end only, so one that is cut short is made again from the beginning, and
    /// that of a larger collection would never come to its end. A server's cursors that go round in a circle end it all the same.
    pub fn page_limit(mut self, pages: u32) -> Self {
        self.settings.page_limit = pages.max(1);
        self
    }

    /// How often in a row a conflict of one record is decided and sent in one sync, before it waits. Default: 5; at
    /// least 1.
    pub fn conflict_rounds(mut self, rounds: u32) -> Self {
        self.settings.conflict_rounds = rounds.max(1);
        self
    }

    /// When failed operations are tried again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Whether the device is online. Default: [`AlwaysOnline`].
    pub fn connectivity(mut self, connectivity: impl Connectivity) -> Self {
        self.connectivity = Arc::new(connectivity);
        self
    }

    /// Receives every event.
    pub fn telemetry(mut self, telemetry: impl Telemetry) -> Self {
        self.telemetry = Some(Arc::new(telemetry));
        self
    }

    /// Another clock, for tests. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes jitter and operation ids repeatable, for tests. Two engines with the same seed give the same ids, so never
    /// use it against a real server.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Takes the storage into possession and reads what is left to do. When it returns, every count is right.
    ///
    /// The engine lives on the tokio runtime that this is called on, of either kind: it works while that is driven. Its calls may come
    /// from other runtimes, and from outside of any; they come to their end while that one is driven. Once it has ended, nothing is synced
    /// any more ([`Error::ShutDown`]); what is edited or decided then is as durable as ever, and waits for the next engine.
    ///
    /// # Errors
    /// When the storage cannot be read or is in use; [`Error::DuplicateName`] when two entities have the same name, and
    /// [`Error::DuplicateEndpoint`] when they have the same endpoint and the [`Remote`] goes by that; [`Error::NewerData`] when a later
    /// version of the program has used the storage; [`Error::MovedId`] when another member has become the id of an entity;
    /// [`Error::NoRuntime`] outside of a tokio runtime.
    pub async fn build(self) -> Result<Engine<S>, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let ports = Registry::collect(self.schema, &*self.remote);
        let (mut names, mut endpoints) = (HashSet::new(), HashMap::new());
        for info in ports.iter().map(|port| port.info()) {
            if !names.insert(info.name) {
                return Err(Error::DuplicateName { name: info.entity_name() });
            }
            if let Some(first) = endpoints.insert(info.endpoint.trim_end_matches('/'), info)
                && self.remote.goes_by_endpoints()
            {
                let (first, second) = (first.entity_name(), info.entity_name());
                return Err(Error::DuplicateEndpoint { endpoint: info.endpoint, first, second });
            }
        }
        let lock = self.storage.lock()?;
        let entities = Arc::new(Entities::new(ports));
        let recovered = recover(&*self.storage, &self.principal, &entities).await?;
        warn_of_nobodys(&*self.storage, &self.principal).await?;
        let total = recovered.tally.total();
        let (queue_len, parked) = (total.waiting, total.parked);
        let status = Status { queue_len, parked, ..Status::default() };
        let id = EngineId::default();
        let core = Core {
            id,
            runtime,
            storage: self.storage,
            groups: Groups::default(),
            remote: self.remote,
            entities,
            principal: self.principal,
            settings: self.settings,
            clock: self.clock,
            chance: Arc::new(self.seed.map_or_else(Chance::from_entropy, Chance::from_seed)),
            receipts: Arc::new(Receipts::new(id)),
            announcer: Announcer::new(self.telemetry),
            online: self.connectivity.watch(),
            connectivity: self.connectivity,
            handlers: Semaphore::new(1),
            status: watch::Sender::new(status),
            is_oldest_in_doubt: AtomicBool::new(false),
            seq: Arc::new(AtomicU64::new(if planted!(NumbersStartAnew) { 0 } else { recovered.last_seq })),
            tally: Mutex::new(recovered.tally),
            watches: Arc::default(),
            pause: Arc::new(watch::Sender::new(recovered.pause)),
            suspects: Suspects::default(),
            given_up: Arc::default(),
            showing: Arc::default(),
            kept_by: watch::Sender::default(),
            closing: watch::Sender::new(false),
            lock,
        };
        shapes::finish(&core, recovered.left).await?;
        for entity in recovered.untidy {
            scope::tidy(&core, entity).await?;
        }
        core.refresh_status(core.held_by(), &Tried::Nothing).await?;
        Ok(Engine::start_driver(core))
    }
}

/// What the storage says is left to do.
struct Recovered {
    tally: Tally,
    last_seq: u64,
    pause: Option<Pause>,
    /// What follows where the structs of entities have changed.
    left: Left,
    /// Entities of which something outside of their scope may be there.
    untidy: Vec<EntityName>,
}

async fn recover(
    storage: &dyn Storage,
    principal: &Principal,
    entities: &Arc<Entities>,
) -> Result<Recovered, Error> {
    let entities = Arc::clone(entities);
    storage::transact(storage, principal, move |tx| {
        let ledger = &mut Ledger::new(tx, &entities);
        let (left, untidy) = (shapes::compare(ledger)?, scope::recover(ledger)?);
        held::recover(ledger)?;
        let tx = &mut *ledger.tx;
        for marker in entities.iter().filter_map(|port| claim::unlisted(&port.info().entity_name())) {
            tx.release(&marker)?;
        }
        Ok(Recovered {
            tally: if planted!(CountsStartAtZero) { Tally::default() } else { Tally::new(tx.counts()?) },
            last_seq: tx.last_seq()?,
            // A pause of which the note cannot be read ends with this start.
            pause: notes::read(tx, pause::NOTE)?,
            left,
            untidy,
        })
    })
    .await
}

/// Says what waits from the time before the program knew of accounts: nothing else tells of it, and this engine does not send it.
async fn warn_of_nobodys(storage: &dyn Storage, principal: &Principal) -> Result<(), Error> {
    let nobody = Principal::default();
    if *principal == nobody {
        return Ok(());
    }
    let counts = storage::transact::<_, Error, _>(storage, &nobody, |tx| Ok(tx.counts()?)).await?;
    let total = Tally::new(counts).total();
    if total.waiting + total.parked > 0 {
        tracing::warn!(
            waiting = total.waiting,
            parked = total.parked,
            %principal,
            "edits that were queued without an account are not sent for this one: an engine that is built without `principal` has them"
        );
    }
    Ok(())
}

impl<S> fmt::Debug for EngineBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("remote", &self.remote)
            .field("storage", &self.storage)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use serde::{Deserialize, Serialize};

    use crate::testing::ScriptedRemote;
    use crate::{Engine, Error, MemoryStorage, OnPull, Schema, Syncable};

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/notes", conflict = ServerWins)]
    struct Note {
        id: String,
    }

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/old-notes", conflict = ServerWins, name = "Note")]
    struct OldNote {
        id: String,
    }

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/notes", conflict = ServerWins)]
    struct Memo {
        id: String,
    }

    #[derive(Schema)]
    #[sync(entities(Note, OldNote))]
    struct App;
    impl OnPull<Note> for App {}
    impl OnPull<OldNote> for App {}

    #[derive(Schema)]
    #[sync(entities(Note, Memo))]
    struct Desk;
    impl OnPull<Note> for Desk {}
    impl OnPull<Memo> for Desk {}

    #[tokio::test]
    async fn two_entities_with_one_name_are_refused() {
        let built = Engine::builder(App, ScriptedRemote::new(), MemoryStorage::new()).build().await;
        let error = built.expect_err("each would take the other's records for its own");
        assert!(matches!(&error, Error::DuplicateName { name } if name.as_str() == "Note"), "{error:?}");
    }

    #[tokio::test]
    async fn two_entities_may_have_one_endpoint_where_a_remote_goes_by_their_names() {
        let built = Engine::builder(Desk, ScriptedRemote::new(), MemoryStorage::new()).build().await;
        drop(built.expect("it tells them apart"));
    }

    #[cfg(feature = "rest")]
    #[tokio::test]
    async fn two_entities_with_one_endpoint_are_refused_where_a_server_goes_by_that() {
        let remote = crate::RestRemote::new("http://127.0.0.1:9").expect("it is a URL");
        let built = Engine::builder(Desk, remote, MemoryStorage::new()).build().await;
        let error = built.expect_err("each would pull the other's records").to_string();
        for part in ["`/notes`", "`Note`", "`Memo`"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
