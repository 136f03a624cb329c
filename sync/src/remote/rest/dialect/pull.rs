//! How lists of changes are asked for and answered.

use std::borrow::Cow;
use std::ops::Bound;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MemberPath, Parameters, Template};
use crate::record::Payload;
use crate::remote::ScopeTerm;

/// How a page of changes is asked for, and what its answer looks like.
///
/// The parameters know the placeholders `{limit}` (how many items to send at most), `{endpoint}`, and `{updated_at}` and
/// `{id_member}` (the entity's JSON members of that meaning), also in their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullDialect {
    /// Where the list is, with the placeholder `{endpoint}`. Default: `{endpoint}`.
    pub path: Template,
    /// Parameters of every request, such as the order. Default: `limit={limit}`.
    pub parameters: Parameters,
    /// Parameters of a pull that has no cursor yet. Default: none.
    pub first: Parameters,
    /// Parameters of a pull that has one: they also know the placeholders `{cursor}` and, with [`CursorSource::LastItem`],
    /// `{last_id}`, the id of that item. Default: `since={cursor}`.
    pub since: Parameters,
    /// Where the list is in the answer. Default: `items`.
    pub items: MemberPath,
    /// Where the record is in an item of the list. Default: it is the item.
    pub item: MemberPath,
    /// Where the next cursor comes from. Default: the member `cursor`.
    pub cursor: CursorSource,
    /// How the list goes on. Default: with the cursor, as long as `hasMore` is true.
    pub paging: Paging,
    /// Whether the address or token of a next page names the item that the page begins after, as Kinto's does. Default: it may say how
    /// many items come before the page, which leads past some when one of those moves or goes. So where the next page does not show
    /// the last item of the page before again, that page is asked for once more, with a request of its own: what has moved up into it
    /// comes with it. Where that item is not on it any more, the list is begun anew, three times at most; then the pull ends with an error.
    pub next_after_item: bool,
    /// How only the records of a scope are asked for. Default: `list=todo`, `rank_gte=3`.
    pub scope: ScopeDialect,
    /// The statuses that say that the cursor is no longer known: everything is pulled anew. Default: 410.
    pub gone: Vec<u16>,
    /// Where the newest cursor can be asked for, on servers that take any cursor for good: one that is greater than that
    /// was given out before the server lost data, and everything is pulled anew. Default: nowhere.
    pub newest: Option<NewestCursor>,
}

impl Default for PullDialect {
    fn default() -> Self {
        Self {
            path: "{endpoint}".into(),
            parameters: vec![("limit".into(), "{limit}".into())],
            first: Vec::new(),
            since: vec![("since".into(), "{cursor}".into())],
            items: "items".into(),
            item: MemberPath::whole(),
            cursor: CursorSource::Member("cursor".into()),
            paging: Paging::Cursor { more: "hasMore".into() },
            next_after_item: false,
            scope: ScopeDialect::default(),
            gone: vec![410],
            newest: None,
        }
    }
}

/// How a pull asks for the records of a scope ([`Engine::set_scope`](crate::Engine::set_scope)): one parameter for each thing
/// that can be asked of a field.
///
/// They know the placeholders `{field}` (the field's JSON member), `{value}` (its value as the entity writes it, a
/// string without quotes) and `{json}` (the same as JSON). What the server cannot be asked is `None`: it then sends more, which is let go here. A range of
/// both ends is two parameters.
///
/// Deletions have to be told of whatever the record was: where a filter hides them, let it be
/// [`nothing`](Self::nothing). Of a record that somebody else moves out of the scope a server tells nothing;
/// [`Engine::resync`](crate::Engine::resync), or [`DeletionDialect::Listed`], finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeDialect {
    /// The field has this value. Default: `{field}={value}`.
    pub equal: Option<(Template, Template)>,
    /// The field has no value. Default: cannot be asked.
    pub nothing: Option<(Template, Template)>,
    /// The field has this value or a greater one. Default: `{field}_gte={value}`.
    pub at_least: Option<(Template, Template)>,
    /// The field has a greater value. Default: `{field}_gt={value}`.
    pub more_than: Option<(Template, Template)>,
    /// The field has this value or a smaller one. Default: `{field}_lte={value}`.
    pub at_most: Option<(Template, Template)>,
    /// The field has a smaller value. Default: `{field}_lt={value}`.
    pub less_than: Option<(Template, Template)>,
}

impl Default for ScopeDialect {
    fn default() -> Self {
        let parameter = |name: &str| Some((name.into(), "{value}".into()));
        Self {
            equal: parameter("{field}"),
            nothing: None,
            at_least: parameter("{field}_gte"),
            more_than: parameter("{field}_gt"),
            at_most: parameter("{field}_lte"),
            less_than: parameter("{field}_lt"),
        }
    }
}

impl ScopeDialect {
    /// For a server that cannot be asked for a part of its records.
    #[must_use]
    pub fn nothing() -> Self {
        Self { equal: None, nothing: None, at_least: None, more_than: None, at_most: None, less_than: None }
    }

