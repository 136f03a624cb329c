//! Files of other versions of this library.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::super::SqliteStorage;
use super::super::schema::{APPLICATION_ID, UPGRADES, Upgrade};
use super::{Fixture, note, open, queued, run};
use crate::storage::StorageError;

/// As if version 1 had followed a version that kept its records elsewhere.
const FROM_LEGACY: &[Upgrade] = &[|connection| {
    UPGRADES.iter().try_for_each(|step| step(connection))?;
    connection.execute_batch(
        "INSERT INTO sync_queues (id, principal, entity) VALUES (1, '', 'Note');
         INSERT INTO sync_bases (queue, key, version) SELECT 1, key, version FROM legacy;
         DROP TABLE legacy",
    )
}];

const WITH_ANOTHER: &[Upgrade] =
    &[UPGRADES[0], UPGRADES[1], UPGRADES[2], UPGRADES[3], UPGRADES[4], UPGRADES[5], |connection| {
        connection.execute_batch("ALTER TABLE sync_bases ADD COLUMN colour TEXT")
    }];

const WITH_FAILING: &[Upgrade] =
    &[UPGRADES[0], UPGRADES[1], UPGRADES[2], UPGRADES[3], UPGRADES[4], UPGRADES[5], |connection| {
        connection.execute_batch("DROP TABLE sync_notes; CREATE TABLE sync_bases (twice)")
    }];

fn upgrade(path: &Path, upgrades: &'static [Upgrade]) -> Result<SqliteStorage, StorageError> {
    SqliteStorage::builder(path).upgrades(upgrades).open()
}

fn user_version(path: &Path) -> u32 {
    let connection = Connection::open(path).expect("the file is SQLite");
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("there is a version")
}

fn legacy(path: &Path) {
    let connection = Connection::open(path).expect("the file can be made");
    connection.pragma_update(None, "application_id", APPLICATION_ID).expect("it can be set");
    connection
        .execute_batch("CREATE TABLE legacy (key TEXT, version TEXT); INSERT INTO legacy VALUES ('a', '7')")
        .expect("the SQL is right");
}

#[tokio::test]
async fn an_older_file_is_upgraded_with_its_records() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    legacy(&path);
    let storage = upgrade(&path, FROM_LEGACY).expect("the file is upgraded");
    let record = run(&storage, |tx| tx.record(&note("a"))).await;
    let base = record.expect("it can be read").and_then(|record| record.base).expect("the record was moved");
    assert_eq!(base.version.expect("with its version").as_str(), "7");
    drop(storage);
    assert_eq!(user_version(&path), 1);
    drop(upgrade(&path, FROM_LEGACY).expect("the second time there is nothing to do"));
}

/// What the versions before this one ran to make their tables.
const EARLIER: &[&str] = &[
    include_str!("../version_1.sql"),
    include_str!("../version_2.sql"),
    include_str!("version_3.sql"),
    include_str!("../version_4.sql"),
    include_str!("../version_5.sql"),
];

/// Makes a file of an earlier version.
fn earlier(path: &Path, version: usize) -> Connection {
    let earlier = Connection::open(path).expect("the file can be made");
    for script in &EARLIER[..version] {
        earlier.execute_batch(script).expect("the SQL is right");
    }
    earlier.pragma_update(None, "application_id", APPLICATION_ID).expect("it can be set");
    let version = u32::try_from(version).expect("it is small");
    earlier.pragma_update(None, "user_version", version).expect("it can be set");
    earlier
}

/// What the application has of its own in the file, with a view and a trigger that were forgotten when a table went.
const STALE: &str = "
    CREATE TABLE gone (key TEXT);
    CREATE TABLE theirs (key TEXT);
    CREATE VIEW stale AS SELECT key FROM gone;
    CREATE VIEW stale_too AS SELECT records.key, records.gone FROM records JOIN gone USING (key);
    CREATE TRIGGER stale_as_well AFTER INSERT ON theirs BEGIN INSERT INTO gone SELECT new.key FROM stale; END;
    DROP TABLE gone";

