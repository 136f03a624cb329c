//! What a page tells of its place.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::dialect::{CursorSource, PullDialect};
use crate::remote::Position;
use crate::storage::Cursor;

/// How far the clock of whoever has changed something may be ahead of the server's, which tells its time in whole seconds besides.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// What a page tells of its place.
#[derive(Debug, Default)]
pub(in crate::remote::rest) struct PageEnd {
    /// How many items it has.
    pub(in crate::remote::rest) items: usize,
    /// How many were asked for.
    pub(in crate::remote::rest) limit: usize,
    /// What the dialect's [`CursorSource`] gave.
    pub(in crate::remote::rest) cursor: Option<String>,
    /// Whether there is more, as a member says.
    pub(in crate::remote::rest) more: Option<bool>,
    /// The address or token of the next page.
    pub(in crate::remote::rest) next: Option<String>,
    /// The id of each item, where the list may shift between two pages; else that of the one by which it goes on.
    pub(in crate::remote::rest) ids: Vec<Option<String>>,
    /// When each item was changed, where that may have to be the cursor.
    pub(in crate::remote::rest) times: Vec<DateTime<Utc>>,
    /// What is later is no such time.
    pub(in crate::remote::rest) latest: Option<DateTime<Utc>>,
}

impl PageEnd {
    /// Sets the server's own time.
    pub(in crate::remote::rest) fn passed_over_after(&mut self, now: Option<DateTime<Utc>>) {
        self.latest = now.and_then(|now| now.checked_add_signed(AHEAD));
    }

    /// Where it goes on by the page's cursor, or by its newest item.
    pub(super) fn by_cursor(self) -> Result<Position, NoWay> {
        let has_more = self.more.unwrap_or(self.is_full());
        match self.cursor {
            Some(cursor) => Ok(Position::Cursor { cursor: Cursor::new(cursor), has_more }),
            None => self.newest_item(has_more),
        }
    }

    /// Where it goes on by the newest item.
    fn newest_item(&self, full: bool) -> Result<Position, NoWay> {
        let times = self.times.iter().filter(|time| self.latest.is_none_or(|latest| **time <= latest));
        // A page that was cut off in another order lacks items that are older than its newest. One with more items than were asked for was
        // not cut off.
        let cut = self.more.unwrap_or(self.items == self.limit);
        if cut && !times.clone().is_sorted() {
            return Err(NoWay::NotByTime);
        }
        Ok(Position::NewestItem { full, newest: times.max().copied(), limit: self.latest })
    }

    /// The last item's key; `None` for an empty page, which ends the list.
    pub(super) fn key(&mut self) -> Result<Option<String>, NoWay> {
        match self.cursor.take() {
            None if self.items > 0 => Err(NoWay::NoCursor),
            key => Ok(key),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.items >= self.limit
    }

    /// The last item that has an id, by its place among those whose ids are told.
    pub(super) fn last(&self) -> Option<(usize, &String)> {
        self.ids.iter().enumerate().rev().find_map(|(place, id)| Some((place, id.as_ref()?)))
    }

    /// The place of an item.
    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        self.ids.iter().rposition(|other| other.as_deref() == Some(id))
    }
}

/// The list of this page is not what the dialect says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::rest) enum NoWay {
    /// There is no cursor where it should be.
    NoCursor,
    /// The list is over, and no page of it has told where the next pull begins.
    NoMark,
    /// The page is full and without a cursor, and its items are not in the order of their times.
    NotByTime,
    /// The list shifts again and again while its pages are read.
    Shifts,
}

impl NoWay {
    /// For people.
    pub(in crate::remote::rest) fn told(self, pull: &PullDialect) -> String {
        match (self, &pull.cursor) {
            (Self::NoMark, CursorSource::Member(member)) => format!(
                "the list is over, and none of its pages has the cursor `{member}`: choose another `pull.cursor`, such as `CursorSource::LastItem`, or `CursorSource::Nothing`, with which each pull lists everything"
            ),
            (Self::NotByTime, CursorSource::Member(member)) => format!(
                "the page is full, has no cursor `{member}`, and its items are not in the order of their `updated_at`, by which the next page would be asked for: list the oldest change first"
            ),
            (Self::Shifts, _) => "the list shifts again and again while its pages are read".to_owned(),
            (_, CursorSource::LastItem(member)) => format!(
                "the last item of the list has no `{member}`, a string or an integer, by which the list would go on: choose another `pull.cursor`, or let the server send it with each item, deletions included"
            ),
            _ => "the page has no cursor where the dialect's `pull.cursor` says".to_owned(),
        }
    }
}
