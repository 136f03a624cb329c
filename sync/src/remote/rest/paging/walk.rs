//! A list, or the items that share a key, page by page: what was read last, and which page comes next.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::dialect::{CursorSource, Paging, PullDialect};
use super::{Next, NoWay, PageEnd, Place, passed};

/// How often a list that cannot be read to its end is begun anew.
const RESTARTS: u32 = 3;

/// How far a list was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::remote::rest) struct Walk {
    /// The server's cursor that the list began with, or the key that its items share.
    pub(super) since: Option<String>,
    /// The page that comes next; `None` for the first one.
    pub(super) next: Option<NextPage>,
    /// The page before that, where the server names pages; `None` for the first one.
    pub(super) before: Option<NextPage>,
    /// The cursor of the next round, as far as it is known.
    pub(super) mark: Option<String>,
    /// The id of the item that the page before ended with.
    pub(super) ended_with: Option<String>,
    /// The id of the item that two pages ended with: where a third one does, the server repeats its last page for ever.
    pub(super) repeated: Option<String>,
    /// How often the list was begun anew.
    pub(super) restarts: u32,
}

/// A page that is not the first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::remote::rest) enum NextPage {
    /// At this address.
    Address(String),
    /// With this token.
    Token(String),
    /// The one that begins after so many items or pages.
    After(u64),
}

/// How a page goes on after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// Without a gap, as it shows, or as far as can be known.
    Closed,
    /// It does not show.
    Open,
    /// The list has shifted.
    Torn,
}

impl Walk {
    /// The beginning of a list.
    pub(super) fn since(since: Option<String>) -> Self {
        Self { since, ..Self::default() }
    }

