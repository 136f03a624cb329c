//! Each of the four functions by itself, on any row: what it says of the row is so, and what is none of its business stays.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::option;
use proptest::prelude::*;
use sync::record::{
    Base, Edit, Enqueued, Failure, Flight, Intention, Next, Outcome, ParkReason, Payload, Rebased, Record,
    RecordRef, Refusal, Sent, ServerCopy, Settled, Version, Write, enqueue, launch, next, rebase, settle,
};

use crate::rows::{FORGETS, KEEPS, aside, at, flight, intention, name, parked, refused, stamp};
use crate::server::{Kind, payload};

const HORIZON: TimeDelta = TimeDelta::seconds(60);

/// The number of the edit, or the answer, that comes next.
const NEXT: u64 = 90;

fn some_payload() -> impl Strategy<Value = Payload> {
    (0..4_u32).prop_map(payload)
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        some_payload().prop_map(Write::Create),
        some_payload().prop_map(Write::Update),
        some_payload().prop_map(Write::Overwrite),
        Just(Write::Delete),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    (1..4_u32).prop_map(|number| Version::new(number.to_string()))
}

fn parents() -> impl Strategy<Value = Vec<RecordRef>> {
    prop::collection::btree_set("[p-s]", 0..3).prop_map(|keys| keys.iter().map(|key| name(key)).collect())
}

fn due() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    option::of((0..300_i64).prop_map(at))
}

fn some_intention(number: u64) -> impl Strategy<Value = Intention> {
    let echoes = prop::collection::vec(option::of(some_payload()), 0..3);
    (write(), parents(), parents(), due(), echoes, any::<bool>()).prop_map(
        move |(write, references, leaves, not_before, echoes, crossed)| {
            let references = if write == Write::Delete { Vec::new() } else { references };
            let leaves = leaves.into_iter().filter(|parent| !references.contains(parent)).collect();
            Intention { references, leaves, not_before, echoes, crossed, ..intention(number, write) }
        },
    )
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![Just(Sent::NotTaken), Just(Sent::UnderWay), Just(Sent::InDoubt)]
}

fn some_flight() -> impl Strategy<Value = Flight> {
    (some_intention(1), option::of(version()), 0..3_u32, due(), sent()).prop_map(
        |(intention, if_match, attempts, due, sent)| Flight {
            if_match,
            attempts,
            due,
            sent,
            ..Flight { intention, ..flight(1, Write::Delete) }
        },
    )
}

fn some_base() -> impl Strategy<Value = Option<Base>> {
    let told = prop_oneof![
        version().prop_map(|version| (Some(version), None)),
        (option::of(version()), some_payload()).prop_map(|(version, value)| (version, Some(value))),
    ];
    option::of(told.prop_map(|(version, value)| Base { version, value }))
}

/// What a row can be: a flight, an edit behind it, or a parked operation alone.
fn row() -> impl Strategy<Value = Record> {
    let reason = prop_oneof![Just(refused()), copy().prop_map(|remote| ParkReason::Deferred { remote })];
    let pending = prop_oneof![
        1 => Just(Record::default()),
        2 => some_intention(2).prop_map(|queued| Record { queued: Some(queued), ..Record::default() }),
        2 => some_flight().prop_map(|flight| Record { flight: Some(flight), ..Record::default() }),
        3 => (some_flight(), some_intention(2)).prop_map(|(flight, queued)| Record {
            flight: Some(flight),
            queued: Some(queued),
            ..Record::default()
        }),
        2 => (some_intention(1), reason)
            .prop_map(|(one, reason)| {
                let mut parked = parked(1, Write::Delete, reason);
                parked.intention = one;
                aside(parked)
            }),
    ];
    (some_base(), pending, any::<bool>()).prop_map(|(base, pending, is_blocked)| {
        let waits = pending.flight.is_some() || pending.queued.is_some();
        Record { base, blocked_on: (is_blocked && waits).then(|| name("p")), ..pending }
    })
}

