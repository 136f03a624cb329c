//! The server: the contract in memory, with backups, and a history that survives them.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sync::record::{OperationId, RecordKey, Version, Write};
use sync::remote::{Fetched, Page, PageItem, Position, WriteAnswer, WriteRequest};
use sync::storage::Cursor;

use super::entities::{Kind, Name, Note};
use super::plan::Habits;

/// What a device's items that nobody can read look like.
const BROKEN: &str = "broken";

#[derive(Debug)]
pub(crate) struct Server {
    habits: Habits,
    accounts: Vec<Account>,
    backup: Option<Vec<Account>>,
    /// Counts the restorations and the cursors that were forgotten: what was given out before means nothing.
    cursor_era: u64,
    /// Counts the restorations: versions that are given out after one are new.
    pub(crate) era: u64,
    /// Everything that ever was, in order; no restoration takes anything away.
    history: BTreeMap<(usize, Name), Vec<Moment>>,
    /// How often each operation took effect.
    effects: BTreeMap<OperationId, usize>,
}

/// The data of one account.
#[derive(Debug, Clone, Default)]
struct Account {
    rows: BTreeMap<Name, Row>,
    changes: u64,
    answers: BTreeMap<OperationId, WriteAnswer>,
}

#[derive(Debug, Clone)]
struct Row {
    change: u64,
    version: Version,
    value: Option<String>,
    /// What it was before the last change, when that is of interest to a feed that repeats itself.
    before: Option<(u64, Version, String)>,
}

/// A state that a record had on the server.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) version: Version,
    pub(crate) value: Option<String>,
    /// The device that wrote it; `None` for somebody else.
    pub(crate) device: Option<usize>,
    pub(crate) operation: Option<OperationId>,
}

/// What the server says to a write.
#[derive(Debug, Clone)]
pub(crate) enum Handled {
    Answer(WriteAnswer),
    /// 422: never.
    Refused,
}

impl Server {
    pub(crate) fn new(accounts: usize, habits: Habits) -> Self {
        Self {
            habits,
            accounts: vec![Account::default(); accounts],
            backup: None,
            cursor_era: 0,
            era: 0,
            history: BTreeMap::new(),
            effects: BTreeMap::new(),
        }
    }

    // --- what devices ask ---

