//! What the engine warns of when it is built.

use serde::{Deserialize, Serialize};
use sync::remote::rest::{RecordDialect, Tombstone};
use sync::testing::ScriptedRemote;
use sync::{Dialect, Engine, MemoryStorage, OnPull, Principal, RestRemote, Schema, Syncable};
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

/// The warnings while something is done on this thread.
async fn warnings(work: impl Future<Output = ()>) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // Of this thread, on which the test's runtime runs.
    let _logging = tracing::subscriber::set_default(subscriber);
    work.await;
    log.text().lines().map(ToOwned::to_owned).collect()
}

/// The warnings while an engine is built for a server that marks deletions in this way.
async fn warnings_at(tombstone: Tombstone) -> Vec<String> {
    let dialect =
        Dialect { record: RecordDialect { tombstone, ..RecordDialect::default() }, ..Dialect::default() };
    let remote = RestRemote::builder("http://127.0.0.1:9").dialect(dialect).build().unwrap();
    let building = Engine::builder(Desk, remote, MemoryStorage::new()).build();
    warnings(async { drop(building.await.unwrap()) }).await
}

#[tokio::test]
async fn a_field_that_would_be_taken_for_the_mark_of_a_deletion_is_warned_of() {
    let told = warnings_at(RecordDialect::default().tombstone).await;
    let [warning] = &*told else { panic!("{told:?}") };
    for part in
        ["Letter", "deleted", "`engine.delete`", "`#[serde(rename = …)]`", "`RecordDialect::tombstone`"]
    {
        assert!(warning.contains(part), "{part} is not in: {warning}");
    }
    let told = warnings_at(Tombstone::Present("binned".into())).await;
    assert!(told.len() == 1 && told[0].contains("Sheet") && told[0].contains("binned"), "{told:?}");
    let none = warnings_at(Tombstone::True("gone".into())).await;
    assert!(none.is_empty(), "{none:?}");
}

/// As when an update of the program brings accounts.
#[tokio::test]
async fn what_was_queued_without_an_account_is_told_of_to_who_has_one() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let build = |principal| {
        Engine::builder(Desk, server.clone(), storage.clone()).principal(Principal::new(principal)).build()
    };
    let alice = || warnings(async { drop(build("alice").await.unwrap()) });
    assert!(alice().await.is_empty());
    let nobody = build("").await.unwrap();
    nobody.push(&Letter { id: 1, deleted: false }).await.unwrap();
    drop(nobody);
    let told = alice().await;
    let [warning] = &*told else { panic!("{told:?}") };
    assert!(warning.contains("waiting=1") && warning.contains("alice"), "{warning}");
    let nobody = warnings(async { drop(build("").await.unwrap()) }).await;
    assert!(nobody.is_empty(), "it is theirs: {nobody:?}");
}
