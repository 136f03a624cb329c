//! The pure core against a model that coalesces nothing.
//!
//! The model keeps every edit in a list and knows what sending them one by one would give. A server of a few lines answers the
//! core; requests and answers get lost, fail or are refused, time goes by and the clock is set, versions are pulled at any time, somebody
//! else writes in between, and the server may set, order and fill in members itself.
//!
//! `queueing`, `sending`, `answers`, `pulls` and `decisions` say of each function what it makes of which row, and `names` what the
//! texts are: the properties hold in the end, these at each step.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod answers;
mod decisions;
mod device;
mod each;
mod family;
mod names;
mod pulls;
mod queueing;
mod rows;
mod script;
mod sending;
mod server;

use proptest::prelude::*;

use device::{Device, Event, Strategy as Chooses};
use server::{Habits, Kind};

fn habits() -> impl Strategy<Value = Habits> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(versions, idempotency, echoes)| Habits {
        versions,
        idempotency,
        echoes,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    any::<[bool; 4]>().prop_map(|[forgets_base, is_stamped, is_shuffled, has_grown]| Kind {
        forgets_base,
        is_stamped,
        is_shuffled,
        has_grown,
    })
}

/// What the user, the network and the puller do. `Foreign…` events are those of another device.
fn event(foreign: bool, refusals: bool) -> impl Strategy<Value = Event> {
    let own = prop_oneof![
        6 => (0..1000_u32).prop_map(Event::Save),
        2 => Just(Event::Delete),
        1 => Just(Event::DeleteAnyway),
        5 => Just(Event::Exchange),
        2 => Just(Event::RequestLost),
        3 => Just(Event::AnswerLost),
        1 => any::<u8>().prop_map(Event::Fail),
        1 => any::<u8>().prop_map(Event::Postpone),
        2 => (0..300_i32).prop_map(Event::Pass),
        1 => (-100_000..100_000_i32).prop_map(Event::Pass),
        3 => Just(Event::Pull),
        2 => Just(Event::Launch),
        2 => Just(Event::Restart),
    ];
    let theirs = if foreign {
        prop_oneof![3 => (1000..2000_u32).prop_map(Event::ForeignSave), 1 => Just(Event::ForeignDelete)]
            .boxed()
    } else {
        Just(Event::Pull).boxed()
    };
    let refused = if refusals { Just(Event::Refuse).boxed() } else { Just(Event::Exchange).boxed() };
    prop_oneof![8 => own, 2 => theirs, 1 => refused]
}

fn events(foreign: bool, refusals: bool) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(foreign, refusals), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 1, 2, 3, 5 and 6: with one writer, the server ends where the list of edits ends, whatever was lost or
    /// refused on the way, and the device is never asked to decide a conflict with itself.
    #[test]
    fn the_coalesced_record_ends_where_the_list_of_edits_ends(habits in habits(), kind in kind(), events in events(false, true)) {
        let mut device = Device::new(habits, kind, Chooses::Never);
        for event in events {
            device.step(event);
        }
        device.drain();
        prop_assert_eq!(device.server.value(), device.list.last().copied().flatten());
        prop_assert!(!device.record.is_pending());
        device.assert_one_effect();
    }

    /// Invariants 1, 2, 6 and 9 with somebody else writing, the local side winning each conflict: the newest local edit is
    /// on the server in the end, unless somebody wrote after it was there.
    #[test]
    fn a_local_edit_survives_every_conflict_that_it_wins(habits in habits(), kind in kind(), events in events(true, true)) {
        let mut device = Device::new(habits, kind, Chooses::Local);
        for event in events {
            device.step(event);
        }
        device.drain();
        device.step(Event::Pull);
        prop_assert!(!device.record.is_pending());
        device.assert_known();
        device.assert_nothing_lost();
    }

    /// Invariant 9: the server's side stands where the strategy says so, and the device then knows the server's version.
    #[test]
    fn the_device_and_the_server_agree_after_conflicts_that_the_server_wins(
        habits in habits(),
        kind in kind(),
        events in events(true, true),
    ) {
        let mut device = Device::new(habits, kind, Chooses::Remote);
        for event in events {
            device.step(event);
        }
        device.drain();
        device.step(Event::Pull);
        prop_assert!(!device.record.is_pending());
        device.assert_known();
        device.assert_nothing_lost();
    }

    /// Invariant 1: what the server refuses, and what ran out of attempts, is kept whole until the user decides.
    #[test]
    fn a_refused_edit_is_kept_whole(habits in habits(), kind in kind(), events in events(true, true)) {
        let mut device = Device::new(habits, kind, Chooses::Merge);
        for event in events {
            device.step(event);
        }
        device.drain();
        device.assert_nothing_lost();
    }

    /// A conflict that was left to the user holds both sides, and any answer to it settles the record.
    #[test]
    fn a_deferred_conflict_keeps_both_sides_until_it_is_answered(
        habits in habits(),
        kind in kind(),
        events in events(true, false),
        answer in 0..4_u8,
    ) {
        let mut device = Device::new(habits, kind, Chooses::Defer);
        for event in events {
            device.step(event);
        }
        device.drain();
        device.assert_nothing_lost();
        device.answer(answer);
        device.drain();
        prop_assert!(!device.record.is_pending());
        device.assert_nothing_lost();
    }
}

/// Scripts that a fuzzer found worth keeping (`fuzz/`, target `events`).
#[test]
fn scripts_that_were_kept_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/events");
    let mut inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "only {} inputs were kept", inputs.len());
    for input in inputs {
        // Told when it panics, and only then.
        println!("{}", input.display());
        script::play(&std::fs::read(&input).unwrap());
    }
}
