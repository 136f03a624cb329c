//! Whether the device is online.

#[cfg(feature = "network")]
mod network;

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

#[cfg(feature = "network")]
pub use self::network::NetworkConnectivity;
use crate::engine::settings::SHORTEST_INTERVAL;
use crate::remote::Remote;

/// Tells whether the device is online.
///
/// While it is not, nothing is sent and no operation loses an attempt; when it comes online, a started engine flushes at once,
/// and pulls everything where it does that by itself ([`AutoSync::pull_every`](crate::AutoSync::pull_every)).
pub trait Connectivity: Debug + Send + Sync + 'static {
    /// Whether the device is online, now and whenever that changes. What is told again is no change. A closed channel keeps its last value.
    fn watch(&self) -> watch::Receiver<bool>;
}

/// The changes of `online`, until nobody listens or there will be none: a channel also notifies of a value that was sent again. It takes
/// a task, since whoever looks only now and then sees no difference between that and a device that was offline meanwhile.
///
/// # Panics
/// Outside a tokio runtime.
pub(crate) fn changes(mut online: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (sender, changes) = watch::channel(*online.borrow());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                // In one order, so that a simulation is repeatable.
                biased;
                () = sender.closed() => return,
                changed = online.changed() => if changed.is_err() { return },
            }
            tell(&sender, *online.borrow());
        }
    });
    changes
}

/// Tells whether the device is online, where that is news.
fn tell(sender: &watch::Sender<bool>, online: bool) {
    sender.send_if_modified(|current| std::mem::replace(current, online) != online);
}

/// The device is always online, as far as anyone knows: the requests will tell. The default.
#[derive(Debug)]
pub struct AlwaysOnline(watch::Sender<bool>);

impl Default for AlwaysOnline {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Connectivity for AlwaysOnline {
    fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

/// A switch, for a platform that tells, for a "work offline" button, and for tests. Clones are the same switch.
///
/// ```
/// let switch = sync::ManualConnectivity::new(false);
/// let in_the_engine = switch.clone();
/// switch.set_online(true);
/// ```
#[derive(Debug, Clone)]
pub struct ManualConnectivity(Arc<watch::Sender<bool>>);

impl ManualConnectivity {
    /// A switch in the given position.
    #[must_use]
    pub fn new(online: bool) -> Self {
        Self(Arc::new(watch::Sender::new(online)))
    }

    /// Says that the device is online, or is not.
    pub fn set_online(&self, online: bool) {
        tell(&self.0, online);
    }
}

impl Connectivity for ManualConnectivity {
    fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

/// Asks the server itself from time to time ([`Remote::probe`]).
#[derive(Debug)]
pub struct ServerProbe {
    online: Arc<watch::Sender<bool>>,
    task: AbortHandle,
}

impl ServerProbe {
    /// Starts to ask `remote` every `interval` (100 milliseconds at least), at once for the first time. Stops when it is dropped.
    /// Until the first answer the device counts as online.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(remote: Arc<dyn Remote>, interval: Duration) -> Self {
        let online = Arc::new(watch::Sender::new(true));
        let sender = Arc::clone(&online);
        let task = tokio::spawn(async move {
            loop {
                let probed = AssertUnwindSafe(remote.probe()).catch_unwind().await;
                if probed.is_err() {
                    // Code of the user's. Without a probe, the last word would stand for ever.
                    tracing::warn!("the probe panicked; it is tried again");
                }
                tell(&sender, matches!(probed, Ok(Ok(()))));
                tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
            }
        });
        Self { online, task: task.abort_handle() }
    }
}

impl Connectivity for ServerProbe {
    fn watch(&self) -> watch::Receiver<bool> {
        self.online.subscribe()
    }
}

impl Drop for ServerProbe {
    fn drop(&mut self) {
        self.task.abort();
    }
}
