//! What the server tells on its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{AutoSync, Events, MemoryStorage, SyncEvent};
use sync_tests::entities::{Note, note, task};

use crate::device::Device;

/// Nothing is pulled unless the server tells to.
const LISTENING: AutoSync =
    AutoSync { flush_after: Duration::from_millis(300), pull_every: None, listen: true };

/// A device that listens, and what it did from then on.
async fn listening(server: &ScriptedRemote) -> (Device, Events) {
    server.tell_changes();
    let device = Device::with(server, MemoryStorage::new(), |builder| builder).await;
    let mut events = device.engine.events();
    device.engine.start(LISTENING);
    // A connection begins with a pull of each entity.
    while server.listeners() < 2 || pulls(server) < 2 {
        events.next().await.unwrap();
    }
    (device, events)
}

async fn next_sync(events: &mut Events) {
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
}

fn pulls(server: &ScriptedRemote) -> usize {
    server.calls().iter().filter(|call| matches!(call, Call::Pull { .. })).count()
}

/// Lets everything happen that happens without anything new.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_pulled_as_soon_as_the_server_tells_of_it() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    a_while().await;
    let (before, told) = (pulls(&server), tokio::time::Instant::now());
    server.put(&note("theirs", "x", 0));
    while device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
    assert_eq!(told.elapsed(), Duration::ZERO, "no timer was waited for");
    a_while().await;
    assert_eq!(pulls(&server), before + 1, "and only its entity was pulled");
    server.remove::<Note>(&"theirs".to_owned());
    while !device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_writes_coming_back_cost_no_pull() {
    let server = ScriptedRemote::new();
    let (device, _events) = listening(&server).await;
    a_while().await;
    let before = pulls(&server);
    device.engine.push(&note("a", "x", 0)).await.unwrap().synced().await.unwrap();
    device.engine.push(&note("a", "y", 1)).await.unwrap().synced().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap().synced().await.unwrap();
    a_while().await;
    assert_eq!(server.writes().len(), 3);
    assert_eq!(pulls(&server), before);
}

