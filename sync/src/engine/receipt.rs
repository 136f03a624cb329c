//! What became of one push.

use std::collections::HashMap;
use std::collections::btree_map::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::turn::EngineId;
use crate::record::{OperationId, RecordRef};

/// What a push or a deletion gave: the edit is durable. It can be dropped at once, or asked what became of it.
#[derive(Debug)]
pub struct Receipt {
    id: OperationId,
    record: RecordRef,
    watch: Watch,
}

#[derive(Debug)]
enum Watch {
    /// There is nothing to wait for: what was deleted had never been sent.
    Done,
    Waiting {
        place: Place,
        news: oneshot::Receiver<Fate>,
        receipts: Weak<Receipts>,
    },
}

/// Why the server does not have an edit, and will not have it without the user's doing; or why that cannot be waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSynced {
    /// The operation is parked: see [`Engine::parked`](crate::Engine::parked), and for a conflict that was deferred
    /// [`Engine::conflicts`](crate::Engine::conflicts).
    #[error(
        "{record} is parked; look at it with `engine.parked()`, then `retry`, `discard` or push a corrected record; a conflict that was deferred is in `engine.conflicts()` and waits for `answer`"
    )]
    Parked {
        /// The record.
        record: RecordRef,
    },
    /// A conflict was decided against the edit: for the server's side, or for none of what was edited; against a deletion, for a record.
    #[error("a conflict about {record} was decided against the edit")]
    Overruled {
        /// The record.
        record: RecordRef,
    },
    /// It was discarded, or deleted before it was ever sent.
    #[error("the edit of {record} was taken back before the server had it")]
    TakenBack {
        /// The record.
        record: RecordRef,
    },
    /// It was asked in a handler or strategy of the engine, which the sync waits for. The edit is durable, and is sent after that.
    #[error(
        "a handler cannot wait until the edit of {record} is synced, since the sync waits for the handler; the edit is durable and is sent after that, so wait for it in a task of its own, or not at all"
    )]
    InHandler {
        /// The record.
        record: RecordRef,
    },
    /// The engine is gone. The edit is durable, and is sent by the next one.
    #[error(
        "the engine was closed before the edit of {record} was sent; it is durable and is sent by the next engine"
    )]
    Closed {
        /// The record.
        record: RecordRef,
    },
}

impl Receipt {
    /// The id of the operation that the edit was queued as. What the server gets may have another one: where a later edit of the record
    /// takes its place before it is sent, or a conflict is decided, the edit goes on in an operation of its own.
    #[must_use]
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &RecordRef {
        &self.record
    }

    /// Waits until the server has the edit, alone, as part of a later one or merged with somebody else's: as long as nothing syncs, for
    /// ever.
    ///
    /// # Errors
    /// Why the server will not have it without the user's doing; [`NotSynced::InHandler`] in a handler or strategy of the engine, which
    /// the sync waits for.
    pub async fn synced(mut self) -> Result<(), NotSynced> {
        let record = self.record.clone();
        let Watch::Waiting { news, receipts, .. } = &mut self.watch else {
            return Ok(());
        };
        let fate = match news.try_recv() {
            Err(TryRecvError::Empty) => {
                if receipts.upgrade().is_some_and(|receipts| receipts.engine.is_in_a_handler()) {
                    return Err(NotSynced::InHandler { record });
                }
                news.await.ok()
            }
            known => known.ok(),
        };
        match fate {
            Some(Fate::Through) => Ok(()),
            Some(Fate::Parked) => Err(NotSynced::Parked { record }),
            Some(Fate::Overruled) => Err(NotSynced::Overruled { record }),
            Some(Fate::TakenBack) => Err(NotSynced::TakenBack { record }),
            None => Err(NotSynced::Closed { record }),
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Watch::Waiting { place, receipts, .. } = &self.watch
            && let Some(receipts) = receipts.upgrade()
        {
            receipts.forget(&self.record, *place);
        }
    }
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Through,
    Parked,
    Overruled,
    TakenBack,
}

/// The receipts that somebody still holds. Nothing is kept for those that were dropped.
#[derive(Debug)]
pub(crate) struct Receipts {
    engine: EngineId,
    book: Mutex<Book>,
    issued: AtomicU64,
}

#[derive(Debug, Default)]
struct Book {
    waiting: HashMap<RecordRef, Edits>,
    /// Nobody tells anything any more, so nothing is entered.
    is_closed: bool,
}

/// The receipts that a transaction has given out. Unless they are kept, its edits are said to be taken back: it came to nothing.
#[derive(Debug)]
pub(crate) struct Issued {
    receipts: Arc<Receipts>,
    places: Vec<(RecordRef, Place)>,
}

impl Issued {
    pub(crate) fn new(receipts: &Arc<Receipts>) -> Self {
        Self { receipts: Arc::clone(receipts), places: Vec::new() }
    }

