//! Where a pull is in the server's list, and how it goes on.
//!
//! The engine keeps one opaque cursor with each page. Where the server's own is all there is to know, that is it. Otherwise
//! it is a [`Place`] in JSON: the server's cursor that the round began with, the next page of the round, and the cursor that
//! the next round begins with.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{HeaderMap, LINK};
use serde::{Deserialize, Serialize};

use super::dialect::{CursorSource, Paging, PullDialect};
use crate::remote::Position;
use crate::storage::Cursor;

/// How often a list that cannot be read to its end is begun anew.
const RESTARTS: u32 = 3;

/// How far the clock of whoever has changed something may be ahead of the server's, which tells its time in whole seconds besides.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// A place in the server's list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// The server's cursor, as it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The id of the item that `since` was taken from, where the dialect breaks ties by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_id: Option<String>,
    /// The page of the round that comes next; `None` for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextPage>,
    /// The page before that, where the server names pages; `None` for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<NextPage>,
    /// The cursor of the next round, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    /// The id of the item that the page before ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_with: Option<String>,
    /// How often the round was begun anew.
    #[serde(skip_serializing_if = "is_zero")]
    restarts: u32,
}

/// The page that comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NextPage {
    /// At this address.
    Address(String),
    /// With this token.
    Token(String),
    /// The one that begins after so many items.
    After(u64),
}

/// What a page tells of its place.
#[derive(Debug, Default)]
pub(super) struct PageEnd {
    /// How many items it has.
    pub(super) items: usize,
    /// How many were asked for.
    pub(super) limit: usize,
    /// What the dialect's [`CursorSource`] gave.
    pub(super) cursor: Option<String>,
    /// Whether there is more, as a member says.
    pub(super) more: Option<bool>,
    /// The address or token of the next page.
    pub(super) next: Option<String>,
    /// The ids of the items, where the list may shift between two pages; else that of the last one.
    pub(super) ids: Vec<String>,
    /// When each item was changed, where that may have to be the cursor.
    pub(super) times: Vec<DateTime<Utc>>,
    /// What is later is no such time.
    pub(super) latest: Option<DateTime<Utc>>,
}

impl PageEnd {
    /// Sets the server's own time.
    pub(super) fn passed_over_after(&mut self, now: Option<DateTime<Utc>>) {
        self.latest = now.and_then(|now| now.checked_add_signed(AHEAD));
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
    fn key(&mut self) -> Result<Option<String>, NoWay> {
        match self.cursor.take() {
            None if self.items > 0 => Err(NoWay::NoCursor),
            key => Ok(key),
        }
    }

    fn is_full(&self) -> bool {
        self.items >= self.limit
    }

    pub(super) fn last_id(&self) -> Option<&String> {
        self.ids.last()
    }

    /// Whether the page goes on without a gap after an item, which it shows again: what was written before it in the list
    /// pushes it down, and nothing is missed.
    pub(super) fn follows(&self, ended_with: &str) -> bool {
        self.ids.iter().any(|id| id == ended_with)
    }

    /// Whether the page goes on without a gap after the one before it, as that one is now: of what has moved up into that one, the page
    /// shows all, because it begins after an item and not after a number of them.
    pub(super) fn goes_on_after(&self, before: &Self, ended_with: &str) -> bool {
        let end = before.ids.iter().rposition(|id| id == ended_with);
        end.is_some_and(|end| before.ids[end + 1..].iter().all(|id| self.follows(id)))
    }
}

/// The list of this page is not what the dialect says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoWay {
    /// There is no cursor where it should be.
    NoCursor,
    /// The list is over, and no page of it has told where the next pull begins.
    NoMark,
    /// The page is full and without a cursor, and its items are not in the order of their times.
    NotByTime,
}

