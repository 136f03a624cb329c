//! A device with one record, driven event by event, and everything that has to hold after each.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sync::record::{
    Decision, Dispute, Edit, Enqueued, Failure, Flight, Frozen, Next, OperationId, Outcome, Rebased, Record,
    RecordRef, Refusal, Resolved, Rounds, Rules, ServerCopy, Settled, Stamp, Version, Write, enqueue, launch,
    next, rebase, reinstate, resolve, settle,
};
use uuid::Uuid;

use crate::server::{Habits, Kind, Server, payload, value};

#[derive(Debug, Clone, Copy)]
pub enum Event {
    Save(u32),
    Delete,
    /// Deletes what the user was shown to be on the server.
    DeleteAnyway,
    /// Freezes what is next without sending it.
    Launch,
    /// A request and its answer.
    Exchange,
    /// A request that does not arrive.
    RequestLost,
    /// A request that arrives, whose answer does not.
    AnswerLost,
    /// The server fails before it does anything, and is asked again so many seconds later.
    Fail(u8),
    /// Nothing is wrong with the operation, but it has to wait so many seconds.
    Postpone(u8),
    /// So many seconds go by; the clock may also be set back.
    Pass(i32),
    /// The server refuses for good.
    Refuse,
    Pull,
    /// The row is written and read again.
    Restart,
    ForeignSave(u32),
    ForeignDelete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// A conflict would be a mistake.
    Never,
    Local,
    Remote,
    Merge,
    Defer,
}

/// What an edit makes of the record: a value, or nothing.
type Edited = Option<u32>;

#[derive(Debug)]
pub struct Device {
    pub record: Record,
    pub server: Server,
    /// Every edit of the user's, in order; `None` is a deletion.
    pub list: Vec<Edited>,
    /// What the next save refers to.
    pub refers_to: Vec<RecordRef>,
    strategy: Strategy,
    rules: Rules,
    now: DateTime<Utc>,
    numbers: u64,
    /// What was sent under each key: it must never change.
    sent: HashMap<OperationId, Letter>,
    /// The newest local edit whose fate is not known.
    newest: Option<Edited>,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq)]
struct Letter {
    /// The number of the newest edit in it.
    revision: u64,
    write: Write,
    if_match: Option<Version>,
    frozen: Option<Frozen>,
}

/// No retry waits longer.
const HORIZON: TimeDelta = TimeDelta::minutes(5);

impl Device {
    pub fn new(habits: Habits, kind: Kind, strategy: Strategy) -> Self {
        Self {
            record: Record::default(),
            server: Server::new(habits, kind),
            list: Vec::new(),
            refers_to: Vec::new(),
            strategy,
            rules: kind.rules(),
            now: DateTime::UNIX_EPOCH,
            numbers: 0,
            sent: HashMap::new(),
            newest: None,
        }
    }

    /// Gives out greater numbers than another record of the device has.
    pub fn count_from(&mut self, other: &Self) {
        self.numbers = self.numbers.max(other.numbers);
    }

    fn in_seconds(&self, seconds: u8) -> DateTime<Utc> {
        self.now + TimeDelta::seconds(seconds.into())
    }

    fn stamp(&mut self) -> Stamp {
        self.numbers += 1;
        let rounds = Rounds { limit: 5, later: self.in_seconds(1) };
        Stamp {
            id: OperationId::from_uuid(Uuid::from_u128(self.numbers.into())),
            seq: self.numbers,
            now: self.now,
            rounds,
        }
    }

