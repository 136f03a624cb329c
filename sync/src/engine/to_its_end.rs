//! Futures that come to their end also when whoever waits for them stops.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tracing::Instrument;

use super::core::Core;
use super::turn;

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

/// Runs a future as a task of the engine's runtime from now on, whether anybody looks at what this answers or not: for what others
/// would wait for. Once that runtime has ended, whoever awaits the answer gets what is left, and moves it on.
pub(crate) fn by_itself<R, F>(core: &Core, future: F) -> impl Future<Output = R> + Send + use<R, F>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let (caller, left) = oneshot::channel();
    let future = turn::from_here(future).in_current_span().boxed();
    core.runtime.spawn(ByItself { left: Some((future, caller)), _keeps: core.kept_by.subscribe() });
    async move { left.await.expect("the task sends it as it is dropped").await }
}

/// The task. It leaves its future to the caller, with the answer in it once there is one.
struct ByItself<R: Send + 'static> {
    left: Option<(BoxFuture<'static, R>, oneshot::Sender<BoxFuture<'static, R>>)>,
    /// Dropped after the future.
    _keeps: watch::Receiver<()>,
}

impl<R: Send + 'static> Future for ByItself<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some((future, _)) = &mut self.left {
            let answer = std::task::ready!(future.as_mut().poll(context));
            // What the future keeps is dropped before anybody hears of it.
            *future = ready(answer).boxed();
        }
        Poll::Ready(())
    }
}

impl<R: Send + 'static> Drop for ByItself<R> {
    fn drop(&mut self) {
        if let Some((left, caller)) = self.left.take() {
            // Whoever stopped waiting does not want to know; and of what is left without a runtime, nothing can be done.
            let _ = caller.send(left);
        }
    }
}
