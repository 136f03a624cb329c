//! The derives of `sync`: `Syncable` for entities, `Mergeable` for parts of them, and `Schema` for the
//! struct that lists them and carries the handlers.
//!
//! Tokens are parsed into a model, all mistakes collected on the way, and the model is expanded into tokens. The impls
//! are emitted even when there were mistakes, so that one mistake gives one error.

#![forbid(unsafe_code)]

mod errors;
mod expand;
mod model;
mod parse;
mod peeled;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use errors::Errors;

/// Makes a struct an entity: a kind of record that `sync` can queue, push and pull.
///
/// On the struct, `#[sync(…)]` takes
///
/// - `endpoint = "/notes"`: the path of the collection below the base URL. Required.
/// - `conflict = LastWriteWins`: how conflicts are decided: `ServerWins`, `ClientWins`, `LastWriteWins`, `Merge`,
///   `Manual`, or the path of a strategy of your own (`self::Merge` for one with a name of these). Required.
/// - `name = "Note"`: the name in the storage. The struct's own by default; set it before you rename the struct, so that
///   its queue is found again. Instances of a generic struct share it, so only one of them can be in a schema.
/// - `on_delete = KeepEdit`, or `Delete`: who wins with `conflict = Merge`, an edit or a deletion on the other side.
/// - `replica`: the engine keeps the records, to be read, queried and watched. There is no `OnPull` for it then.
/// - `version = 2, upgrade = path`: the struct was another one before, and `path` is a
///   `fn(Outdated<'_>) -> Result<Self, BoxError>` that makes a record of what an earlier version stored. A struct that says nothing
///   of versions has version 1. A replica is pulled anew with it; for another entity, call `Engine::resync` once where the server may
///   have known the new members before.
/// - `crate = ::path::to::sync`: where the `sync` crate is, when it is re-exported. Begins with `::`, `crate`, `self` or `super`.
///
/// On a field, it takes
///
/// - `id`: the record's id: a `String`, a `Uuid`, an integer of up to 64 bits, or a newtype of one. A field named `id` needs no mark.
/// - `updated_at`: when the record was changed last. A field named `updated_at` needs no mark.
/// - `references = Note`: the field is the id of a record of that entity, which has to exist on the server before this
///   one is sent. It may be an `Option`, a `Vec`, a `BTreeSet` or a `HashSet` of ids, written by that name.
/// - `index`: records of a replica are found by this field, with the column that is named like it in capitals: `Note::DONE`.
/// - `merge = Counter`: what becomes of the field where both sides changed it: `Remote`, which is what happens without it,
///   `Local`, `Latest`, `Max`, `Min`, `Counter`, `Set`, `Map`, `Map(Counter)` or of whatever policy the values are, `Text`,
///   `Nested`, or the path of a policy of your own (`self::Set` for one with a name of these).
/// - `merge_with = path`: a function of yours decides, a `fn(&T, &T, &T) -> T` of ancestor, local and remote value.
/// - `group = "address"`: the fields with this name are taken from one side, all of them. `merge = Local` or `merge = Latest` on
///   one of them says from which, where both changed them.
///
/// `#[serde(rename…)]` and `#[serde(rename_all…)]` are understood: the members are named as serde writes them. What is stored of a
/// record is read back by the same struct, so what serde would write and not read, or leave out and miss, is refused: a rename of one
/// side needs an `alias` of the other, `skip_serializing_if` a `default`, and `skip` stands for both sides.
///
/// The default dialect of `RestRemote` takes two members of a record that is pulled for the server's own: `deleted`, a deletion when it
/// is `true`, and `version`. A field under such a name would be taken for it: rename it with `#[serde(rename = "…")]`, or say with
/// `Dialect::record` (`tombstone`, `version`) where the server has its own.
///
/// The id, and an indexed field, are also read and written without their record, as their type's own JSON. Serde's `with`,
/// `serialize_with`, `deserialize_with` and `getter` are therefore refused on them: a newtype can have another form. What
/// else gives a record another form than its fields have, such as `#[serde(from = …, into = …)]` on the struct, has to leave
/// these members as they are.
///
/// The type of the id, the entities that are referred to, and a strategy of your own are part of the entity: whoever can see it has
/// to see them as well (otherwise: E0446).
///
/// Each type parameter has to be `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`, and `PartialEq` for
/// `conflict = Merge`. The derive implements `Syncable`, `Timestamped` for a struct with an `updated_at`, and `Mergeable`
/// for one with `conflict = Merge`, or with `Manual` or a strategy of your own and a `merge`, `merge_with` or `group` on a
/// field.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sync::Syncable;
/// use uuid::Uuid;
///
/// # #[derive(Clone, Serialize, Deserialize, Syncable)]
/// # #[sync(endpoint = "/notes", conflict = ServerWins)]
/// # pub struct Note { id: Uuid }
/// #[derive(Clone, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/tasks", conflict = Manual)]
/// pub struct Task {
///     #[sync(id)]
///     pub key: String,
///     #[sync(references = Note)]
///     pub note_id: Uuid,
///     pub text: String,
/// }
/// ```
#[proc_macro_derive(Syncable, attributes(sync))]
pub fn derive_syncable(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let entity = parse::entity(&input, &mut errors);
    let mut tokens = entity.map(|entity| expand::entity(&entity, !errors.is_empty())).unwrap_or_default();
    tokens.extend(errors.into_tokens());
    tokens.into()
}

/// Lets values of a struct be merged field by field: for the type of a field that says `#[sync(merge = Nested)]`.
///
/// An entity needs no such derive: `Syncable` does the same.
///
/// On a field, `#[sync(…)]` takes `merge`, `merge_with`, `group` and `updated_at`, as for
/// [`Syncable`](macro@Syncable); on the struct, `on_delete` and `crate`. A `group` is one of this struct, and `Latest` needs an
/// `updated_at` in this struct.
///
/// Each type parameter has to be `PartialEq + Clone + Send + Sync + 'static`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sync::Mergeable;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
/// pub struct Address {
///     #[sync(group = "place")]
///     pub street: String,
///     #[sync(group = "place")]
///     pub city: String,
///     #[sync(merge = Text)]
///     pub directions: String,
/// }
/// ```
#[proc_macro_derive(Mergeable, attributes(sync))]
pub fn derive_mergeable(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let mut tokens = parse::part(&input, &mut errors).map(|part| expand::part(&part)).unwrap_or_default();
    tokens.extend(errors.into_tokens());
    tokens.into()
}

/// Makes a struct a schema: it lists the entities and carries the handlers.
///
/// `#[sync(entities(Note, Task))]` lists them, in the order in which they are pulled. The struct implements `OnPull` for
/// each, and `OnConflict` for those with `conflict = Manual`. `crate = ::path::to::sync` says where the `sync` crate is,
/// when it is re-exported. A generic schema says what its handlers need of a type parameter in its own bounds, as in
/// `struct App<D: Database>`.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sync::{OnPull, Schema, Syncable};
///
/// #[derive(Clone, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/notes", conflict = ServerWins)]
/// pub struct Note { id: String, title: String }
///
/// #[derive(Schema)]
/// #[sync(entities(Note))]
/// pub struct App; // or with fields: a database handle, a channel to the user interface
///
/// impl OnPull<Note> for App {}
/// ```
#[proc_macro_derive(Schema, attributes(sync))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut errors = Errors::default();
    let schema = parse::schema(&input, &mut errors);
    let mut tokens = schema.map(|schema| expand::schema(&schema)).unwrap_or_default();
    tokens.extend(errors.into_tokens());
    tokens.into()
}