impl NoWay {
    /// For people.
    pub(super) fn told(self, pull: &PullDialect) -> String {
        match (self, &pull.cursor) {
            (Self::NoMark, CursorSource::Member(member)) => format!(
                "the list is over, and none of its pages has the cursor `{member}`: choose another `pull.cursor`, such as `CursorSource::LastItem`, or `CursorSource::Nothing`, with which each pull lists everything"
            ),
            (Self::NotByTime, CursorSource::Member(member)) => format!(
                "the page is full, has no cursor `{member}`, and its items are not in the order of their `updated_at`, by which the next page would be asked for: list the oldest change first"
            ),
            (_, CursorSource::LastItem(member)) => format!(
                "the last item of the list has no `{member}`, a text or a number, by which the list would go on: choose another `pull.cursor`, or let the server send it with each item, deletions included"
            ),
            _ => "the page has no cursor where the dialect's `pull.cursor` says".to_owned(),
        }
    }
}

impl Place {
    /// Reads the cursor that was kept with the page before.
    pub(super) fn of(cursor: Option<&Cursor>, pull: &PullDialect) -> Self {
        let Some(cursor) = cursor else { return Self::default() };
        let place = if pull.has_places() { serde_json::from_str(cursor.as_str()).ok() } else { None };
        // One that another dialect left, or the newest `updated_at`, is the server's own.
        place.unwrap_or_else(|| Self { since: Some(cursor.as_str().to_owned()), ..Self::default() })
    }

    pub(super) fn since(&self) -> Option<&str> {
        self.since.as_deref()
    }

    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Whether this is the beginning of a round.
    pub(super) fn is_first(&self) -> bool {
        self.next.is_none()
    }

    /// Whether the cursor of the next round is known.
    pub(super) fn is_marked(&self) -> bool {
        self.mark.is_some()
    }

    /// The next page's address, where the server names it.
    pub(super) fn address(&self) -> Option<&str> {
        match &self.next {
            Some(NextPage::Address(address)) => Some(address),
            _ => None,
        }
    }

    /// Whether the page is asked for in words of the server's own, which it may forget.
    pub(super) fn was_given_by_the_server(&self) -> bool {
        matches!(self.next, Some(NextPage::Address(_) | NextPage::Token(_)))
    }

