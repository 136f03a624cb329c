//! What the attributes say, once they are understood.

use proc_macro2::Span;
use syn::{Generics, Ident, Path, Type};

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
    pub(crate) fields: Vec<(Ident, Type)>,
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
    pub(crate) entities: Vec<Path>,
}
