//! Any bytes as a row of `records`.

#![allow(clippy::missing_panics_doc, reason = "to panic is what they are for")]

use chrono::{DateTime, TimeDelta};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rows::{Columns, read, read_name};
use crate::record::{
    Edit, Next, OperationId, Outcome, Payload, Rounds, Rules, ServerCopy, Stamp, enqueue, launch, next,
    rebase, settle,
};

/// How many columns a record is read from.
const COLUMNS: usize = 10;
/// The one that is a number.
const ON_SERVER: usize = 2;

thread_local! {
    static CONNECTION: Connection = Connection::open_in_memory().expect("memory needs no file");
}

/// Ten columns, separated by line breaks, as a row: what can be read says the same when it is written and read again, and
/// the rules can go on from it.
pub fn row(data: &[u8]) {
    let mut columns = vec![Value::Null; COLUMNS];
    for (index, text) in data.splitn(COLUMNS, |byte| *byte == b'\n').enumerate() {
        columns[index] = match (std::str::from_utf8(text), index) {
            (Ok(""), _) => Value::Null,
            (Ok(text), ON_SERVER) => text.parse().map_or(Value::Text(text.to_owned()), Value::Integer),
            (Ok(text), _) => Value::Text(text.to_owned()),
            (Err(_), _) => Value::Blob(text.to_owned()),
        };
    }
    let read = CONNECTION.with(|connection| {
        let mut statement = connection
            .prepare_cached("select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10")
            .expect("it is a statement");
        let mut rows = statement.query(params_from_iter(columns)).expect("any values will do");
        let row = rows.next().expect("nothing is looked up").expect("there is one row");
        let name = read_name(row).ok()?;
        let record = read(row, &name).ok()?;
        Some((name, record))
    });
    let Some((name, record)) = read else { return };
    let written = Columns::of(&name, &record).expect("what was read can be written");
    for text in [written.flight, written.queued, written.parked].into_iter().flatten() {
        // Not as a `Value`, which takes fewer numbers than JSON has.
        assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "what is written is JSON");
    }
    let text = serde_json::to_string(&record).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<crate::record::Record>(&text).ok(), Some(record.clone()));

    let now = DateTime::UNIX_EPOCH;
    let rounds = Rounds { limit: 5, later: now };
    let stamp = Stamp { id: OperationId::from_uuid(Uuid::from_u128(1)), seq: 1, now, rounds };
    let rules = Rules {
        keeps_base: true,
        updated_at_member: Some("updatedAt"),
        unordered: &[],
        merges: true,
        optional: &[],
        reread: None,
        references: None,
    };
    let value = Payload::from_json(r#"{"id":"n"}"#).expect("it is JSON");
    let copy = ServerCopy::Present { version: None, value: value.clone() };
    let _ = enqueue(record.clone(), Edit::Save(value, Vec::new()), stamp);
    let _ = enqueue(record.clone(), Edit::Delete, stamp);
    let _ = rebase(record.clone(), copy.clone(), &rules, stamp);
    let _ = rebase(record.clone(), ServerCopy::Deleted, &rules, stamp);
    let flying = match next(&record, now, TimeDelta::hours(1)) {
        Next::Send(_) => launch(record, &rules),
        _ => record,
    };
    let outcomes = [
        Outcome::Accepted { version: None, copy: None },
        Outcome::Conflict { remote: copy },
        Outcome::Conflict { remote: ServerCopy::Deleted },
    ];
    for outcome in outcomes {
        let _ = settle(flying.clone(), outcome, &rules, stamp);
    }
}
