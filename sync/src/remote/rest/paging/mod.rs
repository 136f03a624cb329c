//! Where a pull is in the server's list, and how it goes on.
//!
//! The engine keeps one opaque cursor with each page. Where the server's own is all there is to know, that is it. Otherwise
//! it is a [`Place`] in JSON (`kept`): the server's cursor that the round began with, the next page of the round, and the cursor that
//! the next round begins with.
//!
//! Each place is one request, also where the page before has to be looked at again to know whether the list has shifted: so a server that
//! asks for patience between two of them gets it, and nothing that it has said is lost over the next failure.

mod end;
mod kept;
mod link;
mod walk;

use std::borrow::Cow;

pub(super) use self::end::{NoWay, PageEnd};
use self::kept::Kept;
pub(super) use self::link::next_link;
use self::walk::{NextPage, Walk};
use super::answer::refuses_a_number;
use super::dialect::{CursorSource, Paging, PullDialect};
use crate::remote::{Position, RemoteError};
use crate::storage::Cursor;

/// A place in the server's list: what is asked for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// What comes after a key.
    Key {
        /// The server's cursor, or the last item's key.
        since: Option<String>,
        /// The id of the item that `since` was taken from, where the dialect breaks ties by it.
        last_id: Option<String>,
    },
    /// A page of a list, or of the items that share a key.
    Page(Walk),
    /// Of the page that was read at `of`, nothing says that the list has not shifted since the page before: that one is looked at again.
    Check {
        of: Walk,
        /// Where it goes on when it has not, or not by more than a page.
        then: Box<Next>,
    },
}

/// Where it goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    /// `None` for the beginning of the list.
    place: Option<Place>,
    has_more: bool,
}

/// What a page comes to.
pub(super) struct After {
    pub(super) position: Position,
    /// So many of its first items were on a page before.
    pub(super) seen: usize,
}

/// What it means that a page is refused.
pub(super) enum Refused {
    /// Nothing but that.
    Stands,
    /// It is one without items, past the end of the list.
    Empty,
    /// The page is not needed, or not known any more, and it goes on here.
    GoesOn(Position),
    /// It is so again and again.
    Gone,
}

impl Default for Place {
    fn default() -> Self {
        Self::Key { since: None, last_id: None }
    }
}

impl Place {
    /// Reads the cursor that was kept with the page before.
    pub(super) fn of(cursor: Option<&Cursor>, pull: &PullDialect) -> Self {
        let Some(cursor) = cursor else { return Kept::default().place(pull) };
        let kept = if pull.has_places() { serde_json::from_str(cursor.as_str()).ok() } else { None };
        // One that another dialect left, or the newest `updated_at`, is the server's own.
        let kept = kept.unwrap_or_else(|| Kept::since(cursor.as_str()));
        kept.place(pull)
    }

    pub(super) fn since(&self) -> Option<&str> {
        match self {
            Self::Key { since, .. }
            | Self::Page(Walk { since, .. })
            | Self::Check { of: Walk { since, .. }, .. } => since.as_deref(),
        }
    }

    pub(super) fn last_id(&self) -> Option<&str> {
        match self {
            Self::Key { last_id, .. } => last_id.as_deref(),
            Self::Page(_) | Self::Check { .. } => None,
        }
    }

    /// Whether this is the beginning of a round.
    pub(super) fn is_first(&self) -> bool {
        match self {
            Self::Key { .. } => true,
            Self::Page(walk) => walk.next.is_none(),
            Self::Check { .. } => false,
        }
    }

    /// Whether the cursor of the next round is known.
    pub(super) fn is_marked(&self) -> bool {
        match self {
            Self::Key { .. } => false,
            Self::Page(walk) | Self::Check { of: walk, .. } => walk.mark.is_some(),
        }
    }

