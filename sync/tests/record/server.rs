//! A server of a few lines, for one record.

use std::collections::HashMap;

use sync::record::{OperationId, Outcome, Payload, ServerCopy, Version, Write};

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

#[derive(Debug)]
pub struct Server {
    habits: Habits,
    record: Option<(u64, u32)>,
    clock: u64,
    answered: HashMap<OperationId, Outcome>,
    /// The writes that took effect: which operation left which value.
    pub log: Vec<(Option<OperationId>, Option<u32>)>,
}

pub fn payload(value: u32) -> Payload {
    Payload::encode(&serde_json::json!({ "id": "a", "value": value })).unwrap()
}

pub fn value(payload: &Payload) -> u32 {
    #[derive(serde::Deserialize)]
    struct Shape {
        value: u32,
    }
    payload.decode::<Shape>().unwrap().value
}

impl Server {
    pub fn new(habits: Habits) -> Self {
        Self { habits, record: None, clock: 0, answered: HashMap::new(), log: Vec::new() }
    }

    pub fn value(&self) -> Option<u32> {
        self.record.map(|(_, value)| value)
    }

    pub fn copy(&self) -> ServerCopy {
        match self.record {
            Some((version, value)) => {
                ServerCopy::Present { version: self.version(version), value: payload(value) }
            }
            None => ServerCopy::Deleted,
        }
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
        let copy = self.record.filter(|_| self.habits.echoes).map(|(_, value)| payload(value));
        let answer = Outcome::Accepted { version, copy };
        if self.habits.idempotency {
            self.answered.insert(operation, answer.clone());
        }
        answer
    }
}

impl Server {
    pub fn remembers(&self) -> bool {
        self.habits.idempotency
    }
}
