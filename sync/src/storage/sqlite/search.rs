//! The index of fields: entering a record's values, and finding records by them.
//!
//! A search is driven by one field, whose index has the values in their order: that of a single value which is asked for, else that
//! of a range, else that of the order. Whatever else is asked for is looked up for each record by its id.

use std::fmt::Write as _;
use std::ops::Bound;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql, params, params_from_iter};

use super::rows::{self, size};
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{EntityName, RecordKey, RecordRef};
use crate::storage::{Condition, IndexEntry, IndexValue, Order, Place, Search, StorageError};

impl SqliteTransaction<'_> {
    pub(super) fn enter(&self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError> {
        let key = name.key.as_str();
        if entries.is_empty() {
            let Some(queue) = self.find_queue(&name.entity)? else { return Ok(()) };
            self.execute(statements::LEAVE_INDEX, params![queue, key])?;
            return Ok(());
        }
        let queue = self.queue(&name.entity)?;
        for IndexEntry { field, value } in entries {
            self.execute(statements::ENTER_INDEX, params![queue, key, field, value])?;
        }
        Ok(())
    }

    pub(super) fn search(&self, entity: &EntityName, search: &Search) -> Result<Vec<Place>, StorageError> {
        let Some(queue) = self.find_queue(entity)? else { return Ok(Vec::new()) };
        if search.order.is_none() && search.conditions.is_empty() {
            let after = search.after.as_ref().map(|place| place.key.as_str());
            let parameters = params![queue, after, size(search.limit)];
            let mut keys = self.all(statements::KEYS, parameters, |row| {
                rows::read_key(row, 0).map_err(|what| self.damaged(what))
            })?;
            let after = search.after.as_ref().map(|place| &place.key);
            keys.extend(self.live.fresh_keys(queue, after, search.limit));
            keys.sort_unstable();
            keys.truncate(search.limit);
            return Ok(keys.into_iter().map(|key| Place { value: IndexValue::Null, key }).collect());
        }
        let mut found = Vec::new();
        for part in Part::of(search) {
            let limit = search.limit - found.len();
            if limit > 0 {
                let Sql { text, parameters } = sql(queue, search, part, limit);
                let parameters = params_from_iter(parameters);
                found.extend(self.all_made(&text, parameters, |row| {
                    let value = read_value(row, 1).map_err(|what| self.damaged(what))?;
                    Ok(Place { value, key: self.read_key(row, 0)? })
                })?);
            }
        }
        Ok(found)
    }
}

fn read_value(row: &Row<'_>, index: usize) -> Result<IndexValue, String> {
    let unfit = |reason: String| format!("a value of the index: {reason}");
    let value = row.get_ref(index).map_err(|error| unfit(error.to_string()))?;
    Ok(match value {
        ValueRef::Null => IndexValue::Null,
        ValueRef::Integer(number) => IndexValue::Integer(number),
        ValueRef::Real(number) => IndexValue::real(number),
        ValueRef::Text(text) => {
            IndexValue::text(str::from_utf8(text).map_err(|error| unfit(error.to_string()))?)
        }
        ValueRef::Blob(_) => return Err(unfit("it is no number and no text".to_owned())),
    })
}

impl ToSql for IndexValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Bool(yes) => ToSqlOutput::Owned(Value::Integer(i64::from(*yes))),
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// A stretch of the order of a search. Rows without a value are one of their own, since SQL compares nothing with NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Everything,
    After(&'a Place),
    AfterAmongNulls(&'a RecordKey),
    Values,
    Nulls,
}

impl<'a> Part<'a> {
    pub(super) fn of(search: &'a Search) -> Vec<Self> {
        let descending = search.order.is_some_and(|order| order.descending);
        match &search.after {
            None => vec![Self::Everything],
            Some(place) if search.order.is_none() => vec![Self::After(place)],
            Some(place) => match (place.value.is_null(), descending) {
                (true, false) => vec![Self::AfterAmongNulls(&place.key), Self::Values],
                (true, true) => vec![Self::AfterAmongNulls(&place.key)],
                (false, false) => vec![Self::After(place)],
                (false, true) => vec![Self::After(place), Self::Nulls],
            },
        }
    }
}

/// A statement and what is bound in it.
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<IndexValue>,
}