fn copy() -> impl Strategy<Value = ServerCopy> {
    prop_oneof![
        1 => Just(ServerCopy::Deleted),
        3 => (option::of(version()), some_payload())
            .prop_map(|(version, value)| ServerCopy::Present { version, value }),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (some_payload(), parents()).prop_map(|(value, references)| Edit::Save(value, references)),
        1 => (some_payload(), parents()).prop_map(|(value, references)| Edit::Create(value, references)),
        1 => (some_payload(), parents()).prop_map(|(value, references)| Edit::Update(value, references)),
        2 => Just(Edit::Delete),
        1 => Just(Edit::DeleteAnyway),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let accepted = (option::of(version()), option::of(some_payload()))
        .prop_map(|(version, copy)| Outcome::Accepted { version, copy });
    prop_oneof![
        2 => accepted,
        3 => copy().prop_map(|remote| Outcome::Conflict { remote }),
        1 => any::<bool>().prop_map(|not_taken| {
            Outcome::Refused { refusal: Refusal { status: 422, problem: None }, not_taken }
        }),
        1 => any::<bool>()
            .prop_map(|not_taken| Outcome::Failed { failure: Failure::Postponed { until: at(500) }, not_taken }),
        2 => (1..5_u32, any::<bool>()).prop_map(|(limit, not_taken)| {
            let failure = Failure::Counted { until: at(500), limit, reason: "status 500".into() };
            Outcome::Failed { failure, not_taken }
        }),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    any::<bool>().prop_map(|forgets_base| Kind { forgets_base, ..Kind::default() })
}

/// Whether the attempt left nothing on the server.
fn is_not_taken(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { not_taken: true, .. } | Outcome::Failed { not_taken: true, .. })
}

/// What the user sees of a row that waits.
fn seen(record: &Record) -> Option<(u64, Option<Payload>)> {
    record.newest().map(|newest| (newest.revision, newest.write.payload().cloned()))
}

fn ancestor(record: &Record) -> Option<Payload> {
    record.base.as_ref().and_then(|base| base.value.clone())
}

fn parents_of(intention: &Intention) -> impl Iterator<Item = &RecordRef> {
    intention.references.iter().chain(&intention.leaves)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_is_the_newest_and_leaves_alone_what_is_under_way(before in row(), edit in edit()) {
        let (value, references) = match &edit {
            Edit::Save(value, references) | Edit::Create(value, references) | Edit::Update(value, references) => {
                (Some(value.clone()), references.clone())
            }
            Edit::Delete | Edit::DeleteAnyway => (None, Vec::new()),
        };
        let (after, enqueued) = enqueue(before.clone(), edit.clone(), stamp(NEXT));
        prop_assert_eq!((&after.base, &after.flight), (&before.base, &before.flight));
        prop_assert_eq!((after.parked, after.blocked_on), (None, None));
        match enqueued {
            Enqueued::Queued => {
                let queued = after.queued.unwrap();
                prop_assert_eq!((queued.write.payload(), queued.revision), (value.as_ref(), NEXT));
                prop_assert_eq!(queued.seq, before.queued.as_ref().map_or(NEXT, |waiting| waiting.seq));
                prop_assert_eq!(&queued.references, &references);
                prop_assert!(queued.leaves.iter().all(|parent| !references.contains(parent)));
                let sent = before.flight.as_ref().map(|flight| &flight.intention);
                let sent = sent.or(before.parked.as_ref().map(|parked| &parked.intention));
                for parent in sent.into_iter().flat_map(parents_of) {
                    prop_assert!(parents_of(&queued).any(|one| one == parent), "{} is forgotten", parent);
                }
            }
            Enqueued::Withdrawn => {
                let waiting = before.queued.unwrap();
                prop_assert_eq!(edit, Edit::Delete);
                prop_assert!(matches!(waiting.write, Write::Create(_)) && waiting.echoes.is_empty());
                prop_assert_eq!(after.queued, None);
            }
            Enqueued::AlreadyLeaving => {
                prop_assert_eq!(edit, Edit::Delete);
                prop_assert_eq!(before.flight.unwrap().intention.write, Write::Delete);
                prop_assert_eq!((before.queued, after.queued), (None, None));
            }
        }
    }

    #[test]
    fn what_is_next_is_the_oldest_that_waits_and_comes_when_its_time_has(row in row(), second in 0..400_i64) {
        let now = at(second);
        match next(&row, now, HORIZON) {
            Next::Nothing => prop_assert!(!row.is_pending()),
            Next::Blocked(on) => {
                prop_assert_eq!(on, row.blocked_on.as_ref());
                prop_assert!(on.is_some() || row.parked.is_some());
            }
            Next::Wait(until) => {
                prop_assert!(until > now && until - now <= HORIZON);
                prop_assert!(matches!(next(&row, until, HORIZON), Next::Send(_)), "it ends");
                prop_assert!(matches!(next(&row, until - TimeDelta::nanoseconds(1), HORIZON), Next::Wait(_)));
            }
            Next::Send(one) => {
                prop_assert_eq!(Some(one), row.oldest_waiting());
                let frozen = launch(row.clone(), &KEEPS);
                prop_assert_eq!(&frozen.flight.as_ref().unwrap().intention, one);
                prop_assert_eq!(seen(&frozen), seen(&row));
                let made_on = match &row.flight {
                    Some(flight) => flight.if_match.clone(),
                    None => row.base.as_ref().and_then(|base| base.version.clone()),
                };
                prop_assert_eq!(&frozen.flight.as_ref().unwrap().if_match, &made_on);
                prop_assert!(matches!(next(&frozen, now, HORIZON), Next::Send(_)), "it may be sent again at once");
                let again = frozen.flight.clone().map(|flight| Flight { sent: Sent::InDoubt, ..flight });
                prop_assert_eq!(launch(frozen.clone(), &FORGETS), Record { flight: again, ..frozen }, "and as it is");
            }
        }
    }

    #[test]
    fn an_answer_takes_no_edit_that_the_server_has_not(before in row(), outcome in outcome(), kind in kind()) {
        let (after, settled) = settle(before.clone(), outcome.clone(), &kind.rules(), stamp(NEXT));
        let Some(flight) = before.flight.clone() else {
            prop_assert_eq!((after, settled), (before, Settled::Nothing));
            return Ok(());
        };
        match (&settled, outcome) {
            (Settled::Through { revision }, Outcome::Accepted { version, .. }) => {
                prop_assert_eq!(*revision, flight.intention.revision);
                prop_assert_eq!((&after.flight, &after.queued), (&None, &before.queued));
                let is_there = flight.intention.write != Write::Delete;
                prop_assert_eq!(after.base.map(|base| base.version), is_there.then_some(version));
            }
            (Settled::Through { .. }, Outcome::Conflict { remote }) => {
                prop_assert_eq!(remote.value(), flight.intention.write.payload());
                prop_assert_eq!(after.queued, before.queued);
            }
            (Settled::Agreed { revision }, Outcome::Conflict { remote }) => {
                prop_assert_eq!(Some((*revision, remote.value().cloned())), seen(&before));
                prop_assert!(!after.is_pending());
            }
            (Settled::Conflict(dispute), Outcome::Conflict { remote }) => {
                prop_assert_eq!(Some((dispute.revision, dispute.local.clone())), seen(&before));
                prop_assert_eq!((&dispute.remote, &dispute.base), (&remote, &ancestor(&before)));
                prop_assert_eq!(after, before, "nothing is decided");
            }
            (Settled::Retargeted, Outcome::Conflict { remote }) => {
                prop_assert_eq!(seen(&after), seen(&before));
                let queued = after.queued.unwrap();
                prop_assert!(queued.id != flight.intention.id, "an operation of its own");
                prop_assert_eq!(after.base.map(|base| base.version), remote.value().map(|_| remote.version().cloned()));
            }
            (Settled::Parked, Outcome::Refused { .. } | Outcome::Failed { failure: Failure::Counted { .. }, .. }) => {
                let parked = after.parked.unwrap();
                prop_assert_eq!((&parked.intention, &parked.if_match), (&flight.intention, &flight.if_match));
                prop_assert_eq!((after.base, before.queued), (before.base, None));
            }
            (Settled::Superseded, outcome @ (Outcome::Refused { .. } | Outcome::Failed { failure: Failure::Counted { .. }, .. })) => {
                prop_assert_eq!(seen(&after), seen(&before));
                prop_assert_eq!((after.flight, after.parked, after.base), (None, None, before.base));
                let mut left = flight.intention.echoes;
                if flight.sent == Sent::InDoubt || !is_not_taken(&outcome) {
                    left.push(flight.intention.write.payload().cloned());
                }
                prop_assert_eq!(after.queued.unwrap().echoes, left);
            }
            (Settled::Retry { until }, outcome @ Outcome::Failed { .. }) => {
                let counted = u32::from(matches!(outcome, Outcome::Failed { failure: Failure::Counted { .. }, .. }));
                let is_settled = flight.sent != Sent::InDoubt && is_not_taken(&outcome);
                let sent = if is_settled { Sent::NotTaken } else { Sent::InDoubt };
                let again = Flight { due: Some(*until), attempts: flight.attempts + counted, sent, ..flight };
                prop_assert_eq!(after, Record { flight: Some(again), ..before });
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_pulled_version_takes_no_edits_place(before in row(), remote in copy(), kind in kind()) {
        let (after, rebased) = rebase(before.clone(), remote.clone(), &kind.rules(), stamp(NEXT));
        match rebased {
            Rebased::Replaced => {
                prop_assert!(!before.is_pending() && !after.is_pending());
                prop_assert_eq!(after.base.is_some(), remote.value().is_some());
                if let Some(version) = remote.version() {
                    prop_assert_eq!(after.base.unwrap().version, Some(version.clone()));
                }
            }
            Rebased::Kept { local } => {
                let newest = |record: &Record| seen(record).map(|(revision, _)| revision);
                prop_assert_eq!(newest(&after), newest(&before));
                prop_assert_eq!(seen(&after).map(|(_, value)| value), Some(local));
                // An update stands on what the server has of the version that it was made on, whatever was known of that.
                let of_the_version = before.base.as_ref().filter(|base| base.version.is_some() && base.version.as_ref() == remote.version());
                let waits = before.flight.is_none() && before.parked.is_none();
                if !(waits && of_the_version.is_some_and(|base| base.value.as_ref() != remote.value())) {
                    prop_assert_eq!(seen(&after), seen(&before));
                }
                let sent = |record: &Record| record.flight.as_ref().map(|flight| (flight.intention.id, flight.if_match.clone()));
                prop_assert_eq!(sent(&after), sent(&before));
                if let (Some(before_it), Some(flight)) = (&before.flight, &after.flight) {
                    let is_old = remote.version().is_some_and(|theirs| {
                        before.base.as_ref().is_some_and(|base| match &base.version {
                            Some(version) => version == theirs,
                            None => base.value.as_ref() == remote.value(),
                        })
                    });
                    let is_news = before_it.intention.crossed || !is_old;
                    prop_assert_eq!(flight.intention.crossed, is_news, "what is not kept is read anew later");
                    let is_unprotected = !is_old && flight.if_match.is_none();
                    prop_assert_eq!(flight.look_first, before_it.look_first || is_unprotected);
                }
            }
            Rebased::Landed { revision, .. } => {
                let flight = before.flight.as_ref().map(|flight| &flight.intention);
                let landed = flight.or(before.queued.as_ref()).unwrap();
                prop_assert_eq!((landed.revision, landed.write.payload()), (revision, remote.value()));
                prop_assert_eq!(after.queued, before.queued.filter(|_| before.flight.is_some()));
                prop_assert_eq!(after.flight, None);
            }
            Rebased::Conflict(dispute) => {
                prop_assert_eq!(Some((dispute.revision, dispute.local.clone())), seen(&before));
                prop_assert_eq!((&dispute.remote, &dispute.base), (&remote, &ancestor(&before)));
                prop_assert_eq!(after, before, "nothing is decided");
            }
        }
    }
}
