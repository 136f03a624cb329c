//! The entities of the histories: one for each strategy, with references between them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::Syncable;

/// Which entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Folder,
    Note,
    Task,
    Doc,
    Setting,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Folder, Self::Note, Self::Task, Self::Doc, Self::Setting];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Folder => Folder::NAME,
            Self::Note => Note::NAME,
            Self::Task => Task::NAME,
            Self::Doc => Doc::NAME,
            Self::Setting => Setting::NAME,
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).expect("the schema lists no other entity")
    }

    /// The entity that its records refer to, apart from folders in folders.
    pub(crate) fn parent(self) -> Option<Self> {
        match self {
            Self::Doc => Some(Self::Folder),
            Self::Task => Some(Self::Note),
            Self::Folder | Self::Note | Self::Setting => None,
        }
    }

    /// Whether the engine is to keep the last common value of each record: of notes, the version is enough.
    pub(crate) fn keeps_base(self) -> bool {
        self != Self::Note
    }

    /// Whether the engine keeps the records, so that nobody is told of them.
    pub(crate) fn is_replica(self) -> bool {
        matches!(self, Self::Doc | Self::Setting)
    }
}

/// Names a record across entities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) key: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.key)
    }
}

/// The server's side stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/folders", conflict = ServerWins)]
pub(crate) struct Folder {
    pub(crate) id: String,
    #[sync(references = Folder)]
    pub(crate) parent: Option<String>,
    pub(crate) tag: u64,
    pub(crate) bad: bool,
}

/// The later edit stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) tag: u64,
    pub(crate) bad: bool,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A handler decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
pub(crate) struct Task {
    pub(crate) id: u64,
    #[sync(references = Note)]
    pub(crate) note: Option<String>,
    pub(crate) tag: u64,
    pub(crate) bad: bool,
}

/// Merged field by field, and kept by the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/docs", conflict = Merge, replica)]
pub(crate) struct Doc {
    pub(crate) id: String,
    #[sync(references = Folder)]
    pub(crate) folder: Option<String>,
    #[sync(index)]
    pub(crate) left: u64,
    pub(crate) right: u64,
    /// How often it was saved.
    #[sync(merge = Counter)]
    pub(crate) saves: u64,
    /// The newest tags of all who saved it.
    #[sync(merge = Set)]
    pub(crate) tags: BTreeSet<u64>,
    #[sync(index)]
    pub(crate) bad: bool,
}

impl Doc {
    /// What a merge has to come to, written out without the framework.
    pub(crate) fn merged(base: Option<&Self>, local: &Self, remote: &Self) -> Self {
        fn taken<T: PartialEq + Clone>(base: Option<&T>, local: &T, remote: &T) -> T {
            if base == Some(remote) { local.clone() } else { remote.clone() }
        }
        let saves = match base {
            Some(base) if local.saves != remote.saves => {
                (local.saves + remote.saves).saturating_sub(base.saves)
            }
            _ => remote.saves,
        };
        let before = |tag: &u64| base.is_some_and(|base| base.tags.contains(tag));
        let everything = local.tags.union(&remote.tags);
        let stays = |tag: &&u64| !before(tag) || (local.tags.contains(tag) && remote.tags.contains(tag));
        Self {
            id: remote.id.clone(),
            folder: taken(base.map(|base| &base.folder), &local.folder, &remote.folder),
            left: taken(base.map(|base| &base.left), &local.left, &remote.left),
            right: taken(base.map(|base| &base.right), &local.right, &remote.right),
            saves,
            tags: everything.filter(stays).copied().collect(),
            bad: taken(base.map(|base| &base.bad), &local.bad, &remote.bad),
        }
    }
}

/// The local side stands; kept by the engine, and found by nothing but the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/settings", conflict = ClientWins, replica)]
pub(crate) struct Setting {
    pub(crate) id: String,
    pub(crate) tag: u64,
    pub(crate) bad: bool,
}

/// What an edit writes into a record.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) key: String,
    /// The record as the user sees it, as JSON.
    pub(crate) before: Option<String>,
    pub(crate) parent: Option<String>,
    /// A number that no other edit of the history has.
    pub(crate) tag: u64,
    /// The server will never take it.
    pub(crate) bad: bool,
    pub(crate) now: DateTime<Utc>,
}

/// A record that can be written by chance.
pub(crate) trait Sample: Syncable {
    const KIND: Kind;

    fn write(draft: &Draft) -> Self;

    fn id_of(key: &str) -> Self::Id;
}

macro_rules! tagged {
    ($T:ident { $($field:ident: $value:expr),* }, $draft:ident) => {
        impl Sample for $T {
            const KIND: Kind = Kind::$T;

            fn write($draft: &Draft) -> Self {
                Self { id: $draft.key.clone(), tag: $draft.tag, bad: $draft.bad, $($field: $value),* }
            }

            fn id_of(key: &str) -> String {
                key.to_owned()
            }
        }
    };
}

tagged!(Folder { parent: draft.parent.clone() }, draft);
tagged!(Note { updated_at: draft.now }, draft);
tagged!(Setting {}, draft);

impl Sample for Task {
    const KIND: Kind = Kind::Task;

    fn write(draft: &Draft) -> Self {
        Self { id: Self::id_of(&draft.key), note: draft.parent.clone(), tag: draft.tag, bad: draft.bad }
    }

    fn id_of(key: &str) -> u64 {
        key.parse().expect("the keys of the histories are numbers")
    }
}

impl Sample for Doc {
    const KIND: Kind = Kind::Doc;

    /// Changes one of the two halves of what the user sees, counts, and leaves a tag; at times an old one goes.
    fn write(draft: &Draft) -> Self {
        let before: Option<Self> = draft.before.as_deref().and_then(|json| serde_json::from_str(json).ok());
        let (left, right) = before.as_ref().map_or((0, 0), |doc| (doc.left, doc.right));
        let (left, right) = if draft.tag.is_multiple_of(2) { (draft.tag, right) } else { (left, draft.tag) };
        let (saves, mut tags) = before.map_or((0, BTreeSet::new()), |doc| (doc.saves, doc.tags));
        if draft.tag.is_multiple_of(3) {
            tags.pop_first();
        }
        tags.insert(draft.tag);
        let (id, folder) = (draft.key.clone(), draft.parent.clone());
        Self { id, folder, left, right, saves: saves + 1, tags, bad: draft.bad }
    }

    fn id_of(key: &str) -> String {
        key.to_owned()
    }
}

/// Runs code for the type of a kind.
macro_rules! for_kind {
    ($kind:expr, $T:ident => $body:expr) => {
        match $kind {
            Kind::Folder => {
                type $T = Folder;
                $body
            }
            Kind::Note => {
                type $T = Note;
                $body
            }
            Kind::Task => {
                type $T = Task;
                $body
            }
            Kind::Doc => {
                type $T = Doc;
                $body
            }
            Kind::Setting => {
                type $T = Setting;
                $body
            }
        }
    };
}
pub(crate) use for_kind;