    /// Which page is asked for; `None` for the first one.
    fn page(&self) -> Option<Cow<'_, NextPage>> {
        match self {
            Self::Key { .. } => None,
            Self::Page(walk) => walk.next.as_ref().map(Cow::Borrowed),
            Self::Check { of, .. } => of.previous(),
        }
    }

    /// The page's address, where the server names it.
    pub(super) fn address(&self) -> Option<Cow<'_, str>> {
        match self.page()? {
            Cow::Borrowed(NextPage::Address(address)) => Some(address.into()),
            Cow::Owned(NextPage::Address(address)) => Some(address.into()),
            _ => None,
        }
    }

    /// The parameter that asks for the page.
    pub(super) fn parameter<'p>(&self, pull: &'p PullDialect) -> Option<(&'p str, String)> {
        let page = self.page().map(Cow::into_owned);
        match (&pull.paging, page) {
            (Paging::Token { parameter, .. }, Some(NextPage::Token(token))) => Some((parameter, token)),
            (Paging::Offset { parameter }, page) => {
                let overlap = if let Self::Page(walk) = self { walk.overlap(pull) } else { 0 };
                Some((parameter, (passed(page.as_ref()) - overlap).to_string()))
            }
            (Paging::Number { parameter, first }, page) => {
                Some((parameter, passed(page.as_ref()).saturating_add(u64::from(*first)).to_string()))
            }
            _ => None,
        }
    }

    /// What it means that the page is refused.
    pub(super) fn refused(&self, error: &RemoteError, pull: &PullDialect) -> Refused {
        let anew = |walk: &Walk| match walk.anew() {
            Some(next) => Refused::GoesOn(next.position(pull)),
            None => Refused::Gone,
        };
        match (self, self.page().as_deref()) {
            // Many servers keep such an address for an hour or a day, and the last sync may be longer ago. The place would be refused
            // at each pull from now on.
            (Self::Page(walk), Some(NextPage::Address(_) | NextPage::Token(_)))
                if error.refuses_a_place() =>
            {
                anew(walk)
            }
            // Some tokens are good for one request.
            (Self::Check { then, .. }, Some(NextPage::Address(_) | NextPage::Token(_)))
                if error.refuses_a_place() =>
            {
                Refused::GoesOn(then.position(pull))
            }
            // That is how some say that the page before was the last one.
            (Self::Page(_), Some(NextPage::After(_)))
                if refuses_a_number(error) && matches!(pull.paging, Paging::Number { .. }) =>
            {
                Refused::Empty
            }
            // What was there is not: the list has become shorter by more than a page.
            (Self::Page(walk) | Self::Check { of: walk, .. }, Some(NextPage::After(_)))
                if refuses_a_number(error) =>
            {
                // Time and again, it is how far the server lets its list be read.
                walk.anew().map_or(Refused::Stands, |next| Refused::GoesOn(next.position(pull)))
            }
            _ => Refused::Stands,
        }
    }

    /// Where it goes on after a page that was asked for at this place.
    pub(super) fn after(&self, page: PageEnd, pull: &PullDialect) -> Result<After, NoWay> {
        let mut seen = 0;
        let next = match self {
            Self::Key { .. } if !matches!(pull.cursor, CursorSource::LastItem(_)) => {
                return Ok(After { position: page.by_cursor()?, seen });
            }
            Self::Key { .. } => by_key(self, page, pull)?,
            Self::Page(walk) => walk.after(page, pull)?,
            // Whatever has moved up into it comes with it.
            Self::Check { of, then } => match of.ended_with.as_deref().and_then(|id| page.place_of(id)) {
                Some(end) => {
                    seen = end + 1;
                    (**then).clone()
                }
                None => of.anew().ok_or(NoWay::Shifts)?,
            },
        };
        Ok(After { position: next.position(pull), seen })
    }
}

/// The last item is the cursor of the next page, too.
fn by_key(before: &Place, mut page: PageEnd, pull: &PullDialect) -> Result<Next, NoWay> {
    let (more, is_full) = (page.more, page.is_full());
    let Some(key) = page.key()? else {
        return Ok(Next { place: before.since().map(|_| before.clone()), has_more: false });
    };
    let last_id = page.last().map(|(_, id)| id.clone()).filter(|_| pull.breaks_ties());
    let place = Place::Key { since: Some(key), last_id };
    // A server may make its pages smaller than they are asked for. The list is over where the key leads no further.
    let has_more = more.unwrap_or(is_full || place != *before);
    Ok(Next { place: Some(place), has_more })
}

impl Next {
    /// The list is over, and this is the cursor of the next pull.
    fn ended(since: Option<String>, pull: &PullDialect) -> Self {
        let since = since.filter(|_| pull.cursor != CursorSource::Nothing);
        Self { place: since.map(|since| Place::Page(Walk::since(Some(since)))), has_more: false }
    }

    fn at(place: Place) -> Self {
        Self { place: Some(place), has_more: true }
    }

    fn position(&self, pull: &PullDialect) -> Position {
        let Some(place) = &self.place else { return Position::Beginning };
        let plain = place.since().filter(|_| !pull.has_places());
        let cursor = match plain {
            Some(since) => Cursor::new(since),
            None => Cursor::new(serde_json::to_string(&Kept::from(place)).unwrap_or_default()),
        };
        Position::Cursor { cursor, has_more: self.has_more }
    }
}

/// How many pages or items come before a page.
fn passed(page: Option<&NextPage>) -> u64 {
    if let Some(NextPage::After(passed)) = page { *passed } else { 0 }
}

impl PullDialect {
    /// Whether the server's own cursor is not all there is to keep.
    fn has_places(&self) -> bool {
        !matches!(self.paging, Paging::Cursor { .. } | Paging::Whole) || self.breaks_ties()
    }

    /// Whether numbers or offsets lead through the items that share a key only, and the key through the list.
    fn has_ties(&self) -> bool {
        matches!(self.paging, Paging::Number { .. } | Paging::Offset { .. })
            && matches!(self.cursor, CursorSource::LastItem(_))
    }

    /// Whether what is written while a round is read may move items from one of its pages to another.
    pub(super) fn may_shift(&self) -> bool {
        match self.paging {
            Paging::Link | Paging::Header(_) | Paging::Member(_) | Paging::Token { .. } => {
                !self.next_after_item
            }
            Paging::Number { .. } | Paging::Offset { .. } => true,
            Paging::Cursor { .. } | Paging::Whole => false,
        }
    }

    fn breaks_ties(&self) -> bool {
        self.since.iter().any(|(_, value)| value.has("last_id"))
    }
}