/// Each table, index, view and trigger of this library, and its SQL.
fn schema(path: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(path).expect("the file is SQLite");
    let mut statement = connection
        .prepare(
            "SELECT name, sql FROM sqlite_schema WHERE name LIKE 'sync%' OR name = 'records' ORDER BY name",
        )
        .expect("the SQL is right");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("it can be read");
    rows.collect::<Result<_, _>>().expect("they are texts")
}

#[tokio::test]
async fn what_the_application_has_forgotten_in_the_file_keeps_it_from_no_upgrade() {
    for version in 1..=EARLIER.len() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("app.db");
        let earlier = earlier(&path, version);
        earlier.execute_batch(STALE).expect("the SQL is right");
        drop(earlier);
        let storage = SqliteStorage::open(&path);
        let storage = storage.unwrap_or_else(|error| panic!("version {version}: {error:?}"));
        run(&storage, |tx| tx.put(&note("a"), &queued(1))).await.expect("it can be written");
        drop(storage);
        let shell = Connection::open(&path).expect("the file is SQLite");
        let shown = shell.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0));
        assert_eq!(shown.expect("people can read it"), 1, "version {version}");
        let stale = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'stale%'";
        let stale = shell.query_row(stale, [], |row| row.get::<_, i64>(0));
        assert_eq!(stale.expect("it can be read"), 3, "what is the application's stays");
    }
}

#[test]
fn an_upgraded_file_has_the_tables_of_a_new_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let new = folder.path().join("new.db");
    drop(open(&new));
    let expected = schema(&new);
    for version in 1..=EARLIER.len() {
        let path = folder.path().join(format!("{version}.db"));
        drop(earlier(&path, version));
        drop(open(&path));
        let mut found = schema(&path);
        for (_, sql) in &mut found {
            // What version 3 had added is left where it is.
            *sql = sql.replace(", fresh INTEGER NOT NULL DEFAULT 0", "");
        }
        assert_eq!(found, expected, "version {version}");
    }
}

#[test]
fn an_upgrade_that_fails_is_told_as_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    drop(open(&path));
    let error = upgrade(&path, WITH_FAILING).expect_err("the last step fails");
    let told = error.to_string();
    assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
    let versions = format!("from schema version {} to {}", UPGRADES.len(), WITH_FAILING.len());
    for part in ["upgrade", &versions, "table sync_bases already exists", "was not changed"] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    // What has another error is told as an upgrade beside it.
    let other = Connection::open(&path).expect("the file is SQLite");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else is writing");
    let error = upgrade(&path, WITH_FAILING).expect_err("somebody is writing");
    assert!(matches!(error, StorageError::Busy { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).expect("the source is kept").to_string();
    assert!(cause.contains(&versions), "{cause}");
}

#[tokio::test]
async fn what_waits_in_a_file_of_an_earlier_version_is_found_by_its_name() {
    for version in 1..=EARLIER.len() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("app.db");
        let earlier = earlier(&path, version);
        let edit = |number: i64| serde_json::to_string(&queued(number.unsigned_abs()).queued);
        earlier.execute_batch("INSERT INTO sync_queues VALUES (1, '', 'Note')").expect("the SQL is right");
        let row = "INSERT INTO sync_outbox (id, queue, key, revision, queued) VALUES (?1, 1, ?2, ?3, ?4)";
        for (key, number) in [("b", 1_i64), ("a", 2)] {
            let edit = edit(number).expect("it is JSON");
            earlier.execute(row, ((1 << 43) + number, key, number, edit)).expect("the SQL is right");
        }
        // The view is for people, who may have one over it.
        earlier.execute_batch("CREATE VIEW mine AS SELECT key FROM records").expect("the SQL is right");
        drop(earlier);
        let storage = open(&path);
        for (key, number) in [("b", 1), ("a", 2)] {
            let found = run(&storage, move |tx| tx.record(&note(key))).await.expect("it can be read");
            assert_eq!(found, Some(queued(number)), "{key} in version {version}");
        }
    }
}

