//! What a sync tells while it runs: events, and who receives them.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::error::SyncError;
use crate::record::{EntityName, OperationId, RecordRef, Refusal};
use crate::report::SyncReport;
use crate::status::Status;

/// How many events a slow receiver may be behind before it misses some.
const BACKLOG: usize = 1024;

/// Something that happened in a sync. Never carries a payload or a credential; but with what words a server refuses an operation
/// ([`Refusal`]), and a handler fails, is up to them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SyncEvent {
    /// The server took an operation.
    Pushed {
        /// The record.
        record: RecordRef,
        /// The operation.
        operation: OperationId,
    },
    /// An operation waits for the user.
    Parked {
        /// The record.
        record: RecordRef,
        /// The operation. A conflict that was deferred has another one once the server's side changes.
        operation: OperationId,
        /// What the server said; `None` when attempts ran out or a conflict was deferred.
        refusal: Option<Refusal>,
    },
    /// Two sides changed a record, and it was decided, or deferred to the user.
    Conflict {
        /// The record.
        record: RecordRef,
        /// What was decided.
        verdict: Verdict,
    },
    /// All pages of an entity were pulled.
    Pulled {
        /// The entity.
        entity: EntityName,
        /// How many changes there were.
        changes: u64,
    },
    /// The pull of an entity was stopped. What it had taken over stays, and the next one goes on behind that. An entity to which a sync
    /// does not come has none (the server asked to wait, the storage failed): [`SyncComplete`](Self::SyncComplete) is the end of every sync.
    PullFailed {
        /// The entity.
        entity: EntityName,
        /// Why.
        error: Arc<SyncError>,
    },
    /// A page was pulled and handed over.
    PageProgress {
        /// The entity.
        entity: EntityName,
        /// How many changes there were so far, in this pull.
        changes: u64,
        /// Whether more pages follow.
        has_more: bool,
    },
    /// Something went wrong; what it concerns waits.
    Failed(Arc<SyncError>),
    /// A sync came to its end.
    SyncComplete(SyncReport),
    /// How the engine is doing: when a sync begins and when it ends, and when its state changes in between. Not with every edit that is
    /// queued: for an indicator of what waits, use [`Engine::watch_status`](crate::Engine::watch_status).
    Status(Status),
    /// This receiver was too slow and missed this many events.
    Missed(u64),
}

/// What was decided about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server's side stands.
    TookRemote,
    /// The local side is sent.
    KeptLocal,
    /// A merged record is sent, unless it is what the server has already.
    Merged,
    /// The record is deleted.
    Deleted,
    /// The user is to decide.
    Deferred,
}

/// Receives every event, for logs and metrics.
///
/// It is called on a thread of its own: neither a panic nor a delay in it disturbs a sync. When it is too slow, events
/// are dropped and counted ([`SyncEvent::Missed`]).
///
/// ```
/// use sync::{SyncEvent, Telemetry};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Telemetry for Log {
///     fn on_event(&self, event: &SyncEvent) {
///         eprintln!("{event:?}");
///     }
/// }
/// ```
pub trait Telemetry: Debug + Send + Sync + 'static {
    /// Takes note of an event.
    fn on_event(&self, event: &SyncEvent);
}

/// A stream of events, from the moment it was asked for. It ends with the engine.
#[derive(Debug)]
pub struct Events(BroadcastStream<SyncEvent>);

impl Stream for Events {
    type Item = SyncEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<SyncEvent>> {
        Pin::new(&mut self.0).poll_next(context).map(|next| {
            next.map(|event| {
                event.unwrap_or_else(|BroadcastStreamRecvError::Lagged(missed)| SyncEvent::Missed(missed))
            })
        })
    }
}

/// Hands events to streams and telemetry, and waits for neither.
#[derive(Debug)]
pub(crate) struct Announcer {
    streams: broadcast::Sender<SyncEvent>,
    telemetry: Option<TelemetryThread>,
}

impl Announcer {
    pub(crate) fn new(telemetry: Option<Arc<dyn Telemetry>>) -> Self {
        let (streams, _) = broadcast::channel(BACKLOG);
        Self { streams, telemetry: telemetry.and_then(TelemetryThread::start) }
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events(BroadcastStream::new(self.streams.subscribe()))
    }

    pub(crate) fn announce(&self, event: SyncEvent) {
        if let Some(telemetry) = &self.telemetry {
            telemetry.pass_on(&event);
        }
        // Nobody listening is no error.
        let _ = self.streams.send(event);
    }
}

#[derive(Debug)]
struct TelemetryThread {
    inbox: SyncSender<SyncEvent>,
    missed: std::sync::atomic::AtomicU64,
}

impl TelemetryThread {
    /// Without a thread there is no telemetry; the sync goes on all the same.
    fn start(telemetry: Arc<dyn Telemetry>) -> Option<Self> {
        let (inbox, events) = sync_channel::<SyncEvent>(BACKLOG);
        let started = std::thread::Builder::new().name("sync-telemetry".into()).spawn(move || {
            for event in events {
                let told =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| telemetry.on_event(&event)));
                if told.is_err() {
                    tracing::warn!("the telemetry panicked; the sync is not affected");
                }
            }
        });
        match started {
            Ok(_) => Some(Self { inbox, missed: std::sync::atomic::AtomicU64::new(0) }),
            Err(error) => {
                tracing::warn!(%error, "no thread for telemetry could be started");
                None
            }
        }
    }

    fn pass_on(&self, event: &SyncEvent) {
        use std::sync::atomic::Ordering::Relaxed;
        let missed = self.missed.swap(0, Relaxed);
        if missed > 0 && self.inbox.try_send(SyncEvent::Missed(missed)).is_err() {
            self.missed.fetch_add(missed, Relaxed);
        }
        if let Err(TrySendError::Full(_)) = self.inbox.try_send(event.clone()) {
            self.missed.fetch_add(1, Relaxed);
        }
    }
}
