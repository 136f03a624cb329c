//! A record that refers to another one: by what the core says of the two, the server never gets a child whose parent it does not have.
//!
//! What the engine does around the core is a few lines here: before a child is sent, the parent's row is asked whether it admits
//! children, and a deletion waits for what took its place in the outbox before it and refers to the record, or did.

use proptest::prelude::*;
use sync::record::{Intention, Record, RecordRef, Write};

use crate::device::{Device, Event, Strategy as Chooses};
use crate::rows::name;
use crate::server::{Habits, Kind, value};

#[derive(Debug)]
struct Family {
    parent: Device,
    child: Device,
}

/// Whether a child with this value says that it is under the parent.
fn is_under(value: u32) -> bool {
    !value.is_multiple_of(3)
}

fn sends(event: Event) -> bool {
    matches!(
        event,
        Event::Launch | Event::Exchange | Event::RequestLost | Event::AnswerLost | Event::Postpone(_)
    )
}

fn refers(intention: &Intention, to: &RecordRef) -> bool {
    intention.references.contains(to) || intention.leaves.contains(to)
}

/// What of a record waits to be sent.
fn waiting(record: &Record) -> impl Iterator<Item = &Intention> {
    record.flight.iter().map(|flight| &flight.intention).chain(&record.queued)
}

impl Family {
    fn new(habits: Habits) -> Self {
        let device = || Device::new(habits, Kind::default(), Chooses::Never);
        Self { parent: device(), child: device() }
    }

    /// Whether the parent is there for the user, who then may put a child under it.
    fn shows_parent(&self) -> bool {
        self.parent.list.last().copied().flatten().is_some()
    }

    fn step(&mut self, of_child: bool, event: Event) {
        if of_child {
            self.child_step(event);
        } else {
            let leaves = matches!(event, Event::Delete | Event::DeleteAnyway);
            if leaves && self.child.list.last().copied().flatten().is_some_and(is_under) {
                // The user moves the child away before.
                self.child_step(Event::Save(0));
            }
            if !(sends(event) && self.parent_waits()) {
                self.parent.count_from(&self.child);
                self.parent.step(event);
            }
        }
        // A child that says it is under the parent has one.
        let is_orphan =
            self.child.server.value().is_some_and(is_under) && self.parent.server.value().is_none();
        assert!(!is_orphan, "{self:#?}");
    }

    fn child_step(&mut self, event: Event) {
        let event = match event {
            // There is nothing to be seen that it could be put under.
            Event::Save(number) if is_under(number) && !self.shows_parent() => Event::Save(number / 3 * 3),
            event => event,
        };
        if sends(event) && self.child_waits() {
            return;
        }
        let under = matches!(event, Event::Save(number) if is_under(number));
        self.child.refers_to = if under { vec![name("parent")] } else { Vec::new() };
        self.child.count_from(&self.parent);
        self.child.step(event);
        let Record { base: Some(base), queued: Some(queued), .. } = &mut self.child.record else { return };
        // It leaves what the server's copy is under.
        if base.value.as_ref().map(value).is_some_and(is_under) && !refers(queued, &name("parent")) {
            queued.leaves.push(name("parent"));
        }
    }

    fn child_waits(&self) -> bool {
        let oldest = self.child.record.oldest_waiting();
        let refers = oldest.is_some_and(|oldest| oldest.references.contains(&name("parent")));
        refers && !self.parent.record.admits_children()
    }

    fn parent_waits(&self) -> bool {
        let Some(oldest) = self.parent.record.oldest_waiting() else { return false };
        let deletes = oldest.write == Write::Delete && self.parent.record.admits_children();
        let place = oldest.decided.unwrap_or(oldest.revision);
        deletes && waiting(&self.child.record).any(|one| one.seq < place && refers(one, &name("parent")))
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..30_u32).prop_map(Event::Save),
        2 => Just(Event::Delete),
        6 => Just(Event::Exchange),
        1 => Just(Event::RequestLost),
        2 => Just(Event::AnswerLost),
        1 => (0..9_u8).prop_map(Event::Postpone),
        1 => Just(Event::Pull),
        1 => Just(Event::Launch),
        2 => (0..9_i32).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_child_is_never_on_the_server_without_its_parent(
        events in prop::collection::vec((any::<bool>(), event()), 0..80),
        versions in any::<bool>(),
    ) {
        let mut family = Family::new(Habits { versions, idempotency: true, echoes: true });
        for (of_child, event) in events {
            family.step(of_child, event);
        }
        for _ in 0..20 {
            for of_child in [false, true] {
                family.step(of_child, Event::Pass(9));
                family.step(of_child, Event::Exchange);
            }
        }
        prop_assert!(!family.child.record.is_pending() && !family.parent.record.is_pending(), "they wait for each other: {:#?}", family);
    }
}
