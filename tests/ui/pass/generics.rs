//! A generic struct is an entity for every parameter that can be part of a record, and a schema can be generic too.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use sync::{BoxError, Mergeable, OnPull, Pulled, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tagged", conflict = Merge, name = "tagged")]
struct Tagged<T, const N: usize = 1>
where
    T: Display,
{
    id: u64,
    value: T,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/documents", conflict = ServerWins)]
struct Document<Id: sync::EntityId> {
    #[serde(bound = "")]
    id: Id,
    #[sync(references = Tagged<String>)]
    tag: u64,
}

trait Database: Send + Sync + 'static {}

struct Memory;

impl Database for Memory {}

#[derive(Schema)]
#[sync(entities(Tagged<String>, Document<u64>))]
struct App<D: Database> {
    database: D,
}

impl<D: Database> OnPull<Tagged<String>> for App<D> {
    async fn on_pull(&self, _: Pulled<Tagged<String>>) -> Result<(), BoxError> {
        let _ = &self.database;
        Ok(())
    }
}

impl<D: Database> OnPull<Document<u64>> for App<D> {}

fn is_schema<S: Schema>(_: &S) {}

fn main() {
    is_schema(&App { database: Memory });
    assert_eq!(<Tagged<String>>::ENTITY.name, "tagged");
    assert_eq!(<Document<u64>>::ENTITY.references, ["tagged"]);

    let base: Tagged<u8> = Tagged { id: 1, value: 1 };
    let (local, remote) = (Tagged { value: 2, ..base.clone() }, base.clone());
    assert_eq!(Tagged::merge(Some(&base), &local, &remote).value.value, 2);
}
