//! What the attributes say, once they are understood.

use proc_macro2::Span;
use syn::{Generics, Ident, Path, Type, Visibility};

/// A struct that derives `Syncable`.
pub(crate) struct Entity {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) krate: Path,
    /// The stable storage name.
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) strategy: Strategy,
    pub(crate) id: Option<Named>,
    pub(crate) updated_at: Option<Named>,
    pub(crate) references: Vec<Reference>,
    pub(crate) members: Members,
    /// The members that hold a `HashSet`.
    pub(crate) unordered: Vec<String>,
    /// Whether the engine keeps the records.
    pub(crate) replica: bool,
    pub(crate) indexed: Vec<Indexed>,
    pub(crate) version: Option<Versioned>,
    /// Whether it is deprecated, or may use what is.
    pub(crate) deprecated: bool,
    /// For one that is merged field by field.
    pub(crate) merging: Option<Merging>,
}

/// The JSON members of a record.
#[derive(Default)]
pub(crate) struct Members {
    /// Those that it writes, but for what `flatten` brings.
    pub(crate) written: Vec<String>,
    /// Those of them that it may be written without, where not all records are written with the same members.
    pub(crate) optional: Option<Vec<String>>,
    /// Those that its own fields are read by, where it does not pass over others.
    pub(crate) known: Option<Vec<String>>,
}

/// A struct that derives `Mergeable` on its own.
pub(crate) struct Part {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) krate: Path,
    /// Whether it is deprecated, or may use what is.
    pub(crate) deprecated: bool,
    pub(crate) merging: Merging,
}

/// How conflicts are decided.
pub(crate) enum Strategy {
    /// One of `sync`'s, as the user wrote it.
    BuiltIn(BuiltIn, Ident),
    /// A type of the user's.
    Own(Box<Type>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    ServerWins,
    ClientWins,
    LastWriteWins,
    Merge,
    Manual,
}

impl BuiltIn {
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("ServerWins", Self::ServerWins),
        ("ClientWins", Self::ClientWins),
        ("LastWriteWins", Self::LastWriteWins),
        ("Merge", Self::Merge),
        ("Manual", Self::Manual),
    ];
}

impl Strategy {
    pub(crate) fn is(&self, wanted: BuiltIn) -> bool {
        matches!(self, Self::BuiltIn(built_in, _) if *built_in == wanted)
    }

    /// The strategy of an entity that names none, or a wrong one: it needs nothing, so nothing else complains.
    pub(crate) fn fallback() -> Self {
        Self::BuiltIn(BuiltIn::ServerWins, Ident::new("ServerWins", Span::call_site()))
    }
}

/// A field with a meaning.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The JSON member that carries it.
    pub(crate) member: String,
}

/// A field that records are found by.
pub(crate) struct Indexed {
    pub(crate) field: Named,
    pub(crate) visibility: Visibility,
}

/// The version of a struct that was another one before.
pub(crate) struct Versioned {
    pub(crate) version: u32,
    /// The function that makes a record of what an earlier version stored.
    pub(crate) upgrade: Path,
}

/// A field that holds ids of another entity.
pub(crate) struct Reference {
    pub(crate) ident: Ident,
    /// The type of one id: what stands inside all the `Option`s and `Vec`s.
    pub(crate) id_type: Type,
    pub(crate) target: Path,
    /// How many `Option`s and `Vec`s are around the id.
    pub(crate) layers: usize,
}

/// A struct that derives `Schema`.
pub(crate) struct Schema {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) krate: Path,
    /// Whether it is deprecated, or may use what is.
    pub(crate) deprecated: bool,
    pub(crate) entities: Vec<Path>,
}

/// How a struct is merged field by field.
pub(crate) struct Merging {
    pub(crate) visibility: Visibility,
    /// None at all, when a mistake was reported.
    pub(crate) fields: Vec<MergedField>,
    pub(crate) groups: Vec<Group>,
    /// What says which side is the later one.
    pub(crate) dated_by: Option<DatedBy>,
    /// The variant of `OnDelete`.
    pub(crate) on_delete: Option<Ident>,
}

pub(crate) enum DatedBy {
    /// `Timestamped`, which an entity implements with its field: one that holds no time is one mistake.
    Record,
    /// The field of a part.
    Field(Ident, Box<Type>),
}

/// A field, and how it is merged.
pub(crate) struct MergedField {
    pub(crate) ident: Ident,
    /// The identifier without `r#`.
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) visibility: Visibility,
    pub(crate) how: How,
}

pub(crate) enum How {
    By(Rule),
    /// By a function of the user's.
    With(Path),
    /// Together with the others of the group at this place.
    InGroup(usize),
}

/// What decides where both sides changed a field.
#[derive(Clone)]
pub(crate) enum Rule {
    /// One of `sync`'s, as the user wrote it.
    BuiltIn(Policy, Ident),
    /// A map, and the rule of its values.
    Map(Box<Rule>),
    /// A type of the user's.
    Own(Box<Type>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Remote,
    Local,
    Latest,
    Max,
    Min,
    Counter,
    Set,
    Map,
    Text,
    Nested,
}

impl Policy {
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("Remote", Self::Remote),
        ("Local", Self::Local),
        ("Latest", Self::Latest),
        ("Max", Self::Max),
        ("Min", Self::Min),
        ("Counter", Self::Counter),
        ("Set", Self::Set),
        ("Map", Self::Map),
        ("Text", Self::Text),
        ("Nested", Self::Nested),
    ];
}

impl Rule {
    /// The rule of a field without one.
    pub(crate) fn fallback() -> Self {
        Self::BuiltIn(Policy::Remote, Ident::new("Remote", Span::call_site()))
    }

    /// Where it asks which side is the later one.
    pub(crate) fn latest(&self) -> Option<&Ident> {
        match self {
            Self::BuiltIn(Policy::Latest, at) => Some(at),
            Self::Map(values) => values.latest(),
            Self::BuiltIn(..) | Self::Own(_) => None,
        }
    }
}

/// Fields that change together or not at all.
pub(crate) struct Group {
    pub(crate) prefers: Prefers,
    /// Its fields, by their place among all.
    pub(crate) members: Vec<usize>,
}

/// The side that a group is taken from, where both changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefers {
    Remote,
    Local,
    Latest,
}
