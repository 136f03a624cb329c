//! A device with one record, driven event by event, and everything that has to hold after each.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sync::record::{
    Decision, Dispute, Edit, Enqueued, Failure, Flight, Next, OperationId, Outcome, Rebased, Record, Refusal,
    Resolved, Rounds, Rules, ServerCopy, Settled, Stamp, Write, enqueue, launch, next, rebase, reinstate,
    resolve, settle,
};
use uuid::Uuid;

use crate::server::{Habits, Server, payload, value};

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
    /// The server fails before it does anything.
    Fail,
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
    strategy: Strategy,
    numbers: u64,
    /// What was sent under each key: it must never change.
    sent: HashMap<OperationId, (Write, Option<sync::record::Version>)>,
    /// The newest local edit whose fate is not known.
    newest: Option<Edited>,
}

const RULES: Rules = Rules { keeps_base: true, updated_at_member: None, unordered: &[], reread: None };

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

impl Device {
    pub fn new(habits: Habits, strategy: Strategy) -> Self {
        Self {
            record: Record::default(),
            server: Server::new(habits),
            list: Vec::new(),
            strategy,
            numbers: 0,
            sent: HashMap::new(),
            newest: None,
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.numbers += 1;
        let rounds = Rounds { limit: 5, later: now() + TimeDelta::seconds(1) };
        Stamp {
            id: OperationId::from_uuid(Uuid::from_u128(self.numbers.into())),
            seq: self.numbers,
            now: now(),
            rounds,
        }
    }

    pub fn step(&mut self, event: Event) {
        match event {
            Event::Save(value) => self.edit(Edit::Save(payload(value), Vec::new()), Some(value)),
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
            Event::Fail => {
                if let Some(flight) = self.send() {
                    let failure = Failure::Counted { until: now(), limit: 6, reason: "status 500".into() };
                    self.settle(&flight, Outcome::Failed(failure));
                }
            }
            Event::Refuse => {
                if let Some(flight) = self.send() {
                    let refusal = Refusal { status: 422, problem: None };
                    self.settle(&flight, Outcome::Refused(refusal));
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
        if matches!(next(&self.record, now(), TimeDelta::zero()), Next::Send(_)) {
            self.record = launch(std::mem::take(&mut self.record));
        }
    }

    /// Freezes and sends what is next, and checks that nothing changed since an earlier attempt.
    fn send(&mut self) -> Option<Flight> {
        self.launch();
        let flight = self.record.flight.clone()?;
        let letter = (flight.intention.write.clone(), flight.if_match.clone());
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
        let (record, settled) = settle(std::mem::take(&mut self.record), outcome, &RULES, stamp);
        self.record = record;
        match settled {
            Settled::Through { revision } => {
                assert_eq!(self.record.queued, queued, "an acknowledgement leaves the newer edit alone");
                self.reached(revision);
            }
            Settled::Agreed { revision } => self.reached(revision),
            Settled::Conflict(dispute) => self.decide(&dispute),
            Settled::Parked | Settled::Superseded | Settled::Retargeted | Settled::Retry { .. } => {}
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
        let (record, rebased) = rebase(std::mem::take(&mut self.record), copy, &RULES);
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
        let (record, resolved) = resolve(record, dispute, decision, &RULES, stamp);
        self.record = record;
        match resolved {
            Resolved::TookRemote { .. } => self.newest = None,
            Resolved::Sending { local } => self.newest = Some(local.as_ref().map(value)),
            Resolved::Deferred => {}
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
        for _ in 0..40 {
            if let Some(queued) = &mut self.record.queued {
                queued.not_before = None;
            }
            if self.record.parked.is_some()
                && self.strategy != Strategy::Defer
                && self.strategy != Strategy::Merge
            {
                self.record = reinstate(std::mem::take(&mut self.record));
            }
            if self.record.flight.is_none() && self.record.queued.is_none() {
                return;
            }
            self.step(Event::Exchange);
        }
        panic!("it does not settle: {self:?}");
    }

    /// The newest edit is in the row still, or it reached the server, or a decision went against it.
    pub fn assert_nothing_lost(&self) {
        self.check();
        if self.record.parked.is_some() {
            assert!(self.newest.is_some(), "what is parked is whole");
        }
        let mut keys = HashMap::new();
        for (operation, _) in &self.server.log {
            if let Some(operation) = operation {
                *keys.entry(*operation).or_insert(0) += 1;
            }
        }
        // A server that remembers keys applies each once, however often it is sent.
        assert!(keys.values().all(|count| *count == 1) || !self.server_remembers());
    }

    fn server_remembers(&self) -> bool {
        self.server.remembers()
    }
}