    pub fn step(&mut self, event: Event) {
        match event {
            Event::Save(value) => self.edit(Edit::Save(payload(value), self.refers_to.clone()), Some(value)),
            Event::Delete => self.edit(Edit::Delete, None),
            Event::DeleteAnyway => self.edit(Edit::DeleteAnyway, None),
            Event::Launch => self.launch(),
            Event::Exchange => {
                if let Some(flight) = self.send() {
                    let outcome = self.receive(&flight);
                    self.settle(&flight, outcome);
                }
            }
            Event::RequestLost => {
                self.send();
            }
            Event::AnswerLost => {
                if let Some(flight) = self.send() {
                    self.receive(&flight);
                }
            }
            Event::Pass(seconds) => self.now += TimeDelta::seconds(seconds.into()),
            Event::Postpone(seconds) => {
                if let Some(flight) = self.send() {
                    let until = self.in_seconds(seconds);
                    self.settle(
                        &flight,
                        Outcome::Failed { failure: Failure::Postponed { until }, not_taken: true },
                    );
                }
            }
            Event::Fail(seconds) => {
                if let Some(flight) = self.send() {
                    let until = self.in_seconds(seconds);
                    let failure = Failure::Counted { until, limit: 6, reason: "status 500".into() };
                    self.settle(&flight, Outcome::Failed { failure, not_taken: true });
                }
            }
            Event::Refuse => {
                if let Some(flight) = self.send() {
                    let refusal = Refusal { status: 422, problem: None };
                    self.settle(&flight, Outcome::Refused { refusal, not_taken: true });
                }
            }
            Event::Pull => self.pull(),
            Event::Restart => {
                let text = serde_json::to_string(&self.record).unwrap();
                let read: Record = serde_json::from_str(&text).unwrap();
                assert_eq!(read, self.record, "a row says the same when it is read again");
                self.record = read;
            }
            Event::ForeignSave(value) => self.server.foreign(Some(value)),
            Event::ForeignDelete => self.server.foreign(None),
        }
        self.check();
    }

    /// What holds after every step.
    fn check(&self) {
        if let Some(newest) = self.newest {
            let kept = self.record.newest().map(|intention| intention.write.payload().map(value));
            assert_eq!(kept, Some(newest), "the newest edit is kept until its fate is known");
        }
        let parts = [
            self.record.flight.as_ref().map(|flight| &flight.intention),
            self.record.queued.as_ref(),
            self.record.parked.as_ref().map(|parked| &parked.intention),
        ];
        let revisions: Vec<_> = parts.into_iter().flatten().map(|intention| intention.revision).collect();
        assert!(revisions.is_sorted(), "a flight is older than what is queued behind it");
        assert!(self.record.parked.is_none() || revisions.len() == 1, "a parked operation stands alone");
        match self.next() {
            Next::Nothing => assert!(!self.record.is_pending(), "what waits is not forgotten"),
            Next::Blocked(on) => assert!(on.is_none() && self.record.parked.is_some(), "{on:?}"),
            Next::Wait(until) => {
                assert!(until > self.now && until - self.now <= HORIZON, "a wait has an end");
            }
            Next::Send(intention) => assert_eq!(Some(intention), self.record.oldest_waiting()),
        }
    }