impl Sql {
    /// The next parameter.
    fn bind(&mut self, value: IndexValue) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.text.write_fmt(text);
    }

    fn condition(&mut self, table: &str, condition: &Condition) {
        match condition.single() {
            Some(value) if value.is_null() => self.push(format_args!(" AND {table}.value IS NULL")),
            Some(value) => {
                let value = self.bind(value.clone());
                self.push(format_args!(" AND {table}.value = {value}"));
            }
            None => {
                let mut bounded = false;
                for (bound, with, without) in [(&condition.low, ">=", ">"), (&condition.high, "<=", "<")] {
                    let (value, operator) = match bound {
                        Bound::Included(value) => (value, with),
                        Bound::Excluded(value) => (value, without),
                        Bound::Unbounded => continue,
                    };
                    let value = self.bind(value.clone());
                    self.push(format_args!(" AND {table}.value {operator} {value}"));
                    bounded = true;
                }
                if !bounded {
                    self.push(format_args!(" AND {table}.value IS NOT NULL"));
                }
            }
        }
    }

    fn part(&mut self, table: &str, order: Option<Order>, part: Part<'_>) {
        let further = if order.is_some_and(|order| order.descending) { '<' } else { '>' };
        match (part, order) {
            (Part::Everything, _) => {}
            (Part::Values, _) => self.push(format_args!(" AND {table}.value IS NOT NULL")),
            (Part::Nulls, _) => self.push(format_args!(" AND {table}.value IS NULL")),
            (Part::AfterAmongNulls(key), _) => {
                let key = self.bind(IndexValue::text(key.as_str()));
                self.push(format_args!(" AND {table}.value IS NULL AND {table}.key {further} {key}"));
            }
            (Part::After(place), None) => {
                let key = self.bind(IndexValue::text(place.key.as_str()));
                self.push(format_args!(" AND {table}.key {further} {key}"));
            }
            // The first term is what the index is entered with.
            (Part::After(place), Some(_)) => {
                let (value, key) =
                    (self.bind(place.value.clone()), self.bind(IndexValue::text(place.key.as_str())));
                self.push(format_args!(
                    " AND {table}.value {further}= {value} AND ({table}.value {further} {value} OR {table}.key {further} {key})"
                ));
            }
        }
    }
}

/// The condition whose field drives the search, by its place among all.
fn driver(search: &Search) -> Option<usize> {
    let single = search.conditions.iter().position(|condition| condition.single().is_some());
    // The order is worth more than a range: with it, the first records are found without the others.
    let range = || if search.order.is_some() { None } else { (!search.conditions.is_empty()).then_some(0) };
    let of_order = || {
        let field = search.order?.field;
        search.conditions.iter().position(|condition| condition.field == field)
    };
    single.or_else(of_order).or_else(range)
}

pub(super) fn sql(queue: i64, search: &Search, part: Part<'_>, limit: usize) -> Sql {
    let driver = driver(search);
    let driving = driver.map(|at| &search.conditions[at]);
    let field = driving
        .map(|condition| condition.field)
        .or(search.order.map(|order| order.field))
        .unwrap_or_default();
    let mut sql = Sql { text: String::new(), parameters: Vec::new() };
    let queue = sql.bind(IndexValue::Integer(queue));
    let joined = search.order.filter(|order| order.field != field);
    let table = if joined.is_some() { "ordered" } else { "driver" };
    let place = if search.order.is_some() { format!("{table}.value") } else { "NULL".to_owned() };
    sql.push(format_args!(
        "SELECT driver.key, {place} FROM sync_index AS driver INDEXED BY sync_index_value"
    ));
    if let Some(order) = joined {
        let ordered = sql.bind(IndexValue::text(order.field));
        sql.push(format_args!(
            " CROSS JOIN sync_index AS ordered ON ordered.queue = {queue} AND ordered.key = driver.key AND ordered.field = {ordered}"
        ));
    }
    let name = sql.bind(IndexValue::text(field));
    sql.push(format_args!(" WHERE driver.queue = {queue} AND driver.field = {name}"));
    if let Some(condition) = driving {
        sql.condition("driver", condition);
    }
    for (at, condition) in search.conditions.iter().enumerate().filter(|(at, _)| Some(*at) != driver) {
        let other = format!("other{at}");
        let name = sql.bind(IndexValue::text(condition.field));
        sql.push(format_args!(
            " AND EXISTS (SELECT 1 FROM sync_index AS {other} WHERE {other}.queue = {queue} AND {other}.key = driver.key AND {other}.field = {name}"
        ));
        sql.condition(&other, condition);
        sql.push(format_args!(")"));
    }
    sql.part(table, search.order, part);
    let limit = sql.bind(IndexValue::Integer(size(limit)));
    match search.order {
        None => sql.push(format_args!(" ORDER BY driver.key LIMIT {limit}")),
        Some(Order { descending, .. }) => {
            let way = if descending { " DESC" } else { "" };
            sql.push(format_args!(" ORDER BY {table}.value{way}, {table}.key{way} LIMIT {limit}"));
        }
    }
    sql
}
