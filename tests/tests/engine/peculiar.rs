//! Servers with a peculiarity that no fault of the scripted one is.

use std::fmt;

use async_trait::async_trait;
use sync::record::{RecordKey, Write};
use sync::remote::{Changes, Fetched, ListenRequest, Page, PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::testing::ScriptedRemote;
use sync::{EntityInfo, Remote, RemoteError};

/// The scripted server, but for what is told otherwise.
#[async_trait]
pub(crate) trait Peculiar: fmt::Debug + Send + Sync + 'static {
    fn server(&self) -> &ScriptedRemote;

    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.server().send(request).await
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.server().fetch(entity, key).await
    }

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        self.server().changes(request).await
    }

    fn reads_first(&self) -> bool {
        false
    }
}

/// What the engine is given.
#[derive(Debug)]
pub(crate) struct Server<P>(pub(crate) P);

#[async_trait]
impl<P: Peculiar> Remote for Server<P> {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.0.send(request).await
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        self.0.server().pull(request).await
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.0.fetch(entity, key).await
    }

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        self.0.changes(request).await
    }

    fn reads_first(&self, _: &Write) -> bool {
        self.0.reads_first()
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.0.server().probe().await
    }
}
