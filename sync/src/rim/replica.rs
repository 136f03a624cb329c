//! Reading the records that the engine keeps.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::engine::{Engine, Pending};
use super::entity::{Facts, decode, name_of};
use super::parked::unreadable;
use crate::engine::core::Core;
use crate::engine::kept::{self, Kept};
use crate::engine::{scope, sweep};
use crate::entity::{EntityOf, Schema, Syncable};
use crate::error::Error;
use crate::record::RecordRef;
use crate::replica::{Filter, Query, Replicated};
use crate::report::SyncReport;
use crate::storage::{Search, StorageError};

/// How many records one transaction reads when a list is asked for.
const PAGE: usize = 500;

impl<S: Schema> Engine<S> {
    /// A record as it looks on this device: what the server has, with the edits that wait on top.
    ///
    /// # Errors
    /// When the id cannot name a record, the storage fails, or what is stored cannot be read as `T`.
    #[must_use = "nothing happens before it is awaited"]
    pub fn get<T: EntityOf<S> + Replicated>(&self, id: &T::Id) -> Pending<'_, Option<T>> {
        let name = name_of::<T>(id);
        Box::pin(async move {
            let name = name?;
            let of = name.clone();
            let view =
                self.core().transact::<_, Error, _>(move |ledger| Ok(kept::view(ledger, &of)?)).await?;
            view.map(|view| decode::<T>(&view).map_err(|error| unreadable(&name, &error))).transpose()
        })
    }

    /// Every record, in the order of their ids as text. For many, [`iter`](Self::iter) holds a page at a time.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn all<T: EntityOf<S> + Replicated>(&self) -> Result<Vec<T>, Error> {
        self.query(Query::new()).await
    }

    /// Every record, in the order of their ids as text, read page by page. An edit that is made meanwhile is seen where it is ahead.
    #[must_use = "nothing is read before the stream is"]
    #[expect(
        clippy::iter_not_returning_iterator,
        reason = "a storage is read asynchronously, so it is a stream"
    )]
    pub fn iter<T: EntityOf<S> + Replicated>(&self) -> BoxStream<'_, Result<T, Error>> {
        self.stream(Query::new())
    }

    /// How many records there are. Counts the rows, and decodes none but those with pending edits.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn count<T: EntityOf<S> + Replicated>(&self) -> Result<u64, Error> {
        let entity = T::INFO.entity_name();
        self.core().transact::<_, Error, _>(move |ledger| Ok(kept::count(ledger, &entity)?)).await
    }

    /// The records that are asked for. Up to 500 of them are read in one transaction, as they were at one moment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn query<T: EntityOf<S> + Replicated>(
        &self,
        query: impl Into<Query<T>>,
    ) -> Result<Vec<T>, Error> {
        self.stream(query).try_collect().await
    }

    /// The records that are asked for, read page by page. A record that cannot be read is an error among them, and the others
    /// follow; when the storage fails, that is the last item.
    pub fn stream<T: EntityOf<S> + Replicated>(
        &self,
        query: impl Into<Query<T>>,
    ) -> BoxStream<'_, Result<T, Error>> {
        let (core, pages) = (self.core(), Pages::new(query.into()));
        stream::unfold(Some(pages), move |pages| async move {
            let mut pages = pages?;
            match pages.next_kept(core).await {
                Ok(None) => None,
                Ok(Some((name, kept))) => {
                    let record = kept.map_err(Error::from).and_then(|kept| read::<T>(&name, &kept));
                    Some((record, Some(pages)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl<S: Schema> Engine<S> {
    /// Pulls everything of an entity anew, without touching edits that wait; records that the server no longer has
    /// disappear. For a server that was set up anew, or after anything else that makes one doubt.
    ///
    /// It is kept on disk that this is to be done: what is cut short begins anew with the next pull.
    ///
    /// # Errors
    /// As [`pull_only`](Self::pull_only).
    pub async fn resync<T: EntityOf<S>>(&self) -> Result<SyncReport, Error> {
        sweep::resync(self.core(), T::INFO.entity_name()).await?;
        self.pull_only::<T>().await
    }

    /// Keeps only the records for which all the filters hold: each pull asks for them alone, in the server's own way
    /// ([`ScopeDialect`](crate::remote::rest::ScopeDialect)), and what is outside is let go, from this device and not from
    /// the server. What has an edit that waits stays until that is through. Without filters, every record is kept again.
    ///
    /// A record that was let go is not known here any more: to change it all the same, say that it exists, with
    /// [`push_as`](Self::push_as) and [`Operation::Update`](crate::Operation).
    ///
    /// The scope is kept on disk, and the next engine goes on with it. A new one is filled by the next pull.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use sync::{Engine, Schema, Syncable};
    /// # #[derive(Clone, Serialize, Deserialize, Syncable)]
    /// # #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    /// # struct Card { id: String, #[sync(index)] board: String }
    /// # #[derive(Schema)]
    /// # #[sync(entities(Card))]
    /// # struct App;
    /// # async fn example(engine: Engine<App>) -> Result<(), Box<dyn std::error::Error>> {
    /// engine.set_scope([Card::BOARD.eq("garden")]).await?;
    /// engine.pull_only::<Card>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When a value cannot be written as JSON, or the storage fails.
    pub async fn set_scope<T: EntityOf<S> + Replicated>(
        &self,
        filters: impl IntoIterator<Item = Filter<T>>,
    ) -> Result<(), Error> {
        let entity = T::INFO.entity_name();
        let terms: Result<Vec<_>, _> = filters.into_iter().map(Filter::into_term).collect();
        let terms = terms.map_err(|source| Error::Scope { entity: entity.clone(), source })?;
        self.change(|core| async move { Ok(scope::set(&core, entity, terms).await?) }).await
    }
}

/// The way through the pages of a query.
pub(super) struct Pages<T> {
    query: Query<T>,
    /// `None` once the last page was read.
    search: Option<Search>,
    begun: bool,
    left: usize,
    page: VecDeque<(RecordRef, Result<Kept, StorageError>)>,
}

impl<T: Replicated> Pages<T> {
    pub(super) fn new(query: Query<T>) -> Self {
        let left = query.limit.unwrap_or(usize::MAX);
        Self { query, search: None, begun: false, left, page: VecDeque::new() }
    }

    /// The next record.
    pub(super) async fn next_kept(
        &mut self,
        core: &Core,
    ) -> Result<Option<(RecordRef, Result<Kept, StorageError>)>, Error> {
        if !self.begun {
            self.begun = true;
            let search = self.query.search(PAGE.min(self.left));
            self.search = Some(search.map_err(|source| Error::Id { entity: T::INFO.entity_name(), source })?);
        }
        while self.page.is_empty() && self.left > 0 {
            let Some(search) = self.search.take() else { return Ok(None) };
            let entity = T::INFO.entity_name();
            let (page, next) =
                core.transact::<_, Error, _>(move |ledger| Ok(kept::page(ledger, &entity, search)?)).await?;
            self.page = page.into();
            self.search = next;
        }
        let next = self.page.pop_front().filter(|_| self.left > 0);
        self.left = self.left.saturating_sub(1);
        Ok(next)
    }
}

/// Reads a record as its type.
pub(super) fn read<T: Syncable>(name: &RecordRef, kept: &Kept) -> Result<T, Error> {
    decode::<T>(&kept.view).map_err(|error| unreadable(name, &error))
}
