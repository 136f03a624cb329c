//! Futures that come to their end also when whoever waits for them stops.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs a future, and leaves the rest of it to the runtime when it is dropped on the way. For what a storage has taken
/// over, and so does anyway: it has to be counted, and the background has to hear of it.
pub(crate) struct ToItsEnd<R: Send + 'static>(Option<BoxFuture<'static, R>>);

impl<R: Send + 'static> ToItsEnd<R> {
    pub(crate) fn new(future: impl Future<Output = R> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<R: Send + 'static> Future for ToItsEnd<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let answer = std::task::ready!(future.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(answer)
    }
}

impl<R: Send + 'static> Drop for ToItsEnd<R> {
    fn drop(&mut self) {
        // Without a runtime nothing runs any more, and the next engine counts.
        if let (Some(rest), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { drop(rest.await) });
        }
    }
}
