//! Live changes over HTTP: the ways in which servers tell them, and hints as they come.

mod events;
mod guard;
mod long_poll;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::base_url::BaseUrl;
use super::dialect::LiveDialect;
use super::exchange::Exchange;
use crate::remote::{Changed, Changes, Heard, ListenRequest, RemoteError};

/// Begins to listen; `None` when the server tells nothing.
pub(super) async fn changes(
    base: &BaseUrl,
    exchange: &Arc<Exchange>,
    dialect: &LiveDialect,
    request: &ListenRequest,
) -> Result<Option<Changes>, RemoteError> {
    match dialect {
        LiveDialect::Nothing => Ok(None),
        LiveDialect::Poll { every } => Ok(Some(poll(*every))),
        LiveDialect::LongPoll(dialect) => long_poll::listen(base, exchange, dialect, request).map(Some),
        LiveDialect::ServerSentEvents { path } => events::listen(base, exchange, path, request).await,
    }
}

/// For servers that tell nothing: a hint from time to time.
fn poll(every: Duration) -> Changes {
    stream::unfold((), move |()| async move {
        tokio::time::sleep(every).await;
        Some((Ok(Heard::Hint { event: None, changed: Changed::Anything }), ()))
    })
    .boxed()
}
