//! A place as it is written down. Earlier versions of the program wrote fewer members, and none of another meaning.

use serde::{Deserialize, Serialize};

use super::super::dialect::{Paging, PullDialect};
use super::walk::{NextPage, Walk};
use super::{Next, Place};

/// A place in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextPage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<NextPage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_with: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    restarts: u32,
    /// Where it goes on once the page before was looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<Then>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Then {
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Box<Kept>>,
    has_more: bool,
}

impl Kept {
    pub(super) fn since(since: &str) -> Self {
        Self { since: Some(since.to_owned()), ..Self::default() }
    }

    /// What the dialect makes of it.
    pub(super) fn place(self, pull: &PullDialect) -> Place {
        let Self { since, last_id, next, before, mark, ended_with, repeated, restarts, then } = self;
        if matches!(pull.paging, Paging::Cursor { .. }) {
            return Place::Key { since, last_id };
        }
        // Where another dialect left it, the round begins anew.
        let Some(next) = next.filter(|next| next.is_of(pull)) else {
            return Place::Page(Walk { since, mark, restarts, ..Walk::default() });
        };
        let before = before.filter(|before| before.is_of(pull));
        let walk = Walk { since, next: Some(next), before, mark, ended_with, repeated, restarts };
        match then.filter(|_| pull.may_shift()) {
            None => Place::Page(walk),
            Some(Then { place, has_more }) => {
                let place = place.map(|place| place.place(pull));
                Place::Check { of: walk, then: Box::new(Next { place, has_more }) }
            }
        }
    }

    fn of_walk(walk: &Walk) -> Self {
        let Walk { since, next, before, mark, ended_with, repeated, restarts } = walk.clone();
        Self { since, last_id: None, next, before, mark, ended_with, repeated, restarts, then: None }
    }
}

impl From<&Place> for Kept {
    fn from(place: &Place) -> Self {
        match place {
            Place::Key { since, last_id } => {
                Self { since: since.clone(), last_id: last_id.clone(), ..Self::default() }
            }
            Place::Page(walk) => Self::of_walk(walk),
            Place::Check { of, then } => {
                let place = then.place.as_ref().map(|place| Box::new(Self::from(place)));
                Self { then: Some(Then { place, has_more: then.has_more }), ..Self::of_walk(of) }
            }
        }
    }
}

impl NextPage {
    /// Whether the dialect asks for pages in this way.
    fn is_of(&self, pull: &PullDialect) -> bool {
        match (self, &pull.paging) {
            (Self::Address(_), paging) => {
                matches!(paging, Paging::Link | Paging::Header(_) | Paging::Member(_))
            }
            (Self::Token(_), paging) => matches!(paging, Paging::Token { .. }),
            (Self::After(_), paging) => matches!(paging, Paging::Number { .. } | Paging::Offset { .. }),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