    /// The parameters that there are, by the setting's name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &(Template, Template))> {
        let named = [
            ("equal", &self.equal),
            ("nothing", &self.nothing),
            ("at_least", &self.at_least),
            ("more_than", &self.more_than),
            ("at_most", &self.at_most),
            ("less_than", &self.less_than),
        ];
        named.into_iter().filter_map(|(name, parameter)| Some((name, parameter.as_ref()?)))
    }

    /// The parameters that ask for a part of a scope.
    pub(in crate::remote::rest) fn ask(&self, term: &ScopeTerm) -> Vec<(String, String)> {
        let fill = |parameter: &Option<(Template, Template)>, value: &Payload| {
            let (name, text) = parameter.as_ref()?;
            let place = |place: &str| -> Option<Cow<'_, str>> {
                Some(match place {
                    "field" => term.condition.field.into(),
                    "value" => text_of(value),
                    _ => value.as_str().to_owned().into(),
                })
            };
            Some((name.fill(place), text.fill(place)))
        };
        if let (Some(single), Bound::Included(value)) = (term.condition.single(), &term.low) {
            let parameter = if single.is_null() { &self.nothing } else { &self.equal };
            return fill(parameter, value).into_iter().collect();
        }
        let low = match &term.low {
            Bound::Included(value) => fill(&self.at_least, value),
            Bound::Excluded(value) => fill(&self.more_than, value),
            Bound::Unbounded => None,
        };
        let high = match &term.high {
            Bound::Included(value) => fill(&self.at_most, value),
            Bound::Excluded(value) => fill(&self.less_than, value),
            Bound::Unbounded => None,
        };
        low.into_iter().chain(high).collect()
    }
}

/// A value as it stands in a URL: a string without its quotes, and everything else as JSON.
fn text_of(value: &Payload) -> Cow<'static, str> {
    value.decode::<String>().unwrap_or_else(|_| value.as_str().to_owned()).into()
}

impl PullDialect {
    /// Whether a placeholder has to be filled in any request.
    pub(in crate::remote::rest) fn needs(&self, place: &str) -> bool {
        let all = self.parameters.iter().chain(&self.first).chain(&self.since);
        let last = if let CursorSource::LastItem(member) = &self.cursor { Some(member) } else { None };
        all.flat_map(|(name, value)| [name, value]).chain(last).any(|template| template.has(place))
    }
}

/// Where the next cursor comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CursorSource {
    /// A member of the answer, a string or an integer. Where it is absent, the newest `updated_at` of the items with [`Paging::Cursor`], and the
    /// oldest change has to come first; with any other paging, the last one that a page of the list has had, and an error where there was none.
    Member(MemberPath),
    /// A header of the list's first page, without the quotes around its value: `ETag`, for instance. Whatever changes while
    /// the other pages are read is newer, and comes with the next pull.
    Header(String),
    /// A member of the last item, a string or an integer. The list has to be asked for in this member's order, and a
    /// change has to give the record a greater value. The name knows the placeholder `{updated_at}`.
    ///
    /// Where several records may have the same value, either let the question include it (`gte`), and let
    /// [`Paging::Offset`] or [`Paging::Number`] find the way through them, or break the tie by `{last_id}`.
    LastItem(Template),
    /// There is none: every pull lists everything.
    Nothing,
}

/// How a list goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Paging {
    /// The next page is what the page's cursor asks for.
    Cursor {
        /// Where the answer says whether there is more, a boolean. Where it does not, or where this path is empty, there is
        /// more after a page with as many items as were asked for.
        more: MemberPath,
    },
    /// By the address in the header `Link` with `rel="next"` (RFC 8288).
    Link,
    /// By an address in this header.
    Header(String),
    /// By an address in this member of the answer. Absent, `null` or empty, it says that this was the last page.
    Member(MemberPath),
    /// By a text in the answer that is sent back as a parameter. Absent, `null` or empty, it says that this was the last page.
    Token {
        /// Where it is, a string or an integer.
        member: MemberPath,
        /// The parameter.
        parameter: String,
    },
    /// By the page's number, until a page is empty, ends with the same item as the two before, or is refused by the API (400, 404, 410, 416
    /// or 422) while the one before it is still there. A server that refuses pages which lie too deep hides the rest.
    ///
    /// With [`CursorSource::LastItem`], the key goes on as long as it moves, and numbers lead through the items of one key only: a server that sends fewer of them at a time than are asked for
    /// ([`page_size`](crate::EngineBuilder::page_size)) hides those of one key that fill a page of its own.
    Number {
        /// The parameter.
        parameter: String,
        /// The number of the first page.
        first: u32,
    },
    /// By the number of items before it, as with [`Number`](Self::Number). Each page begins with the last item of the one before, by which it is
    /// seen that the list has not shifted.
    Offset {
        /// The parameter.
        parameter: String,
    },
    /// Everything comes in one answer.
    Whole,
}

/// Where the newest cursor can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewestCursor {
    /// Where, with the placeholder `{endpoint}`.
    pub path: Template,
    /// Where it is in the answer: an integer, or a text that begins with one.
    pub member: MemberPath,
}

/// How deletions by others are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeletionDialect {
    /// The server tells them: [`Tombstone`](super::Tombstone).
    #[default]
    Told,
    /// Nobody deletes anything, or it does not matter here.
    Never,
    /// It does not: now and then everything is listed, and each record that is missing in it is asked for. Only what the
    /// server then says that it does not have is taken for deleted; a list that lacks records which exist is reported.
    Listed {
        /// How long after one such listing the next one is made, with the pull that comes then.
        every: Duration,
    },
}
