//! What the engine warns of when it is built.

use serde::{Deserialize, Serialize};
use sync::remote::rest::{RecordDialect, Tombstone};
use sync::{Dialect, Engine, MemoryStorage, OnPull, RestRemote, Schema, Syncable};
use sync_tests::log::Log;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/letters", conflict = ServerWins)]
struct Letter {
    id: u64,
    deleted: bool,
}

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/sheets", conflict = ServerWins)]
struct Sheet {
    id: u64,
    #[serde(rename = "binned")]
    deleted: bool,
}

#[derive(Schema)]
#[sync(entities(Letter, Sheet))]
struct Desk;
impl OnPull<Letter> for Desk {}
impl OnPull<Sheet> for Desk {}

/// The warnings while an engine is built for a server that marks deletions in this way.
async fn warnings(tombstone: Tombstone) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // Of this thread, on which the test's runtime runs.
    let _logging = tracing::subscriber::set_default(subscriber);
    let dialect =
        Dialect { record: RecordDialect { tombstone, ..RecordDialect::default() }, ..Dialect::default() };
    let remote = RestRemote::builder("http://127.0.0.1:9").dialect(dialect).build().unwrap();
    drop(Engine::builder(Desk, remote, MemoryStorage::new()).build().await.unwrap());
    log.text().lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_field_that_would_be_taken_for_the_mark_of_a_deletion_is_warned_of() {
    let told = warnings(RecordDialect::default().tombstone).await;
    let [warning] = &*told else { panic!("{told:?}") };
    for part in
        ["Letter", "deleted", "`engine.delete`", "`#[serde(rename = …)]`", "`RecordDialect::tombstone`"]
    {
        assert!(warning.contains(part), "{part} is not in: {warning}");
    }
    let told = warnings(Tombstone::Present("binned".into())).await;
    assert!(told.len() == 1 && told[0].contains("Sheet") && told[0].contains("binned"), "{told:?}");
    let none = warnings(Tombstone::True("gone".into())).await;
    assert!(none.is_empty(), "{none:?}");
}