    /// The parameter that asks for the page.
    pub(super) fn parameter<'p>(&self, pull: &'p PullDialect) -> Option<(&'p str, Cow<'_, str>)> {
        match (&pull.paging, &self.next) {
            (Paging::Token { parameter, .. }, Some(NextPage::Token(token))) => {
                Some((parameter, token.into()))
            }
            (Paging::Offset { parameter }, _) => {
                // The last item of the page before comes again, unless the list has shifted.
                let overlap = u64::from(self.ended_with.is_some() && pull.counts_through());
                Some((parameter, (self.passed() - overlap.min(self.passed())).to_string().into()))
            }
            (Paging::Number { parameter, first }, _) => {
                Some((parameter, self.passed().saturating_add(u64::from(*first)).to_string().into()))
            }
            _ => None,
        }
    }

    /// Whether so many pages or items are passed that there may be none here.
    pub(super) fn may_be_past_the_end(&self) -> bool {
        self.passed() > 0
    }

    /// The page before this one and the id that it ended with, where the list has to be looked at again to know whether it
    /// has shifted since: a page's number says nothing of what is on it, nor does an address that the server made of such a number.
    pub(super) fn to_be_compared(&self, pull: &PullDialect) -> Option<(Self, &str)> {
        let ended_with = self.ended_with.as_deref().filter(|_| pull.may_shift())?;
        let before = match self.next.as_ref()? {
            NextPage::Address(_) | NextPage::Token(_) => self.before.clone(),
            NextPage::After(passed) if matches!(pull.paging, Paging::Number { .. }) => {
                Some(NextPage::After(passed.checked_sub(1)?))
            }
            NextPage::After(_) => return None,
        };
        Some((Self { next: before, ..self.clone() }, ended_with))
    }

    /// The same list from its beginning, because it shifted while it was read, or its next page is not known any more; `None` when that
    /// happens all the time.
    pub(super) fn anew(&self, pull: &PullDialect) -> Option<Position> {
        let restarts = self.restarts + 1;
        let place = Self { next: None, before: None, ended_with: None, restarts, ..self.clone() };
        (restarts <= RESTARTS).then(|| place.position(pull, true))
    }

    /// Where it goes on after a page that was asked for at this place.
    pub(super) fn after(&self, page: PageEnd, pull: &PullDialect) -> Result<Position, NoWay> {
        match (&pull.cursor, &pull.paging) {
            (CursorSource::Member(_), Paging::Cursor { .. }) => {
                let has_more = page.more.unwrap_or(page.is_full());
                match page.cursor {
                    Some(cursor) => Ok(Position::Cursor { cursor: Cursor::new(cursor), has_more }),
                    None => page.newest_item(has_more),
                }
            }
            (CursorSource::LastItem(_), Paging::Cursor { .. }) => self.by_key(page, pull),
            (CursorSource::LastItem(_), Paging::Offset { .. } | Paging::Number { .. }) => {
                self.through_ties(page, pull)
            }
            _ => self.round(page, pull),
        }
    }

    /// The last item is the cursor of the next page, too.
    fn by_key(&self, mut page: PageEnd, pull: &PullDialect) -> Result<Position, NoWay> {
        let has_more = page.more.unwrap_or(page.is_full());
        let Some(key) = page.key()? else { return Ok(self.ended(pull)) };
        let last_id = page.last_id().filter(|_| pull.breaks_ties()).cloned();
        Ok(Self { since: Some(key), last_id, ..Self::default() }.position(pull, has_more))
    }

    /// The key goes on as far as it can. A whole page of items with one key is passed by counting them.
    fn through_ties(&self, mut page: PageEnd, pull: &PullDialect) -> Result<Position, NoWay> {
        let full = page.is_full();
        let Some(key) = page.key()? else { return Ok(self.ended(pull)) };
        if self.since.as_ref() != Some(&key) || !full {
            return Ok(Self { since: Some(key), ..Self::default() }.position(pull, full));
        }
        // A server that repeats its last page would be asked for ever.
        if self.ended_with.is_some() && self.ended_with.as_ref() == page.last_id() {
            return Ok(self.ended(pull));
        }
        let more = if matches!(pull.paging, Paging::Number { .. }) { 1 } else { page.items as u64 };
        let next = Some(NextPage::After(self.passed().saturating_add(more)));
        Ok(Self { next, ended_with: page.last_id().cloned(), ..self.clone() }.position(pull, true))
    }

    /// The pages of a round, whose cursor is that of the next round.
    fn round(&self, mut page: PageEnd, pull: &PullDialect) -> Result<Position, NoWay> {
        let mark = match (&pull.cursor, &self.mark) {
            // What changes while the other pages are read is newer than the first page.
            (CursorSource::Header(_), Some(first)) => Some(first.clone()),
            (CursorSource::Header(_), None) if page.cursor.is_none() => return Err(NoWay::NoCursor),
            (_, earlier) => page.cursor.clone().or_else(|| earlier.clone()),
        };
        let overlap = self.ended_with.as_ref().filter(|_| matches!(pull.paging, Paging::Offset { .. }));
        if overlap.is_some_and(|ended_with| !page.follows(ended_with))
            && let Some(anew) = self.anew(pull)
        {
            return Ok(anew);
        }
        // Some servers repeat their last page for ever.
        let repeated = self.ended_with.is_some() && self.ended_with.as_ref() == page.last_id();
        let items = page.items as u64 - u64::from(overlap.is_some()).min(page.items as u64);
        // A page with fewer items than were asked for may be as large as the server makes them. One of whose items none has an id can only be
        // judged by its size.
        let goes_on = items > 0 && if page.last_id().is_some() { !repeated } else { page.is_full() };
        let next = match &pull.paging {
            Paging::Link | Paging::Header(_) | Paging::Member(_) => page.next.take().map(NextPage::Address),
            Paging::Token { .. } => page.next.take().map(NextPage::Token),
            Paging::Number { .. } => goes_on.then(|| NextPage::After(self.passed().saturating_add(1))),
            Paging::Offset { .. } => goes_on.then(|| NextPage::After(self.passed().saturating_add(items))),
            Paging::Cursor { .. } | Paging::Whole => None,
        };
        let ended = Self { mark, ..self.clone() };
        // Taken for the end, it would be listed anew at each pull, and nobody would know why.
        let is_unmarked = ended.mark.is_none() && ended.since.is_none();
        let is_empty = page.items == 0 && self.ended_with.is_none();
        let is_marked = matches!(pull.cursor, CursorSource::Member(_) | CursorSource::LastItem(_));
        if next.is_none() && is_unmarked && !is_empty && is_marked {
            return Err(NoWay::NoMark);
        }
        Ok(match next {
            None => ended.ended(pull),
            next => {
                let before = self.next.clone().filter(|_| self.was_given_by_the_server());
                Self { next, before, ended_with: page.last_id().cloned(), ..ended }.position(pull, true)
            }
        })
    }

    fn passed(&self) -> u64 {
        match self.next {
            Some(NextPage::After(passed)) => passed,
            _ => 0,
        }
    }

    /// The round is over.
    fn ended(&self, pull: &PullDialect) -> Position {
        let (since, last_id) = match &self.mark {
            Some(mark) => (Some(mark.clone()), None),
            None => (self.since.clone(), self.last_id.clone()),
        };
        if pull.cursor == CursorSource::Nothing || since.is_none() {
            return Position::Beginning;
        }
        Self { since, last_id, ..Self::default() }.position(pull, false)
    }

    fn position(&self, pull: &PullDialect, has_more: bool) -> Position {
        let plain = self.since.as_ref().filter(|_| !pull.has_places());
        let cursor = match plain {
            Some(since) => Cursor::new(&**since),
            None => Cursor::new(serde_json::to_string(self).unwrap_or_default()),
        };
        Position::Cursor { cursor, has_more }
    }
}

