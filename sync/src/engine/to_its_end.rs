//! Futures that come to their end also when whoever waits for them stops.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::core::Core;

/// Runs a future, and leaves the rest of it to the runtime of the engine when it is dropped on the way. For what a storage has taken
/// over, and so does anyway: it has to be counted, and the background has to hear of it.
pub(crate) struct ToItsEnd<R: Send + 'static> {
    future: Option<BoxFuture<'static, R>>,
    runtime: Handle,
    kept_by: watch::Sender<()>,
}

impl<R: Send + 'static> ToItsEnd<R> {
    pub(crate) fn new(core: &Core, future: impl Future<Output = R> + Send + 'static) -> Self {
        let (runtime, kept_by) = (core.runtime.clone(), core.kept_by.clone());
        Self { future: Some(Box::pin(future)), runtime, kept_by }
    }
}

impl<R: Send + 'static> Future for ToItsEnd<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let answer = std::task::ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(answer)
    }
}

impl<R: Send + 'static> Drop for ToItsEnd<R> {
    fn drop(&mut self) {
        if let Some(rest) = self.future.take() {
            let keeps = self.kept_by.subscribe();
            // A runtime that has ended drops it: the next engine counts.
            self.runtime.spawn(async move {
                drop(rest.await);
                drop(keeps);
            });
        }
    }
}