    pub(crate) fn write(
        &mut self,
        account: usize,
        device: usize,
        request: &WriteRequest,
        now: DateTime<Utc>,
    ) -> Handled {
        if let Some(answer) = self.accounts[account].answers.get(&request.id) {
            return Handled::Answer(answer.clone());
        }
        let name = name_of(request.entity.name, &request.key);
        let current = self.row(account, &name);
        let stale = match (&request.if_match, current) {
            (Some(version), Some((current, _))) => version != current,
            (Some(_), None) => request.write != Write::Delete,
            (None, _) => false,
        };
        let value = request.write.payload().map(|payload| payload.as_str().to_owned());
        let missing = current.is_none() && matches!(request.write, Write::Update(_));
        let there = current.is_some() && matches!(request.write, Write::Create(_));
        if missing || (stale && current.is_none()) {
            return Handled::Answer(WriteAnswer::Missing);
        }
        if stale || there {
            let (version, value) = current.expect("what is stale or there exists");
            let version = self.habits.versions.then(|| version.clone());
            return Handled::Answer(WriteAnswer::Conflict {
                version,
                body: Some(bytes(value)),
                problem: None,
            });
        }
        if value.as_deref().is_some_and(|value| value.contains(r#""bad":true"#)) {
            return Handled::Refused;
        }
        let nothing_to_delete = value.is_none() && current.is_none();
        let mut answer = WriteAnswer::Accepted { version: None, body: None };
        if !nothing_to_delete {
            let version = self.store(account, &name, value, Some((device, request.id)), now);
            if let Some((_, value)) = self.row(account, &name) {
                answer = WriteAnswer::Accepted {
                    version: self.habits.versions.then_some(version),
                    body: self.habits.echoes.then(|| bytes(value)),
                };
            }
        }
        if self.habits.keys {
            self.accounts[account].answers.insert(request.id, answer.clone());
        }
        Handled::Answer(answer)
    }

    pub(crate) fn fetch(&self, account: usize, name: &Name) -> Fetched {
        match self.row(account, name) {
            Some((version, value)) => Fetched::Present {
                version: self.habits.versions.then(|| version.clone()),
                body: bytes(value),
            },
            None => Fetched::Missing,
        }
    }

    /// A page, or `None` when the cursor means nothing any more. `repeat` says whether a record that changed twice is
    /// told twice.
    pub(crate) fn page(
        &self,
        account: usize,
        kind: Kind,
        since: Option<&Cursor>,
        limit: u32,
        repeat: bool,
    ) -> Option<(Page, Vec<Name>)> {
        let era = self.cursor_era.to_string();
        let after = match since.map(|cursor| cursor.as_str().split_once('.')) {
            None => 0,
            Some(Some((given, change))) if given == era => change.parse().ok()?,
            Some(_) => return None,
        };
        let rows = self.accounts[account].rows.iter();
        let mut rows: Vec<_> = rows.filter(|(name, row)| name.kind == kind && row.change > after).collect();
        rows.sort_by_key(|(_, row)| row.change);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map_or(after, |(_, row)| row.change);
        let mut items = Vec::new();
        let mut names = Vec::new();
        for (name, row) in rows {
            if let Some((change, version, value)) = &row.before
                && repeat
                && self.habits.repeats
                && *change > after
            {
                items.push(self.item(name, version, Some(value)));
            }
            items.push(self.item(name, &row.version, row.value.as_ref()));
            names.push(name.clone());
        }
        let cursor = Cursor::new(format!("{era}.{last}"));
        Some((Page { items, position: Position::Cursor { cursor, has_more } }, names))
    }

    fn item(&self, name: &Name, version: &Version, value: Option<&String>) -> PageItem {
        match value {
            Some(value) => PageItem::Record {
                version: (self.habits.versions && self.habits.listed).then(|| version.clone()),
                body: bytes(value),
            },
            None if name.kind == Kind::Task => PageItem::Tombstone { id: bytes(&name.key) },
            None => PageItem::Tombstone { id: bytes(&format!("{:?}", name.key)) },
        }
    }

    // --- what else happens to it ---

    /// Changes a record, on behalf of a device or of somebody else.
    pub(crate) fn store(
        &mut self,
        account: usize,
        name: &Name,
        value: Option<String>,
        writer: Option<(usize, OperationId)>,
        now: DateTime<Utc>,
    ) -> Version {
        let value = match value {
            Some(value) if self.habits.stamps && name.kind == Kind::Note => Some(stamped(&value, now)),
            value => value,
        };
        let data = &mut self.accounts[account];
        data.changes += 1;
        let version = Version::new(format!("{account}.{}.{}", self.era, data.changes));
        let before =
            data.rows.get(name).and_then(|row| Some((row.change, row.version.clone(), row.value.clone()?)));
        let row = Row { change: data.changes, version: version.clone(), value: value.clone(), before };
        data.rows.insert(name.clone(), row);
        let (device, operation) = (writer.map(|writer| writer.0), writer.map(|writer| writer.1));
        let moment = Moment { version: version.clone(), value, device, operation };
        self.history.entry((account, name.clone())).or_default().push(moment);
        if let Some(operation) = operation {
            *self.effects.entry(operation).or_default() += 1;
        }
        version
    }

    /// Somebody writes a record that no device can read.
    pub(crate) fn break_one(&mut self, account: usize, kind: Kind, number: u64, now: DateTime<Utc>) -> Name {
        let key = if kind == Kind::Task { (900 + number).to_string() } else { format!("{BROKEN}{number}") };
        let name = Name { kind, key };
        let value = match kind {
            Kind::Task => format!(r#"{{"id":{},"tag":"{BROKEN}"}}"#, name.key),
            _ => format!(r#"{{"id":"{}","tag":"{BROKEN}","left":"{BROKEN}"}}"#, name.key),
        };
        self.store(account, &name, Some(value), None, now);
        name
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.accounts.clone());
    }

    /// Comes back as the backup has it; empty without one. Cursors from before mean nothing then.
    pub(crate) fn restore(&mut self) {
        let empty = vec![Account::default(); self.accounts.len()];
        self.accounts = self.backup.clone().unwrap_or(empty);
        self.era += 1;
        self.cursor_era += 1;
    }

    pub(crate) fn forget_cursors(&mut self) {
        self.cursor_era += 1;
    }

    // --- what the checks look at ---

    fn row(&self, account: usize, name: &Name) -> Option<(&Version, &String)> {
        let row = self.accounts[account].rows.get(name)?;
        row.value.as_ref().map(|value| (&row.version, value))
    }

    /// The record, if it exists.
    pub(crate) fn value(&self, account: usize, name: &Name) -> Option<&String> {
        self.row(account, name).map(|(_, value)| value)
    }

    /// The record's version, if it exists.
    pub(crate) fn version(&self, account: usize, name: &Name) -> Option<&Version> {
        self.row(account, name).map(|(version, _)| version)
    }

    pub(crate) fn knows(&self, account: usize, operation: OperationId) -> bool {
        self.accounts[account].answers.contains_key(&operation)
    }

    /// The records of an account as they are now.
    pub(crate) fn records(&self, account: usize) -> BTreeMap<Name, String> {
        let rows = self.accounts[account].rows.iter();
        rows.filter_map(|(name, row)| Some((name.clone(), row.value.clone()?))).collect()
    }

    /// Every state that a record ever had.
    pub(crate) fn history(&self, account: usize, name: &Name) -> &[Moment] {
        self.history.get(&(account, name.clone())).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn effects(&self, operation: OperationId) -> usize {
        self.effects.get(&operation).copied().unwrap_or(0)
    }

    /// Whether the server came back without any trace of a record.
    pub(crate) fn lost(&self, account: usize, name: &Name) -> bool {
        self.era > 0 && !self.accounts[account].rows.contains_key(name)
    }
}

pub(crate) fn name_of(entity: &str, key: &RecordKey) -> Name {
    Name { kind: Kind::named(entity), key: key.to_string() }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn stamped(value: &str, now: DateTime<Utc>) -> String {
    match serde_json::from_str::<Note>(value) {
        Ok(note) => serde_json::to_string(&Note { updated_at: now, ..note }).unwrap_or_default(),
        Err(_) => value.to_owned(),
    }
}
