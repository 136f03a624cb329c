//! What the checks ask the server's history.

use sync::record::{Base, Record};

use super::super::entities::{Kind, Name, Note};
use super::super::plan::Habits;
use super::super::server::{Moment, Server};
use super::Content;

/// What is around a check.
pub(crate) struct Around<'a> {
    pub(crate) server: &'a Server,
    pub(crate) device: usize,
    pub(crate) account: usize,
    pub(crate) habits: Habits,
    /// Nothing in this history makes the application's table run ahead of the engine's.
    pub(crate) strict_view: bool,
}

/// Whether the server did not have the record at some time after what is known of it.
pub(crate) fn gone_since(around: &Around<'_>, name: &Name, known: &Record) -> bool {
    let Some(base) = &known.base else { return true };
    let history = around.server.history(around.account, name);
    // Without a version, what is known may be an earlier one of several times at which the server had this.
    let since = places_of(around, name, base).next().unwrap_or(0);
    around.server.era > 0 || history[since..].iter().any(|moment| moment.value.is_none())
}

/// Where in the record's history the server had this last.
pub(crate) fn place_of(around: &Around<'_>, name: &Name, base: &Base) -> Option<usize> {
    places_of(around, name, base).last()
}

fn places_of(around: &Around<'_>, name: &Name, base: &Base) -> impl Iterator<Item = usize> {
    let history = around.server.history(around.account, name);
    let fits = |value: &Content| match (&base.value, value) {
        (None, Some(_)) => true,
        (Some(kept), value) => alike(around, name, Some(kept.as_str()), value.as_deref()),
        (None, None) => false,
    };
    let there = move |(place, moment): (usize, &Moment)| {
        let version = base.version.as_ref().is_none_or(|version| moment.version == *version);
        (version && fits(&moment.value)).then_some(place)
    };
    history.iter().enumerate().filter_map(there)
}

pub(crate) fn same_on_server(around: &Around<'_>, name: &Name, value: &str) -> bool {
    let history = around.server.history(around.account, name);
    history.iter().any(|moment| alike(around, name, Some(value), moment.value.as_deref()))
}

/// Whether two texts are the same record, but for an `updated_at` that the server sets.
pub(crate) fn alike(around: &Around<'_>, name: &Name, one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if around.habits.stamps && name.kind == Kind::Note => {
            let note = |text| serde_json::from_str::<Note>(text).ok().map(|note| note.tag);
            note(one) == note(other)
        }
        (one, other) => one == other,
    }
}
