//! The entities of the schema, as every transaction knows them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::port::EntityPort;
use crate::error::{Chain, HandlerError};
use crate::record::{Base, EntityName, Payload, Record, RecordRef, Rules};
use crate::remote::ScopeTerm;
use crate::storage::{IndexEntry, StorageError};

/// All of them, in the order of the schema.
pub(crate) struct Entities {
    ports: Vec<Arc<dyn EntityPort>>,
    /// The names of those that refer to others, or are referred to.
    linked: HashSet<&'static str>,
    /// Those that were set.
    scopes: Mutex<BTreeMap<EntityName, Scope>>,
    /// Those of which some edits are not sent for now, or were not ([`held`](super::held)).
    held: Mutex<BTreeMap<EntityName, Held>>,
}

/// Whether everything of an entity is to be listed before some of its edits are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    UntilListed {
        /// There is such an edit.
        is_waited_for: bool,
        /// How many pulls in a row came to nothing that could be read.
        in_vain: u32,
    },
    /// It was, by this engine, as far as that can be had.
    NoMore,
}

/// Which records of a replica are kept, as it was set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// What has to hold for each of them; nothing when all are kept.
    terms: Arc<[ScopeTerm]>,
    /// Grows whenever a scope is set: of two that say the same, with another one between them, the second is another list all the
    /// same, since what the other one let go has to come again.
    turn: u64,
}

impl Scope {
    /// What has to hold for each record, unless all are kept.
    pub(crate) fn terms(&self) -> Option<&Arc<[ScopeTerm]>> {
        Some(&self.terms).filter(|terms| !terms.is_empty())
    }

    /// Whether no scope was set between the two.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl std::fmt::Debug for Entities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ports.iter().map(|port| port.info().name)).finish()
    }
}

/// What of an entity's struct the storage depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// The version of the struct.
    pub(crate) version: u32,
    /// Whether the records are kept to be read.
    pub(crate) replica: bool,
    /// The fields that are in the index, with their types.
    pub(crate) index: Vec<String>,
    /// The entities whose records it refers to.
    #[serde(default)]
    pub(crate) references: Vec<String>,
    /// Whether the values that the server is known to have are kept beside their versions.
    #[serde(default)]
    pub(crate) bases: bool,
    /// The JSON members, as far as they are known.
    #[serde(default)]
    pub(crate) members: Vec<String>,
    /// The JSON member that carries the id; empty where that was not noted.
    #[serde(default)]
    pub(crate) id_member: String,
}

impl Entities {
    pub(crate) fn new(ports: Vec<Arc<dyn EntityPort>>) -> Self {
        let mut linked = HashSet::new();
        for info in ports.iter().map(|port| port.info()).filter(|info| !info.references.is_empty()) {
            linked.insert(info.name);
            linked.extend(info.references.iter().copied());
        }
        Self { ports, linked, scopes: Mutex::default(), held: Mutex::default() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn EntityPort>> {
        self.ports.iter()
    }

    pub(crate) fn port(&self, entity: &str) -> Option<&Arc<dyn EntityPort>> {
        self.ports.iter().find(|port| port.info().name == entity)
    }

    /// The entity, if its records are kept to be read.
    pub(crate) fn replica(&self, entity: &EntityName) -> Option<&Arc<dyn EntityPort>> {
        self.port(entity.as_str()).filter(|port| port.keeps())
    }

    /// The rules for the records of an entity.
    pub(crate) fn rules(&self, entity: &EntityName) -> Rules {
        self.port(entity.as_str()).map(|port| port.rules()).unwrap_or_default()
    }

    /// Which records of an entity are kept.
    pub(crate) fn scope(&self, entity: &EntityName) -> Scope {
        self.scopes().get(entity).cloned().unwrap_or_default()
    }

    pub(crate) fn set_scope(&self, entity: EntityName, terms: Arc<[ScopeTerm]>) {
        let mut scopes = self.scopes();
        let scope = scopes.entry(entity).or_default();
        *scope = Scope { terms, turn: scope.turn + 1 };
    }

    fn scopes(&self) -> MutexGuard<'_, BTreeMap<EntityName, Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entities of which some edits are held back, or were.
    pub(crate) fn held(&self) -> MutexGuard<'_, BTreeMap<EntityName, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_linked(&self, entity: &EntityName) -> bool {
        self.linked.contains(entity.as_str())
    }

    /// The records that one refers to as the server has it, as far as that is kept.
    pub(crate) fn references(&self, name: &RecordRef, base: &Base) -> Vec<RecordRef> {
        let port = self.port(name.entity.as_str()).filter(|port| !port.info().references.is_empty());
        let references = |port: &Arc<dyn EntityPort>| Some(port.references(base.value.as_ref()?));
        port.and_then(references).unwrap_or_default()
    }

    /// The entities whose records may wait for those of this one: what refers to them, and what they refer to.
    pub(crate) fn waiting_for(&self, entity: &EntityName) -> impl Iterator<Item = EntityName> {
        let own = self.port(entity.as_str()).map_or(&[][..], |port| port.info().references);
        self.ports.iter().map(|port| port.info()).filter_map(move |info| {
            let waits = info.references.contains(&entity.as_str()) || own.contains(&info.name);
            waits.then(|| info.entity_name())
        })
    }

    /// Brings what an earlier version of the program stored up to date. A flight stays as it was sent.
    ///
    /// # Errors
    /// [`StorageError::Upgrade`] when the program cannot read it any more.
    pub(crate) fn upgraded(&self, name: &RecordRef, mut record: Record) -> Result<Record, StorageError> {
        let Some(port) = self.port(name.entity.as_str()) else { return Ok(record) };
        let upgraded = |payload: &Payload| {
            port.upgraded(&name.key, payload).map_err(|error| {
                let reason = Chain(&error).to_string();
                StorageError::Upgrade { record: name.clone(), reason }
            })
        };
        for value in record.values_mut() {
            if let Some(upgraded) = upgraded(value)? {
                *value = upgraded;
            }
        }
        for edit in record.edits_mut() {
            if let Some(payload) = edit.write.payload_mut()
                && let Some(upgraded) = upgraded(payload)?
            {
                // What it refers to now has to be there before it.
                let references = port.references(&upgraded);
                *payload = upgraded;
                let before = std::mem::replace(&mut edit.references, references);
                edit.leave(before);
            }
        }
        Ok(record)
    }
}

/// The values by which a record is found. One that cannot be read is found by none.
pub(crate) fn index(port: &dyn EntityPort, name: &RecordRef, view: Option<&Payload>) -> Vec<IndexEntry> {
    entries(port, name, view).unwrap_or_default()
}

/// The values by which a record is found; `None` when it cannot be read.
pub(crate) fn entries(
    port: &dyn EntityPort,
    name: &RecordRef,
    view: Option<&Payload>,
) -> Option<Vec<IndexEntry>> {
    let Some(view) = view.filter(|_| port.indexes()) else { return Some(Vec::new()) };
    let unread = |error: &HandlerError| {
        let without_words = error.without_words();
        let error = Chain(without_words.as_ref().unwrap_or(error));
        tracing::warn!(record = %name, %error, "it cannot be found by its fields");
    };
    port.index(&name.key, view).inspect_err(unread).ok()
}
