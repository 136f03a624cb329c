//! What the engine leaves in the storage for itself, as JSON under a name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::{StorageError, Transaction};

/// What errors call the storage here, where its own name is not known.
const STORAGE: &str = "the storage";

/// Reads a note. One that cannot be read was left by another version of the library, and is as good as none.
pub(crate) fn read<T: DeserializeOwned>(
    tx: &mut dyn Transaction,
    name: &str,
) -> Result<Option<T>, StorageError> {
    Ok(tx.note(name)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Reads a note without which the storage would be misunderstood.
///
/// # Errors
/// [`StorageError::Corrupt`] when it cannot be read.
pub(crate) fn read_strictly<T: DeserializeOwned>(
    tx: &mut dyn Transaction,
    name: &str,
) -> Result<Option<T>, StorageError> {
    let read = tx.note(name)?.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|error| StorageError::Corrupt {
        name: STORAGE.to_owned(),
        source: format!("the note `{name}`: {error}").into(),
    })
}

/// Leaves a note of what there is, if there is anything.
pub(crate) fn write_any<K: Serialize, V: Serialize>(
    tx: &mut dyn Transaction,
    name: &str,
    notes: &BTreeMap<K, V>,
) -> Result<(), StorageError> {
    if notes.is_empty() { tx.set_note(name, None) } else { write(tx, name, notes) }
}

/// Leaves a note.
pub(crate) fn write(tx: &mut dyn Transaction, name: &str, note: &impl Serialize) -> Result<(), StorageError> {
    let text = serde_json::to_string(note)
        .map_err(|error| StorageError::Io { name: STORAGE.to_owned(), source: error.into() })?;
    tx.set_note(name, Some(&text))
}