    /// The page before the next one; `None` for the first one.
    pub(super) fn previous(&self) -> Option<Cow<'_, NextPage>> {
        match self.next.as_ref()? {
            NextPage::Address(_) | NextPage::Token(_) => self.before.as_ref().map(Cow::Borrowed),
            NextPage::After(passed) => Some(Cow::Owned(NextPage::After(passed.saturating_sub(1)))),
        }
    }

    /// How many items are asked for again: that which the page before ended with, by which it is seen that the list has not shifted.
    pub(super) fn overlap(&self, pull: &PullDialect) -> u64 {
        let overlaps = self.ended_with.is_some() && matches!(pull.paging, Paging::Offset { .. });
        u64::from(overlaps).min(passed(self.next.as_ref()))
    }

    /// The same list from its beginning, because it shifted while it was read, or its next page is not known any more; `None` when that
    /// happens all the time.
    pub(super) fn anew(&self) -> Option<Next> {
        let restarts = self.restarts + 1;
        let (since, mark) = (self.since.clone(), self.mark.clone());
        let walk = Self { since, mark, restarts, ..Self::default() };
        (restarts <= RESTARTS).then(|| Next::at(Place::Page(walk)))
    }

    /// Where it goes on after the next page.
    pub(super) fn after(&self, page: PageEnd, pull: &PullDialect) -> Result<Next, NoWay> {
        let joint = self.joint(&page, pull);
        if joint == Joint::Torn {
            return self.anew().ok_or(NoWay::Shifts);
        }
        let next = if pull.has_ties() { self.through_ties(page, pull)? } else { self.round(page, pull)? };
        Ok(match joint {
            Joint::Open => Next::at(Place::Check { of: self.clone(), then: Box::new(next) }),
            Joint::Closed | Joint::Torn => next,
        })
    }

    /// A page's number says nothing of what is on it, nor does an address that the server made of such a number. What shows the last item of
    /// the page before again goes on without a gap: what was written before it in the list pushes it down, and nothing is missed.
    fn joint(&self, page: &PageEnd, pull: &PullDialect) -> Joint {
        match self.ended_with.as_deref().filter(|_| pull.may_shift()) {
            Some(ended_with) if page.place_of(ended_with).is_none() => {
                if matches!(pull.paging, Paging::Offset { .. }) { Joint::Torn } else { Joint::Open }
            }
            _ => Joint::Closed,
        }
    }

    /// The key goes on as far as it can. A whole page of items with one key is passed by counting them.
    fn through_ties(&self, mut page: PageEnd, pull: &PullDialect) -> Result<Next, NoWay> {
        let Some(key) = page.key()? else { return Ok(Next::ended(self.since.clone(), pull)) };
        if self.since.as_ref() != Some(&key) {
            // Also after a page that is not full: the server may make it smaller than it is asked for.
            return Ok(Next::at(Place::Page(Self::since(Some(key)))));
        }
        let goes_on = self.next.is_some() || page.is_full();
        Ok(match self.counted(&page, pull).filter(|_| goes_on) {
            Some(walk) => Next::at(Place::Page(walk)),
            None => Next::ended(Some(key), pull),
        })
    }

    /// The pages of a round, whose cursor is that of the next round.
    fn round(&self, mut page: PageEnd, pull: &PullDialect) -> Result<Next, NoWay> {
        let mark = match (&pull.cursor, &self.mark) {
            // What changes while the other pages are read is newer than the first page.
            (CursorSource::Header(_), Some(first)) => Some(first.clone()),
            (CursorSource::Header(_), None) if page.cursor.is_none() => return Err(NoWay::NoCursor),
            (_, earlier) => page.cursor.take().or_else(|| earlier.clone()),
        };
        let next = match &pull.paging {
            Paging::Link | Paging::Header(_) | Paging::Member(_) => {
                page.next.take().map(|address| self.named(NextPage::Address(address), &page))
            }
            Paging::Token { .. } => page.next.take().map(|token| self.named(NextPage::Token(token), &page)),
            Paging::Number { .. } | Paging::Offset { .. } => self.counted(&page, pull),
            Paging::Cursor { .. } | Paging::Whole => None,
        };
        // Taken for the end, it would be listed anew at each pull, and nobody would know why.
        let is_unmarked = mark.is_none() && self.since.is_none();
        let is_empty = page.items == 0 && self.ended_with.is_none();
        let is_marked = matches!(pull.cursor, CursorSource::Member(_) | CursorSource::LastItem(_));
        if next.is_none() && is_unmarked && !is_empty && is_marked {
            return Err(NoWay::NoMark);
        }
        Ok(match next {
            Some(next) => Next::at(Place::Page(Self { mark, ..next })),
            None => Next::ended(mark.or_else(|| self.since.clone()), pull),
        })
    }

    /// The next page as the server names it.
    fn named(&self, next: NextPage, page: &PageEnd) -> Self {
        let ended_with = page.last().map(|(_, id)| id.clone());
        Self { next: Some(next), before: self.next.clone(), ended_with, repeated: None, ..self.clone() }
    }

    /// The next page by its number, or by how many items come before it; `None` when the list is over.
    ///
    /// A page with fewer items than were asked for may be as large as the server makes them: it is no end.
    fn counted(&self, page: &PageEnd, pull: &PullDialect) -> Option<Self> {
        let by_offset = matches!(pull.paging, Paging::Offset { .. });
        let (passed, items) = (passed(self.next.as_ref()), page.items as u64);
        let from = passed - self.overlap(pull);
        let step = |to: u64, ended_with: Option<&String>, repeated: Option<&String>| {
            let next = if by_offset { from.saturating_add(to) } else { passed.saturating_add(1) };
            let (ended_with, repeated) = (ended_with.cloned(), repeated.cloned());
            Some(Self { next: Some(NextPage::After(next)), ended_with, repeated, ..self.clone() })
        };
        // One of whose items none has an id can only be judged by its size.
        let Some((end, last)) = page.last() else {
            return if page.is_full() { step(items, None, None) } else { None };
        };
        let up_to_the_last = end as u64 + 1;
        if self.repeated.as_ref() == Some(last) {
            None
        } else if self.ended_with.as_ref() != Some(last) {
            // What follows without an id comes again.
            step(up_to_the_last, Some(last), None)
        } else if !by_offset {
            // Some servers repeat their last page for ever. But as many items as a page holds may have come before it, too.
            step(1, Some(last), Some(last))
        } else if up_to_the_last < items || page.limit == 1 {
            step(items, None, Some(last))
        } else if end > 0 {
            step(up_to_the_last, Some(last), Some(last))
        } else {
            None
        }
    }
}