impl PullDialect {
    /// Whether the server's own cursor is not all there is to keep.
    fn has_places(&self) -> bool {
        !matches!(self.paging, Paging::Cursor { .. } | Paging::Whole) || self.breaks_ties()
    }

    /// Whether a whole round goes by numbers or offsets, and not only the items that share a key.
    pub(super) fn counts_through(&self) -> bool {
        matches!(self.paging, Paging::Number { .. } | Paging::Offset { .. })
            && !matches!(self.cursor, CursorSource::LastItem(_))
    }

    /// Whether what is written while a round is read may move items from one of its pages to another.
    pub(super) fn may_shift(&self) -> bool {
        match self.paging {
            Paging::Link | Paging::Header(_) | Paging::Member(_) | Paging::Token { .. } => {
                !self.next_after_item
            }
            _ => self.counts_through(),
        }
    }

    fn breaks_ties(&self) -> bool {
        self.since.iter().any(|(_, value)| value.has("last_id"))
    }
}

/// The address that the header `Link` names for the next page (RFC 8288, section 3).
pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(links).find_map(|(address, rel)| {
        rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next")).then(|| address.to_owned())
    })
}

/// The addresses of a `Link` header with their relations. What is no link is skipped.
fn links(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((address, after)) = after.split_once('>') else { break };
        let (mut parameters, more) = cut(after, b',');
        rest = more;
        while !parameters.is_empty() {
            let (parameter, others) = cut(parameters, b';');
            parameters = others;
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("rel")
            {
                found.push((address, value.trim().trim_matches('"').to_owned()));
            }
        }
    }
    found
}

/// Cuts a text at a mark that stands in no quotes.
fn cut(text: &str, mark: u8) -> (&str, &str) {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == mark && !quoted
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, LINK};

    use super::next_link;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (text, expected) in [
            (r#"<http://x/a?p=2>; rel="next""#, Some("http://x/a?p=2")),
            (r#"<http://x/1>; rel="first", <http://x/2>; rel="prev", </a?p=3>; rel="next""#, Some("/a?p=3")),
            (r#"<http://x/a,b>; title="a, <b>; rel=next"; rel=last, <c>; REL=Next"#, Some("c")),
            (r#"<http://x/2>; rel="last next""#, Some("http://x/2")),
            (r#"<http://x/1>; rel="first""#, None),
            ("nonsense", None),
            ("<unclosed", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(text))]);
            assert_eq!(next_link(&headers).as_deref(), expected, "{text}");
        }
    }
}
