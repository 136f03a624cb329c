//! The data of the server in memory: records with versions, a log of changes, and remembered answers.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::entity::EntityInfo;
use crate::record::{OperationId, Payload, RecordKey, Version, Write};
use crate::remote::{Changed, Fetched, Page, PageItem, Position, WriteAnswer, WriteRequest};
use crate::storage::Cursor;

/// A write that took effect on the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The entity's name.
    pub entity: &'static str,
    /// The record's id.
    pub key: String,
    /// Whose operation it was; `None` for another client's.
    pub operation: Option<OperationId>,
    /// What the record is now; `None` when it is gone.
    pub value: Option<Payload>,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    records: BTreeMap<&'static str, BTreeMap<String, Row>>,
    changes: u64,
    answers: HashMap<OperationId, WriteAnswer>,
    pub(super) effects: Vec<Effect>,
    pub(super) versions: Versions,
    /// Where changes are told, when they are.
    pub(super) told: Option<broadcast::Sender<(&'static str, Changed)>>,
}

/// Whether the server knows versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Versions {
    #[default]
    Checked,
    Unknown,
}

#[derive(Debug)]
struct Row {
    /// The id as JSON: `"7"` is not `7`, and a tombstone has no record to look into.
    id: Bytes,
    version: u64,
    /// `None` is a tombstone.
    value: Option<Payload>,
}

impl Server {
    pub(super) fn values(&self, entity: &str) -> BTreeMap<String, Payload> {
        let rows = self.records.get(entity).into_iter().flatten();
        rows.filter_map(|(key, row)| Some((key.clone(), row.value.clone()?))).collect()
    }

    /// Applies a write, by anybody. `id` is the record's as JSON, where there is no record to take it from.
    pub(super) fn store(
        &mut self,
        entity: &EntityInfo,
        key: &str,
        id: Option<Bytes>,
        operation: Option<OperationId>,
        value: Option<Payload>,
    ) -> Option<Version> {
        self.changes += 1;
        let records = self.records.entry(entity.name).or_default();
        let id = value.as_ref().and_then(|value| id_in(value, entity)).or(id);
        let id = id.or_else(|| records.get(key).map(|row| row.id.clone()));
        let id = id.unwrap_or_else(|| serde_json::to_string(key).unwrap_or_default().into());
        let (entity, row) = (entity.name, Row { id, version: self.changes, value: value.clone() });
        records.insert(key.to_owned(), row);
        let version = self.version(self.changes);
        if let Some(told) = &self.told {
            // Nobody may be listening.
            let _ = told.send((entity, changed(key, value.is_some(), version.clone())));
        }
        self.effects.push(Effect { entity, key: key.to_owned(), operation, value });
        version
    }

    fn version(&self, number: u64) -> Option<Version> {
        (self.versions == Versions::Checked).then(|| Version::new(number.to_string()))
    }

    fn row(&self, entity: &str, key: &RecordKey) -> Option<(u64, &Payload)> {
        let row = self.records.get(entity)?.get(key.as_str())?;
        row.value.as_ref().map(|value| (row.version, value))
    }

    pub(super) fn write(&mut self, request: &WriteRequest) -> WriteAnswer {
        if let Some(answer) = self.answers.get(&request.id) {
            return answer.clone();
        }
        let current = self.row(request.entity.name, &request.key);
        // A version of nothing at all is none.
        let stale = request.if_match.as_ref().is_some_and(|version| {
            current.is_none_or(|(number, _)| self.version(number).as_ref() != Some(version))
        });
        let conflict = || {
            let (number, value) = current?;
            Some(WriteAnswer::Conflict {
                version: self.version(number),
                body: Some(body(value)),
                problem: None,
            })
        };
        let refused = match (&request.write, current.is_some()) {
            (Write::Create(_), true) => conflict(),
            (Write::Update(_), false) => Some(WriteAnswer::Missing),
            (Write::Overwrite(_), false) if stale => Some(WriteAnswer::Missing),
            _ if stale => conflict(),
            _ => None,
        };
        if let Some(refused) = refused {
            return refused;
        }
        let existed = current.is_some();
        let value = request.write.payload().cloned();
        let version = match (&value, existed) {
            // Deleting what is not there changes nothing.
            (None, false) => None,
            _ => self.store(request.entity, request.key.as_str(), None, Some(request.id), value.clone()),
        };
        let version = version.filter(|_| value.is_some());
        let answer = WriteAnswer::Accepted { version, body: None };
        self.answers.insert(request.id, answer.clone());
        answer
    }

