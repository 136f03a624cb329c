//! Any bytes as a script for a device: the same stories as those of the property tests, for a fuzzer to steer.

use sync::record::ParkReason;

use crate::device::{Device, Event, Strategy};
use crate::server::{Habits, Kind};

/// Longer scripts find nothing that shorter ones do not.
const LONGEST: usize = 300;

/// Plays a script: the first byte says how server and strategy behave, the second how a deferred conflict is answered, and what the
/// records are like, and each other one is an event. Panics when an invariant does not hold.
pub fn play(data: &[u8]) {
    let Some((&[manner, answer], script)) = data.split_first_chunk() else { return };
    let habits = Habits { versions: manner & 1 != 0, idempotency: manner & 2 != 0, echoes: manner & 4 != 0 };
    let strategies = [Strategy::Never, Strategy::Local, Strategy::Remote, Strategy::Merge, Strategy::Defer];
    let strategy = strategies[usize::from(manner >> 3) % strategies.len()];
    let kind = Kind {
        forgets_base: answer & 32 != 0,
        is_stamped: answer & 64 != 0,
        is_shuffled: answer & 64 != 0,
        has_grown: answer & 128 != 0,
    };
    let mut device = Device::new(habits, kind, strategy);
    for (number, byte) in (0..).zip(script.iter().take(LONGEST)) {
        if let Some(event) = event(*byte, number, strategy) {
            device.step(event);
        }
    }
    device.drain();
    match strategy {
        Strategy::Never => {
            assert_eq!(device.server.value(), device.list.last().copied().flatten());
            device.assert_one_effect();
        }
        Strategy::Local | Strategy::Remote => {
            device.step(Event::Pull);
            device.assert_known();
        }
        Strategy::Merge => {}
        Strategy::Defer => {
            device.assert_nothing_lost();
            device.answer(answer % 4);
            device.drain();
        }
    }
    // What ran out of attempts waits for the user, and a strategy that defers does not take it up again.
    let exhausted = device
        .record
        .parked
        .as_ref()
        .is_some_and(|parked| matches!(parked.reason, ParkReason::Exhausted { .. }));
    assert!(!device.record.is_pending() || strategy == Strategy::Merge || exhausted);
    device.assert_nothing_lost();
}

fn event(byte: u8, number: u32, strategy: Strategy) -> Option<Event> {
    let foreign = strategy != Strategy::Never;
    Some(match byte % 12 {
        0 => Event::Save(number),
        1 => Event::Delete,
        2 => Event::Launch,
        3 => Event::Exchange,
        4 => Event::RequestLost,
        5 => Event::AnswerLost,
        6 => Event::Fail(0),
        7 => Event::Pull,
        8 => Event::Restart,
        9 if foreign => Event::ForeignSave(1000 + number),
        10 if foreign => Event::ForeignDelete,
        11 if strategy == Strategy::Merge => Event::Refuse,
        _ => return None,
    })
}
