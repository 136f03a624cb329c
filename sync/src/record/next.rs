//! What is to be done with a record now.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Flight, Frozen, Intention, Record, RecordRef, Rules, Sent};

/// What is to be done with a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<'a> {
    /// Send this operation.
    Send(&'a Intention),
    /// Nothing before this time.
    Wait(DateTime<Utc>),
    /// Nothing before another record got through, or before the user decided.
    Blocked(Option<&'a RecordRef>),
    /// The server has everything.
    Nothing,
}

/// Where a record stands in the outbox: what a storage indexes, so that the next operation is found without looking
/// at the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Nothing waits.
    Idle,
    /// It can be sent now; the lowest number first.
    Ready {
        /// The place in the outbox.
        seq: u64,
    },
    /// It can be sent at `due`.
    Waiting {
        /// The place in the outbox.
        seq: u64,
        /// When.
        due: DateTime<Utc>,
    },
    /// It waits for another record.
    Blocked {
        /// The place in the outbox.
        seq: u64,
    },
    /// It waits for the user.
    Parked {
        /// The place in the outbox.
        seq: u64,
    },
}

impl Lane {
    /// One word, as it stands in a storage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready { .. } => "ready",
            Self::Waiting { .. } => "waiting",
            Self::Blocked { .. } => "blocked",
            Self::Parked { .. } => "parked",
        }
    }

    /// That of an operation which nothing holds back but its time.
    fn at(seq: u64, due: Option<DateTime<Utc>>) -> Self {
        match due {
            Some(due) => Self::Waiting { seq, due },
            None => Self::Ready { seq },
        }
    }

    /// The place in the outbox; `None` when nothing waits.
    #[must_use]
    pub fn seq(self) -> Option<u64> {
        match self {
            Self::Idle => None,
            Self::Ready { seq }
            | Self::Waiting { seq, .. }
            | Self::Blocked { seq }
            | Self::Parked { seq } => Some(seq),
        }
    }
}

impl Record {
    /// Where the record stands in the outbox.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match (&self.flight, &self.queued, &self.parked) {
            (None, None, None) => Lane::Idle,
            (None, None, Some(parked)) => Lane::Parked { seq: parked.intention.seq },
            (Some(flight), ..) if self.blocked_on.is_some() => Lane::Blocked { seq: flight.intention.seq },
            (Some(flight), ..) => Lane::at(flight.intention.seq, flight.due),
            (None, Some(queued), _) if self.blocked_on.is_some() => Lane::Blocked { seq: queued.seq },
            (None, Some(queued), _) => Lane::at(queued.seq, queued.not_before),
        }
    }
}

/// Says what is to be done with a record.
///
/// `horizon` is the longest that any retry waits: a due time further away than that was written by a clock that has
/// since been set back, and counts as come.
#[must_use]
pub fn next(record: &Record, now: DateTime<Utc>, horizon: TimeDelta) -> Next<'_> {
    let due = match record.lane() {
        Lane::Idle => return Next::Nothing,
        Lane::Parked { .. } | Lane::Blocked { .. } => return Next::Blocked(record.blocked_on.as_ref()),
        Lane::Ready { .. } => None,
        Lane::Waiting { due, .. } => Some(due),
    };
    match due {
        Some(due) if due > now && (due - now <= horizon || planted!(ClockSetBackWaits)) => Next::Wait(due),
        _ => record.oldest_waiting().map_or(Next::Nothing, Next::Send),
    }
}

/// Freezes what is about to be sent, so that later edits leave it alone. To be durable before it is sent.
///
/// A flight stays as it is, but for what is known of its attempts; otherwise what is queued becomes the flight, on top of the version that is known now. Either can be sent
/// again at once: when the program ends before the answer comes, the next one need not wait.
#[must_use]
pub fn launch(mut record: Record, rules: &Rules) -> Record {
    let base = record.base.as_ref();
    match (&mut record.flight, record.queued.take()) {
        (Some(flight), queued) => {
            flight.due = None;
            flight.frozen.get_or_insert_with(|| Frozen::now(&flight.intention.write, base, rules));
            flight.sent = flight.sent.again();
            record.queued = queued;
        }
        (None, Some(intention)) => {
            let if_match = base.and_then(|base| base.version.clone());
            let if_match = if_match.filter(|_| !planted!(IfMatchIsForgotten));
            let look_first = intention.crossed || !intention.echoes.is_empty();
            let frozen = Some(Frozen::now(&intention.write, base, rules));
            let sent = Sent::UnderWay;
            record.flight =
                Some(Flight { intention, if_match, frozen, attempts: 0, sent, due: None, look_first });
        }
        (None, None) => {}
    }
    record
}
