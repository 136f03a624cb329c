//! The system tells when the device's addresses change.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt};
use if_watch::tokio::IfWatcher;
use if_watch::{IfEvent, IpNet};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Connectivity;

/// Online while the device has an address that can reach others, as the system tells it (Linux, macOS, iOS, Windows; elsewhere it
/// looks from time to time). A started engine flushes and pulls as soon as the connection is back.
///
/// Should the system ever stop to tell, the device counts as online from then on.
///
/// An address does not prove that the server can be reached: the requests will tell. And a server on the device itself can be
/// reached without one, so this is not for trying things out against `localhost` on a plane.
///
/// ```no_run
/// use sync::{Connectivity, NetworkConnectivity};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let network = NetworkConnectivity::start()?; // for `EngineBuilder::connectivity`
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct NetworkConnectivity {
    online: Arc<watch::Sender<bool>>,
    task: AbortHandle,
}

impl NetworkConnectivity {
    /// Begins to listen to the system. Stops when it is dropped. Until the system's first word, which comes at once, the device
    /// counts as online.
    ///
    /// # Errors
    /// When the system does not tell.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> io::Result<Self> {
        let watcher = IfWatcher::new()?;
        let online = Arc::new(watch::Sender::new(true));
        let task = tokio::spawn(follow(watcher, Arc::clone(&online)));
        Ok(Self { online, task: task.abort_handle() })
    }
}

/// Tells whether the device is online for as long as the system tells its addresses.
async fn follow(mut told: impl Stream<Item = io::Result<IfEvent>> + Unpin, online: Arc<watch::Sender<bool>>) {
    let tell = |now| super::tell(&online, now);
    let mut addresses = Addresses::default();
    while let Some(Ok(event)) = told.next().await {
        addresses.take(event);
        // What comes together is one change.
        while let Some(Some(Ok(event))) = told.next().now_or_never() {
            addresses.take(event);
        }
        tell(addresses.reach_others());
    }
    tracing::warn!(
        "the system does not tell the device's addresses any more: it counts as online from now on"
    );
    // Its last word may have been that there is none, and nobody would ever take that back.
    tell(true);
}

impl Connectivity for NetworkConnectivity {
    fn watch(&self) -> watch::Receiver<bool> {
        self.online.subscribe()
    }
}

impl Drop for NetworkConnectivity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The device's addresses with which others can be reached.
#[derive(Debug, Default)]
struct Addresses(BTreeSet<IpNet>);

impl Addresses {
    fn take(&mut self, event: IfEvent) {
        match event {
            IfEvent::Up(net) if leads_out(net.addr()) => drop(self.0.insert(net)),
            IfEvent::Up(_) => {}
            IfEvent::Down(net) => drop(self.0.remove(&net)),
        }
    }

    fn reach_others(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Whether it is more than an address of the device for itself, or one that it gave itself for want of a better (RFC 3927, RFC 4291).
fn leads_out(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_loopback() && !address.is_link_local() && !address.is_unspecified()
        }
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unicast_link_local() && !address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("the address is a valid one")
    }

    #[test]
    fn the_device_is_online_while_an_address_leads_out() {
        let mut addresses = Addresses::default();
        for own in ["127.0.0.1/8", "::1/128", "169.254.7.7/16", "fe80::1/64"] {
            addresses.take(IfEvent::Up(net(own)));
            assert!(!addresses.reach_others(), "{own}");
        }
        addresses.take(IfEvent::Up(net("192.168.1.7/24")));
        addresses.take(IfEvent::Up(net("2001:db8::7/64")));
        addresses.take(IfEvent::Down(net("192.168.1.7/24")));
        assert!(addresses.reach_others(), "one of two is left");
        addresses.take(IfEvent::Down(net("2001:db8::7/64")));
        assert!(!addresses.reach_others());
    }

    #[tokio::test]
    async fn a_system_that_stops_to_tell_leaves_the_device_online() {
        let (up, down) = (IfEvent::Up(net("192.168.1.7/24")), IfEvent::Down(net("192.168.1.7/24")));
        let broken = || Err(io::Error::other("the socket is gone"));
        for end in [None, Some(broken())] {
            let told = futures::stream::iter([Ok(up), Ok(down)]).chain(futures::stream::iter(end));
            let online = Arc::new(watch::Sender::new(true));
            follow(told, Arc::clone(&online)).await;
            assert!(*online.borrow(), "the requests will tell");
        }
    }

    #[tokio::test]
    async fn the_system_is_listened_to_until_the_connectivity_is_dropped() {
        let network = NetworkConnectivity::start().expect("the system tells");
        let mut online = network.watch();
        drop(network);
        // The sender is dropped with the task.
        while online.changed().await.is_ok() {}
    }
}