    fn next(&self) -> Next<'_> {
        next(&self.record, self.now, HORIZON)
    }

    fn edit(&mut self, edit: Edit, value: Option<u32>) {
        self.list.push(value);
        let stamp = self.stamp();
        let flight = self.record.flight.clone();
        let waiting = self.record.queued.clone();
        let (record, enqueued) = enqueue(std::mem::take(&mut self.record), edit, stamp);
        assert_eq!(record.flight, flight, "an edit leaves the flight alone");
        self.newest = match enqueued {
            Enqueued::Queued | Enqueued::AlreadyLeaving => Some(value),
            Enqueued::Withdrawn => {
                let waiting = waiting.expect("what is taken back was waiting");
                assert!(!self.sent.contains_key(&waiting.id), "only what was never sent is taken back");
                record.newest().map(|newest| newest.write.payload().map(crate::server::value))
            }
        };
        self.record = record;
    }

    fn launch(&mut self) {
        if matches!(self.next(), Next::Send(_)) {
            self.record = launch(std::mem::take(&mut self.record), &self.rules);
        }
    }

    /// Freezes and sends what is next, and checks that nothing changed since an earlier attempt.
    fn send(&mut self) -> Option<Flight> {
        let Next::Send(_) = self.next() else { return None };
        self.launch();
        let flight = self.record.flight.clone()?;
        let intention = &flight.intention;
        let letter = Letter {
            revision: intention.revision,
            write: intention.write.clone(),
            if_match: flight.if_match.clone(),
            frozen: flight.frozen.clone(),
        };
        let earlier = self.sent.entry(flight.intention.id).or_insert_with(|| letter.clone());
        assert_eq!(*earlier, letter, "every attempt of an operation is the same");
        Some(flight)
    }

    fn receive(&mut self, flight: &Flight) -> Outcome {
        self.server.handle(flight.intention.id, &flight.intention.write, flight.if_match.as_ref())
    }

    fn settle(&mut self, flight: &Flight, outcome: Outcome) {
        let crossed = flight.intention.crossed && matches!(outcome, Outcome::Accepted { .. });
        let stamp = self.stamp();
        let queued = self.record.queued.clone();
        let (record, settled) = settle(std::mem::take(&mut self.record), outcome, &self.rules, stamp);
        self.record = record;
        match settled {
            Settled::Through { revision } => {
                assert_eq!(self.record.queued, queued, "an acknowledgement leaves the newer edit alone");
                self.reached(revision);
            }
            Settled::Agreed { revision } => self.reached(revision),
            Settled::Conflict(dispute) => self.decide(&dispute),
            Settled::Retry { .. } => {
                let again = self.record.flight.as_ref().map(|flight| flight.intention.id);
                assert_eq!(again, Some(flight.intention.id), "it is tried again under its key");
            }
            Settled::Parked | Settled::Superseded | Settled::Retargeted => {}
            Settled::Nothing => panic!("there was a flight"),
        }
        if crossed {
            self.rebase(self.server.copy());
        }
    }

    /// Edits up to a revision are on the server.
    fn reached(&mut self, revision: u64) {
        if self.record.newest().is_some_and(|newest| newest.revision > revision) {
            return;
        }
        if let Some(newest) = self.newest.take() {
            let was_written = self.server.log.iter().any(|(_, value)| *value == newest);
            // To delete what is not there leaves no trace.
            let was_gone = newest.is_none() && self.server.value().is_none();
            assert!(
                was_written || was_gone,
                "the server was said to have {newest:?} and never had: {self:?}"
            );
        }
    }

    fn pull(&mut self) {
        self.rebase(self.server.copy());
    }

    fn rebase(&mut self, copy: ServerCopy) {
        let local = self.record.newest().map(|newest| newest.write.payload().cloned());
        let stamp = self.stamp();
        let (record, rebased) = rebase(std::mem::take(&mut self.record), copy, &self.rules, stamp);
        self.record = record;
        match rebased {
            Rebased::Replaced => assert_eq!(local, None, "a pull replaces only what has no local edit"),
            Rebased::Kept { local: shown } => assert_eq!(Some(shown), local, "the local edit stays on top"),
            Rebased::Landed { revision, .. } => self.reached(revision),
            Rebased::Conflict(dispute) => self.decide(&dispute),
        }
    }

    fn decide(&mut self, dispute: &Dispute) {
        assert_eq!(
            Some(&dispute.local),
            self.record.newest().map(|newest| newest.write.payload().cloned()).as_ref()
        );
        let decision = match self.strategy {
            Strategy::Never => panic!("a conflict with oneself: {dispute:?} in {self:?}"),
            Strategy::Local => Decision::KeepLocal,
            Strategy::Remote => Decision::TakeRemote,
            Strategy::Defer => Decision::Defer,
            Strategy::Merge => match (&dispute.local, dispute.remote.value()) {
                (Some(local), Some(remote)) => {
                    Decision::Merged(payload(value(local) ^ value(remote).rotate_left(16)), Vec::new())
                }
                _ => Decision::KeepLocal,
            },
        };
        self.resolve(dispute, decision);
    }

    fn resolve(&mut self, dispute: &Dispute, decision: Decision) {
        let stamp = self.stamp();
        let record = std::mem::take(&mut self.record);
        let (record, resolved) = resolve(record, dispute, decision.clone(), &self.rules, stamp);
        self.record = record;
        let (local, is_gone) = (&dispute.local, dispute.remote == ServerCopy::Deleted);
        let expected = match decision {
            Decision::Defer => Resolved::Deferred,
            Decision::Merged(merged, _) => Resolved::Sending { local: Some(merged) },
            Decision::KeepLocal if local.is_some() || !is_gone => Resolved::Sending { local: local.clone() },
            Decision::Delete if !is_gone => Resolved::Sending { local: None },
            // Both are for the deletion, or the server's side it is to be.
            Decision::TakeRemote | Decision::KeepLocal | Decision::Delete => {
                Resolved::TookRemote { revision: dispute.revision }
            }
        };
        assert_eq!(resolved, expected, "it comes to what was decided");
        match resolved {
            Resolved::TookRemote { .. } => {
                assert!(!self.record.is_pending(), "the local edits were given up");
                self.newest = None;
            }
            Resolved::Sending { local } => self.newest = Some(local.as_ref().map(value)),
            Resolved::Deferred => {
                let kept = self.record.parked.as_ref().and_then(|parked| parked.reason.seen());
                assert_eq!(kept, Some(&dispute.remote), "the server's side is kept beside the edit");
            }
            Resolved::Stale(_) | Resolved::Nothing => panic!("nothing happened in between"),
        }
    }

    /// The user answers the conflict that was left to him.
    pub fn answer(&mut self, answer: u8) {
        let Some(parked) = &self.record.parked else { return };
        let Some(remote) = parked.reason.seen() else { return };
        let dispute = Dispute {
            base: self.record.base.as_ref().and_then(|base| base.value.clone()),
            local: parked.intention.write.payload().cloned(),
            remote: remote.clone(),
            revision: parked.intention.revision,
        };
        self.strategy = Strategy::Local;
        let decision = match answer {
            0 => Decision::TakeRemote,
            1 => Decision::KeepLocal,
            2 => Decision::Delete,
            _ => Decision::Merged(payload(7), Vec::new()),
        };
        self.resolve(&dispute, decision);
    }

    /// A quiet time: everything that can settle does.
    pub fn drain(&mut self) {
        for _ in 0..60 {
            let has_decided = !matches!(self.strategy, Strategy::Defer | Strategy::Merge);
            match self.next() {
                Next::Blocked(_) if has_decided => {
                    self.record = reinstate(std::mem::take(&mut self.record));
                }
                Next::Blocked(_) | Next::Nothing => return,
                Next::Wait(until) => self.now = until,
                Next::Send(_) => self.step(Event::Exchange),
            }
        }
        panic!("it does not settle: {self:?}");
    }

    /// The newest edit is in the row still, or it reached the server, or a decision went against it.
    pub fn assert_nothing_lost(&self) {
        self.check();
        if self.record.parked.is_some() {
            assert!(self.newest.is_some(), "what is parked is whole");
        }
    }

    /// Where nobody else writes, and the server remembers keys, each edit takes effect once, however often it was sent.
    pub fn assert_one_effect(&self) {
        let mut edits = HashMap::new();
        for operation in self.server.log.iter().filter_map(|(operation, _)| *operation) {
            *edits.entry(self.sent[&operation].revision).or_insert(0) += 1;
        }
        let once = edits.values().all(|count| *count == 1);
        assert!(once || !self.server.remembers(), "an edit took effect twice: {self:?}");
    }

    /// What the row says of the server is what the server has, now that it was pulled.
    pub fn assert_known(&self) {
        let base = self.record.base.as_ref();
        let known = base.map(|base| (base.version.clone(), base.value.as_ref().map(value)));
        let has = self.server.copy();
        // What nobody needs may be forgotten, but for that something is there.
        let needed = |(version, kept): (Option<Version>, Option<u32>)| {
            let is_needed = self.rules.keeps_base || version.is_none();
            (version, kept.filter(|_| is_needed))
        };
        let has = has.value().map(|payload| (has.version().cloned(), Some(value(payload))));
        assert_eq!(known.map(needed), has.map(needed));
    }
}