#[tokio::test(start_paused = true)]
async fn hints_that_come_while_a_sync_runs_are_folded_into_one_more_pull() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    a_while().await;
    let before = pulls(&server);
    let gate = Gate::new();
    server.once(Fault::Hold(gate.clone()));
    server.put(&note("first", "x", 0));
    gate.reached(1).await;
    for number in 0..1000 {
        server.put(&note(&number.to_string(), "x", 0));
    }
    gate.open();
    while device.app.state().notes.len() < 1001 {
        next_sync(&mut events).await;
    }
    a_while().await;
    assert!(pulls(&server) <= before + 4, "{} pulls", pulls(&server) - before);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_lost_is_made_again_and_begins_with_a_pull() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    a_while().await;
    server.hang_up();
    // Told to nobody.
    server.put(&note("missed", "x", 0));
    while device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
    a_while().await;
    assert_eq!(server.listeners(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_at_once_is_asked_again_less_and_less_often() {
    let server = ScriptedRemote::new();
    let (_device, _events) = listening(&server).await;
    let hanging_up = {
        let server = server.clone();
        tokio::spawn(async move {
            loop {
                server.hang_up();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    };
    let before = pulls(&server);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    hanging_up.abort();
    assert!(pulls(&server) - before < 200, "{} pulls in an hour", pulls(&server) - before);
}

/// As a proxy does with a connection on which nothing is said.
#[tokio::test(start_paused = true)]
async fn a_quiet_connection_that_is_cut_each_minute_is_made_again_each_minute() {
    let server = ScriptedRemote::new();
    let (_device, _events) = listening(&server).await;
    let listens = || server.calls().iter().filter(|call| matches!(call, Call::Listen { .. })).count();
    let before = listens();
    for _ in 0..60 {
        a_while().await;
        server.hang_up();
    }
    assert!(listens() - before > 100, "{} connections of two entities in an hour", listens() - before);
}

/// While it is set up anew, it has nothing to listen to.
#[tokio::test(start_paused = true)]
async fn a_server_that_told_changes_before_is_asked_again_when_it_does_not() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    server.tell_no_changes();
    a_while().await;
    server.tell_changes();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.listeners(), 2);
    server.put(&note("theirs", "x", 0));
    while device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
}

/// A router may take the address for that of a record whose id is wrong, or that nobody may see.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_to_tell_changes_is_not_asked_for_ever() {
    is_not_asked_for_ever(Fault::Refused(400, "no such id".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_with_a_page_ten_times_is_not_asked_for_again() {
    is_not_asked_for_ever(Fault::WebPage(400)).await;
}

async fn is_not_asked_for_ever(refusal: Fault) {
    let server = ScriptedRemote::new();
    server.tell_changes();
    server.script(move |call| match call {
        Call::Listen { .. } => refusal.clone(),
        _ => Fault::None,
    });
    let device = Device::with(&server, MemoryStorage::new(), |builder| builder).await;
    device.engine.start(LISTENING);
    let listens = || server.calls().iter().filter(|call| matches!(call, Call::Listen { .. })).count();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!((6..=20).contains(&listens()), "{} requests of two entities in an hour", listens());
    let before = listens();
    server.heal();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(listens(), before);
    device.engine.start(AutoSync { listen: false, ..LISTENING });
    a_while().await;
    device.engine.start(LISTENING);
    a_while().await;
    assert_eq!(server.listeners(), 2, "until it is begun anew");
}

/// Its database may be getting on its feet.
#[tokio::test(start_paused = true)]
async fn a_server_that_fails_at_first_is_asked_for_changes_again() {
    let server = ScriptedRemote::new();
    server.tell_changes();
    server.script(move |call| match call {
        Call::Listen { .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    let device = Device::with(&server, MemoryStorage::new(), |builder| builder).await;
    device.engine.start(LISTENING);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    server.heal();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.listeners(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_told_changes_before_is_asked_again_whatever_it_says() {
    let server = ScriptedRemote::new();
    let (_device, _events) = listening(&server).await;
    server.script(|call| match call {
        Call::Listen { .. } => Fault::Refused(403, "not now".to_owned()),
        _ => Fault::None,
    });
    server.hang_up();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    server.heal();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.listeners(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_was_told_to_and_failed_is_tried_again() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    a_while().await;
    server.once(Fault::RequestLost);
    server.put(&note("theirs", "x", 0));
    device.clock.advance(chrono::TimeDelta::hours(1));
    while device.app.state().notes.is_empty() {
        device.clock.advance(chrono::TimeDelta::seconds(1));
        events.next().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_pulled_puts_off_no_other() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    server.script(|call| match call {
        Call::Pull { entity: "Task", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    server.put(&task(1, None, "theirs"));
    a_while().await;
    for minute in 0..20 {
        let told = tokio::time::Instant::now();
        server.put(&note("theirs", "x", minute));
        while device.app.state().notes.get("theirs") != Some(&note("theirs", "x", minute)) {
            events.next().await.unwrap();
        }
        assert_eq!(told.elapsed(), Duration::ZERO, "no timer was waited for");
    }
    server.heal();
    a_while().await;
    assert_eq!(device.app.state().tasks.len(), 1, "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_while_the_device_is_offline() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    device.switch.set_online(false);
    a_while().await;
    assert_eq!(server.listeners(), 0);
    server.put(&note("theirs", "x", 0));
    device.switch.set_online(true);
    while device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
    assert_eq!(server.listeners(), 2);
}

/// What connections came to was in another network.
#[tokio::test(start_paused = true)]
async fn who_comes_online_listens_at_once_however_long_nobody_could() {
    let server = ScriptedRemote::new();
    let (device, _events) = listening(&server).await;
    server.script(|_| Fault::RequestLost);
    server.hang_up();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    device.switch.set_online(false);
    a_while().await;
    server.heal();
    device.switch.set_online(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.listeners(), 2);
}

/// A hook for credentials, say.
#[tokio::test(start_paused = true)]
async fn who_panics_while_connecting_listens_after_that_all_the_same() {
    let server = ScriptedRemote::new();
    let (device, mut events) = listening(&server).await;
    let panics = AtomicU32::new(0);
    server.script(move |call| {
        let connects = matches!(call, Call::Listen { entity: "Note" });
        assert!(!connects || panics.fetch_add(1, Ordering::Relaxed) >= 3, "the hook has no answer");
        Fault::None
    });
    server.hang_up();
    a_while().await;
    assert_eq!(server.listeners(), 2);
    server.put(&note("theirs", "x", 0));
    while device.app.state().notes.is_empty() {
        events.next().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn listening_ends_with_the_engine() {
    let server = ScriptedRemote::new();
    let (device, events) = listening(&server).await;
    device.engine.shutdown().await;
    a_while().await;
    assert_eq!(server.listeners(), 0, "after a shutdown");
    let (device, more) = listening(&server).await;
    drop((device, events, more));
    a_while().await;
    assert_eq!(server.listeners(), 0, "after the last engine was dropped");
}

#[tokio::test(start_paused = true)]
async fn listening_can_be_switched_off() {
    let server = ScriptedRemote::new();
    let (device, _events) = listening(&server).await;
    device.engine.start(AutoSync { listen: false, ..LISTENING });
    a_while().await;
    assert_eq!(server.listeners(), 0);
}