    /// Takes a write, whatever is there, and makes this JSON of its record. What is not that record is said all the same, and
    /// nothing becomes of it.
    pub(super) fn accept_as(&mut self, request: &WriteRequest, json: &str) -> WriteAnswer {
        let body = Some(Bytes::copy_from_slice(json.as_bytes()));
        let answer = WriteAnswer::Accepted { version: None, body };
        if self.answers.get(&request.id) == Some(&answer) {
            return answer;
        }
        let made = Payload::from_json(json).ok().filter(|made| names(made, request));
        if request.write == Write::Delete || made.is_some() {
            let value = made.filter(|_| request.write != Write::Delete);
            self.store(request.entity, request.key.as_str(), None, Some(request.id), value);
            self.answers.insert(request.id, answer.clone());
        }
        answer
    }

    pub(super) fn forget(&mut self, entity: &str, key: &str) {
        if let Some(records) = self.records.get_mut(entity) {
            records.remove(key);
        }
    }

    pub(super) fn fetch(&self, entity: &EntityInfo, key: &RecordKey) -> Fetched {
        match self.row(entity.name, key) {
            Some((number, value)) => Fetched::Present { version: self.version(number), body: body(value) },
            None => Fetched::Missing,
        }
    }

    /// The changes after a cursor; `None` for one beyond the newest change, as after the server was set up anew. One that is no
    /// number was given by a fault, and is followed by everything.
    pub(super) fn page(&self, entity: &EntityInfo, since: Option<&Cursor>, limit: u32) -> Option<Page> {
        let after: u64 = since.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        if after > self.changes {
            return None;
        }
        let mut rows: Vec<_> = self
            .records
            .get(entity.name)
            .into_iter()
            .flatten()
            .filter(|(_, row)| row.version > after)
            .collect();
        rows.sort_by_key(|(_, row)| row.version);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let cursor = rows.last().map_or(after, |(_, row)| row.version);
        let items = rows.into_iter().map(|(_, row)| self.item(row)).collect();
        Some(Page { items, position: Position::Cursor { cursor: Cursor::new(cursor.to_string()), has_more } })
    }

    fn item(&self, row: &Row) -> PageItem {
        match &row.value {
            Some(value) => PageItem::Record { version: self.version(row.version), body: body(value) },
            None => PageItem::Tombstone { id: row.id.clone() },
        }
    }
}

fn changed(key: &str, exists: bool, version: Option<Version>) -> Changed {
    match (RecordKey::new(key), version) {
        (Ok(key), _) if !exists => Changed::Deleted { key },
        (Ok(key), Some(version)) => Changed::Record { key, version },
        _ => Changed::Anything,
    }
}

fn body(value: &Payload) -> Bytes {
    Bytes::copy_from_slice(value.as_str().as_bytes())
}

/// The id that a record carries, as JSON.
fn id_in(value: &Payload, entity: &EntityInfo) -> Option<Bytes> {
    let mut members: HashMap<String, Box<RawValue>> = value.decode().ok()?;
    let id = members.remove(entity.id_member)?;
    Some(Bytes::copy_from_slice(id.get().as_bytes()))
}

/// Whether a value is that of the record that a request is about.
fn names(value: &Payload, request: &WriteRequest) -> bool {
    let id = id_in(value, request.entity).and_then(|id| serde_json::from_slice::<Value>(&id).ok());
    id.and_then(|id| RecordKey::of(&id).ok()).is_some_and(|key| key == request.key)
}
