//! The primary key of the outbox: in which queue, in which lane of it, and at which place a record stands.

use std::ops::Range;

use crate::record::Lane;

const SEQ_BITS: u32 = 41;
const LANE_BITS: u32 = 2;

/// The first number that is no place: 2^41 edits take a device that makes a thousand of them a second seventy years.
const SEQS: i64 = 1 << SEQ_BITS;

/// The first number that is no queue.
const QUEUES: i64 = 1 << (63 - SEQ_BITS - LANE_BITS);

/// The lanes that have rows in the outbox, by the number that they have there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceLane {
    Ready = 0,
    Waiting = 1,
    Blocked = 2,
    Parked = 3,
}

/// All of them, in the order of their numbers.
pub(super) const LANES: [PlaceLane; 4] =
    [PlaceLane::Ready, PlaceLane::Waiting, PlaceLane::Blocked, PlaceLane::Parked];

/// Those whose records are sent without the user's doing.
pub(super) const LANES_TO_SEND: [PlaceLane; 3] = [PlaceLane::Ready, PlaceLane::Waiting, PlaceLane::Blocked];

/// A key of `sync_outbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(i64);

impl Place {
    /// The place of a record that stands in this lane; `None` when nothing of it waits.
    ///
    /// # Errors
    /// When the numbers are too large to have one.
    pub(super) fn of(queue: i64, lane: Lane) -> Result<Option<Self>, TooLarge> {
        let (lane, seq) = match lane {
            Lane::Idle => return Ok(None),
            Lane::Ready { seq } => (PlaceLane::Ready, seq),
            Lane::Waiting { seq, .. } => (PlaceLane::Waiting, seq),
            Lane::Blocked { seq } => (PlaceLane::Blocked, seq),
            Lane::Parked { seq } => (PlaceLane::Parked, seq),
        };
        let seq = i64::try_from(seq).ok().filter(|seq| *seq < SEQS).ok_or(TooLarge)?;
        if queue >= QUEUES {
            return Err(TooLarge);
        }
        Ok(Some(Self(Self::lane_of(queue, lane).start + seq)))
    }

    pub(super) fn from_id(id: i64) -> Self {
        Self(id)
    }

    pub(super) fn id(self) -> i64 {
        self.0
    }

    pub(super) fn queue(self) -> i64 {
        self.0 >> (SEQ_BITS + LANE_BITS)
    }

    pub(super) fn seq(self) -> u64 {
        (self.0 & (SEQS - 1)).unsigned_abs()
    }

    pub(super) fn lane(self) -> PlaceLane {
        match (self.0 >> SEQ_BITS) & 3 {
            0 => PlaceLane::Ready,
            1 => PlaceLane::Waiting,
            2 => PlaceLane::Blocked,
            _ => PlaceLane::Parked,
        }
    }

    /// All keys of a lane.
    pub(super) fn lane_of(queue: i64, lane: PlaceLane) -> Range<i64> {
        let start = (queue << (SEQ_BITS + LANE_BITS)) | ((lane as i64) << SEQ_BITS);
        start..start + SEQS
    }

    /// The keys of a lane from after this place in the outbox on.
    pub(super) fn lane_after(queue: i64, lane: PlaceLane, seq: Option<u64>) -> Range<i64> {
        let lane = Self::lane_of(queue, lane);
        let skipped = seq.map_or(0, |seq| i64::try_from(seq).unwrap_or(SEQS).min(SEQS - 1) + 1);
        lane.start + skipped..lane.end
    }
}

/// A number beyond what a key of the outbox has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its place in the outbox is beyond what the file has room for")]
pub(super) struct TooLarge;

/// What one step from lane to lane adds to a key.
pub(super) const LANE_STEP: i64 = SEQS;
