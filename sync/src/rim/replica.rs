//! Reading the records that the engine keeps.

use std::collections::VecDeque;
use std::marker::PhantomData;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::engine::{Engine, Pending};
use super::entity::{Facts, decode, name_of};
use super::parked::unreadable;
use crate::engine::core::Core;
use crate::engine::kept::{self, Kept};
use crate::engine::ledger::Ledger;
use crate::engine::{scope, sweep};
use crate::entity::{EntityOf, Schema, Syncable};
use crate::error::Error;
use crate::record::{IdError, Payload, RecordRef};
use crate::replica::{Filter, Query, Replicated};
use crate::report::SyncReport;
use crate::storage::{Search, StorageError};

/// How many records one transaction reads when a list is asked for.
pub(super) const PAGE: usize = 500;

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
            view.map(|view| read::<T>(&name, &view)).transpose()
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
        let (core, pages) = (self.core(), Pages::new(&query.into()));
        stream::unfold(Some(pages), move |pages| async move {
            let mut pages = pages?;
            match pages.next(core).await {
                Ok(None) => None,
                Ok(Some((name, kept))) => {
                    let record = kept.map_err(Error::from).and_then(|kept| read::<T>(&name, &kept.view));
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
    /// As [`pull_only`](Self::pull_only), [`Error::InHandler`] among them. Where the wish could be written down, the next pull makes up
    /// for it.
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
    /// - [`Error::Scope`]: a value cannot be written as JSON;
    /// - [`Error::Storage`]: the storage fails. Where the scope was written down by then, it holds, and the next engine lets go what is
    ///   outside of it.
    /// - [`Error::ShutDown`]: the engine was shut down.
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
    /// What the next page is asked for with; `None` once the last one was read.
    search: Option<Result<Search, IdError>>,
    left: usize,
    page: VecDeque<Row>,
    of: PhantomData<fn() -> T>,
}

/// A record of a page, or what is wrong with its row.
type Row = (RecordRef, Result<Kept, StorageError>);

impl<T: Replicated> Pages<T> {
    pub(super) fn new(query: &Query<T>) -> Self {
        let left = query.limit.unwrap_or(usize::MAX);
        Self { search: Some(query.search(PAGE.min(left))), left, page: VecDeque::new(), of: PhantomData }
    }

    /// The next record, read in a transaction of its page's own.
    pub(super) async fn next(&mut self, core: &Core) -> Result<Option<Row>, Error> {
        while let Some(search) = self.wanted()? {
            let entity = T::INFO.entity_name();
            let page =
                core.transact::<_, Error, _>(move |ledger| Ok(kept::page(ledger, &entity, search)?)).await?;
            self.turn(page);
        }
        Ok(self.pop())
    }

    /// The next record, read in a transaction that is under way.
    pub(super) fn next_in(&mut self, ledger: &mut Ledger<'_>) -> Result<Option<Row>, Error> {
        while let Some(search) = self.wanted()? {
            self.turn(kept::page(ledger, &T::INFO.entity_name(), search)?);
        }
        Ok(self.pop())
    }

    /// What has to be searched for before there is a next record.
    fn wanted(&mut self) -> Result<Option<Search>, Error> {
        if !self.page.is_empty() || self.left == 0 {
            return Ok(None);
        }
        let search = self.search.take().transpose();
        search.map_err(|source| Error::Id { entity: T::INFO.entity_name(), source })
    }

    fn turn(&mut self, (page, next): kept::Page) {
        self.page = page.into();
        self.search = next.map(Ok);
    }

    fn pop(&mut self) -> Option<Row> {
        self.left = self.left.checked_sub(1)?;
        self.page.pop_front()
    }
}

/// Reads how a record looks here as its type.
pub(super) fn read<T: Syncable>(name: &RecordRef, view: &Payload) -> Result<T, Error> {
    decode::<T>(&name.key, view).map_err(|error| unreadable(name, &error, None))
}