#[tokio::test]
async fn what_was_deleted_by_hand_before_version_5_is_no_longer_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let earlier = earlier(&path, 4);
    let edit = serde_json::to_string(&queued(1).queued).expect("it is JSON");
    earlier
        .execute("INSERT INTO sync_outbox (id, queue, key, revision, queued) VALUES ((1 << 43) + 1, 1, 'a', 1, ?1)", [edit])
        .expect("the SQL is right");
    earlier
        .execute_batch(
            "INSERT INTO sync_queues VALUES (1, '', 'Note');
             INSERT INTO sync_names VALUES (1, 'a', 1), (1, 'deleted', 2);
             INSERT INTO sync_counts VALUES (1, 2, 0)",
        )
        .expect("the SQL is right");
    drop(earlier);
    let storage = open(&path);
    let read =
        run(&storage, |tx| Ok((tx.record(&note("deleted"))?, tx.record(&note("a"))?, tx.counts()?))).await;
    let (deleted, there, counts) = read.expect("it can be read");
    assert_eq!((deleted, there), (None, Some(queued(1))));
    assert_eq!(counts[0].1.waiting, 1);
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_file_as_it_was() {
    let fixture = Fixture::new();
    fixture.run(|tx| tx.put(&note("a"), &queued(1))).await.expect("the record is written");
    let path = fixture.folder.path().join("app.db");
    drop(fixture.storage);
    upgrade(&path, WITH_FAILING).expect_err("the last step fails");
    assert_eq!(usize::try_from(user_version(&path)), Ok(UPGRADES.len()));
    let storage = open(&path);
    let record = run(&storage, |tx| {
        tx.set_note("the table is still there", Some("yes"))?;
        tx.record(&note("a"))
    });
    assert_eq!(record.await.expect("it can be read"), Some(queued(1)));
}

#[test]
fn a_newer_file_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    drop(upgrade(&path, WITH_ANOTHER).expect("the file is made"));
    let before = fs::read(&path).expect("it can be read");
    for read_only in [false, true] {
        let result = SqliteStorage::builder(&path).read_only(read_only).open();
        assert!(matches!(result, Err(StorageError::TooNew { found: 7, supported: 6, .. })), "{result:?}");
    }
    assert_eq!(fs::read(&path).expect("it can be read"), before);
    drop(upgrade(&path, WITH_ANOTHER).expect("the newer program still opens it"));
}

#[test]
fn a_newer_file_whose_version_is_still_in_the_log_is_not_touched_either() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    drop(open(&path));
    // A newer program was killed: its log is there and was not moved into the file.
    let newer = Connection::open(&path).expect("the file is SQLite");
    newer.pragma_update(None, "user_version", 7).expect("it can be set");
    let crashed = folder.path().join("crashed.db");
    for ending in ["", "-wal"] {
        let name = |base: &Path| format!("{}{ending}", base.display());
        fs::copy(name(&path), name(&crashed)).expect("it can be copied");
    }
    let files = || ["", "-wal"].map(|ending| fs::read(format!("{}{ending}", crashed.display())).ok());
    let before = files();
    let result = SqliteStorage::open(&crashed);
    assert!(matches!(result, Err(StorageError::TooNew { found: 7, supported: 6, .. })), "{result:?}");
    assert!(files() == before, "the file or its log has changed");
}

#[test]
fn an_older_file_is_not_upgraded_by_reading() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    legacy(&path);
    let before = fs::read(&path).expect("it can be read");
    let result = SqliteStorage::builder(&path).read_only(true).open();
    assert!(matches!(result, Err(StorageError::Open { .. })), "{result:?}");
    assert_eq!(fs::read(&path).expect("it can be read"), before);
}
