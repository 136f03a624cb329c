//! A server of a few lines, for one record.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sync::record::{OperationId, Outcome, Payload, Rules, ServerCopy, Version, Write};

/// What a server may or may not do.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// It tells versions, and checks them.
    pub versions: bool,
    /// It remembers the answers to accepted writes by their keys.
    pub idempotency: bool,
    /// It answers a write with the record.
    pub echoes: bool,
}

/// What the records are like: what the device knows of that, and what the server makes of them.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each goes with any of the others")]
pub struct Kind {
    /// The strategy does not need the ancestor.
    pub forgets_base: bool,
    /// The server sets `updatedAt` itself.
    pub is_stamped: bool,
    /// The server keeps `tags` in an order of its own.
    pub is_shuffled: bool,
    /// The server fills in a member that an earlier version of the program did not know, in which the device goes on writing.
    pub has_grown: bool,
}

impl Kind {
    pub fn rules(self) -> Rules {
        Rules {
            keeps_base: !self.forgets_base,
            updated_at_member: self.is_stamped.then_some("updatedAt"),
            unordered: if self.is_shuffled { &["tags"] } else { &[] },
            merges: true,
            optional: &["added"],
            reread: if self.has_grown { Some(reread) } else { None },
            references: None,
        }
    }
}

/// A record as this version of the program reads and writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    value: u32,
    tags: Vec<u32>,
    updated_at: u64,
    #[serde(default)]
    added: Option<u32>,
}

fn reread(payload: &Payload) -> Option<Payload> {
    Payload::encode(&payload.decode::<Row>().ok()?).ok()
}

#[derive(Debug)]
pub struct Server {
    habits: Habits,
    kind: Kind,
    record: Option<(u64, u32)>,
    clock: u64,
    answered: HashMap<OperationId, Outcome>,
    /// The writes that took effect: which operation left which value.
    pub log: Vec<(Option<OperationId>, Option<u32>)>,
}

pub fn payload(value: u32) -> Payload {
    let record = serde_json::json!({ "id": "a", "value": value, "tags": [1, 2], "updatedAt": value });
    Payload::encode(&record).unwrap()
}

pub fn value(payload: &Payload) -> u32 {
    payload.decode::<Row>().unwrap().value
}

impl Server {
    pub fn new(habits: Habits, kind: Kind) -> Self {
        Self { habits, kind, record: None, clock: 0, answered: HashMap::new(), log: Vec::new() }
    }

    pub fn value(&self) -> Option<u32> {
        self.record.map(|(_, value)| value)
    }

    pub fn copy(&self) -> ServerCopy {
        match self.record {
            Some((version, value)) => {
                ServerCopy::Present { version: self.version(version), value: self.shown(version, value) }
            }
            None => ServerCopy::Deleted,
        }
    }

    /// The record as the server has it.
    fn shown(&self, changed: u64, value: u32) -> Payload {
        let mut row: Row = payload(value).decode().unwrap();
        if self.kind.is_stamped {
            row.updated_at = 1_000_000 + changed;
        }
        if self.kind.is_shuffled {
            row.tags.reverse();
        }
        if self.kind.has_grown { Payload::encode(&row).unwrap() } else { without_what_was_added(&row) }
    }

    fn version(&self, number: u64) -> Option<Version> {
        self.habits.versions.then(|| Version::new(number.to_string()))
    }

    /// Somebody else writes.
    pub fn foreign(&mut self, value: Option<u32>) {
        self.write(None, value);
    }

    fn write(&mut self, operation: Option<OperationId>, value: Option<u32>) {
        self.clock += 1;
        self.record = value.map(|value| (self.clock, value));
        self.log.push((operation, value));
    }

    pub fn handle(&mut self, operation: OperationId, write: &Write, if_match: Option<&Version>) -> Outcome {
        if let Some(answer) = self.answered.get(&operation) {
            return answer.clone();
        }
        let stale = match (if_match, self.record) {
            (Some(version), Some((current, _))) => self.version(current).as_ref() != Some(version),
            (Some(_), None) => !matches!(write, Write::Delete),
            (None, _) => false,
        };
        let conflict = stale
            || match write {
                Write::Create(_) => self.record.is_some(),
                Write::Update(_) => self.record.is_none(),
                Write::Overwrite(_) | Write::Delete => false,
            };
        if conflict {
            return Outcome::Conflict { remote: self.copy() };
        }
        self.write(Some(operation), write.payload().map(value));
        let version = self.record.and_then(|(version, _)| self.version(version));
        let copy = self.record.filter(|_| self.habits.echoes).map(|(at, value)| self.shown(at, value));
        let answer = Outcome::Accepted { version, copy };
        if self.habits.idempotency {
            self.answered.insert(operation, answer.clone());
        }
        answer
    }
}

fn without_what_was_added(row: &Row) -> Payload {
    let mut record = serde_json::to_value(row).unwrap();
    record.as_object_mut().unwrap().remove("added");
    Payload::encode(&record).unwrap()
}

impl Server {
    pub fn remembers(&self) -> bool {
        self.habits.idempotency
    }
}
