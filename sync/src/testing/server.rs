//! The data of the server in memory: records with versions, a log of changes, and remembered answers.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
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
    version: u64,
    /// `None` is a tombstone.
    value: Option<Payload>,
}

impl Server {
    pub(super) fn values(&self, entity: &str) -> BTreeMap<String, Payload> {
        let rows = self.records.get(entity).into_iter().flatten();
        rows.filter_map(|(key, row)| Some((key.clone(), row.value.clone()?))).collect()
    }

    /// Applies a write, by anybody.
    pub(super) fn store(
        &mut self,
        entity: &'static str,
        key: &str,
        operation: Option<OperationId>,
        value: Option<Payload>,
    ) -> Option<Version> {
        self.changes += 1;
        let row = Row { version: self.changes, value: value.clone() };
        self.records.entry(entity).or_default().insert(key.to_owned(), row);
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
        let name = request.entity.name;
        let current = self.row(name, &request.key);
        let stale = match (&request.if_match, current) {
            (Some(version), Some((number, _))) => self.version(number).as_ref() != Some(version),
            _ => false,
        };
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
            _ => self.store(name, request.key.as_str(), Some(request.id), value.clone()),
        };
        let version = version.filter(|_| value.is_some());
        let answer = WriteAnswer::Accepted { version, body: None };
        self.answers.insert(request.id, answer.clone());
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

    pub(super) fn page(&self, entity: &EntityInfo, since: Option<&Cursor>, limit: u32) -> Page {
        let after: u64 = since.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
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
        let items = rows.into_iter().map(|(key, row)| self.item(key, row)).collect();
        Page { items, position: Position::Cursor { cursor: Cursor::new(cursor.to_string()), has_more } }
    }

    fn item(&self, key: &str, row: &Row) -> PageItem {
        match &row.value {
            Some(value) => PageItem::Record { version: self.version(row.version), body: body(value) },
            None => PageItem::Tombstone { id: id_json(key) },
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

/// The id as JSON: a number where it is one.
fn id_json(key: &str) -> Bytes {
    let number = key.parse::<i64>().is_ok_and(|number| number.to_string() == key);
    if number {
        return Bytes::copy_from_slice(key.as_bytes());
    }
    Bytes::from(serde_json::to_string(key).unwrap_or_default())
}