    pub(crate) fn add(&mut self, receipt: &Receipt) {
        if let Watch::Waiting { place, .. } = &receipt.watch {
            self.places.push((receipt.record.clone(), *place));
        }
    }

    /// The transaction is durable.
    pub(crate) fn keep(mut self) {
        self.places.clear();
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        for (record, place) in self.places.drain(..) {
            if let Some(sender) = self.receipts.forget(&record, place) {
                // Whoever dropped the receipt meanwhile does not want to know.
                let _ = sender.send(Fate::TakenBack);
            }
        }
    }
}

/// The edit's revision, and a number that tells the receipts of one edit apart.
type Place = (u64, u64);

type Edits = BTreeMap<Place, oneshot::Sender<Fate>>;

impl Receipts {
    pub(crate) fn new(engine: EngineId) -> Self {
        Self { engine, book: Mutex::default(), issued: AtomicU64::new(0) }
    }

    pub(crate) fn issue(self: &Arc<Self>, id: OperationId, record: RecordRef, revision: u64) -> Receipt {
        let (sender, news) = oneshot::channel();
        let place = (revision, self.issued.fetch_add(1, Ordering::Relaxed));
        let mut book = self.book();
        if !book.is_closed {
            book.waiting.entry(record.clone()).or_default().insert(place, sender);
        }
        drop(book);
        Receipt { id, record, watch: Watch::Waiting { place, news, receipts: Arc::downgrade(self) } }
    }

    pub(crate) fn done(id: OperationId, record: RecordRef) -> Receipt {
        Receipt { id, record, watch: Watch::Done }
    }

    /// Tells all edits of a record up to a revision what became of them.
    pub(crate) fn tell(&self, record: &RecordRef, through: u64, fate: Fate) {
        self.tell_those(record, 0, through, fate);
    }

    /// Tells the edits after the one that is under way, up to a revision, that they were taken back.
    pub(crate) fn take_back(&self, record: &RecordRef, under_way: Option<u64>, through: u64) {
        let from = under_way.map_or(0, |revision| revision.saturating_add(1));
        self.tell_those(record, from, through, Fate::TakenBack);
    }

    fn tell_those(&self, record: &RecordRef, from: u64, through: u64, fate: Fate) {
        let mut book = self.book();
        let Some(edits) = book.waiting.get_mut(record) else { return };
        let later = through.checked_add(1).map(|next| edits.split_off(&(next, 0))).unwrap_or_default();
        let told = edits.split_off(&(from, 0));
        edits.extend(later);
        if edits.is_empty() {
            book.waiting.remove(record);
        }
        drop(book);
        for sender in told.into_values() {
            // Whoever dropped the receipt meanwhile does not want to know.
            let _ = sender.send(fate);
        }
    }

    /// Nobody tells anything any more, also of what is issued from now on.
    pub(crate) fn close(&self) {
        let closed = Book { waiting: HashMap::new(), is_closed: true };
        let before = std::mem::replace(&mut *self.book(), closed);
        drop(before);
    }

    fn forget(&self, record: &RecordRef, place: Place) -> Option<oneshot::Sender<Fate>> {
        let mut book = self.book();
        let edits = book.waiting.get_mut(record)?;
        let forgotten = edits.remove(&place);
        if edits.is_empty() {
            book.waiting.remove(record);
        }
        forgotten
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
