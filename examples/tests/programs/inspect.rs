//! What a storage file holds, told to a person.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{SecondsFormat, TimeDelta, Utc};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{
    BoxError, Conflict, Engine, OnConflict, OnPull, Principal, Resolution, Schema, SqliteStorage, Syncable,
};
use tempfile::TempDir;

use super::example;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/beds", conflict = Manual)]
struct Bed {
    id: String,
    soil: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/plants", conflict = ServerWins)]
struct Plant {
    id: String,
    #[sync(references = Bed)]
    bed: String,
}

#[derive(Schema)]
#[sync(entities(Bed, Plant))]
struct Garden;

impl OnPull<Bed> for Garden {}
impl OnPull<Plant> for Garden {}

impl OnConflict<Bed> for Garden {
    async fn on_conflict(&self, _: Conflict<Bed>) -> Result<Resolution<Bed>, BoxError> {
        Ok(Resolution::Defer)
    }
}

fn bed(id: &str, soil: &str) -> Bed {
    Bed { id: id.to_owned(), soil: soil.to_owned() }
}

fn plant(id: &str, bed: &str) -> Plant {
    Plant { id: id.to_owned(), bed: bed.to_owned() }
}

/// A garden with one of everything.
async fn garden(file: &Path) -> Engine<Garden> {
    let server = ScriptedRemote::new();
    server.put(&bed("south", "clay"));
    server.script(|call| match call {
        Call::Write { key, .. } if key == "weed" => Fault::Refused(422, "no weeds".to_owned()),
        Call::Write { key, .. } if key == "north" => Fault::RequestLost,
        _ => Fault::None,
    });
    let storage = SqliteStorage::open(file).unwrap();
    let engine = Engine::builder(Garden, server, storage).build().await.unwrap();
    engine.push(&bed("south", "sand")).await.unwrap();
    engine.push(&plant("weed", "south")).await.unwrap();
    engine.flush().await.unwrap();
    engine.pull().await.unwrap();
    engine.push(&bed("north", "loam")).await.unwrap();
    engine.push(&plant("rose", "north")).await.unwrap();
    engine.flush().await.unwrap();
    engine
}

/// What it prints about a file: the lines below each heading.
fn inspect(file: &Path, more: &[&str]) -> Vec<(String, Vec<String>)> {
    let output = Command::new(example("inspect")).arg(file).args(more).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut parts = Vec::<(String, Vec<String>)>::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("  "), parts.last_mut()) {
            (Some(row), Some((_, rows))) => rows.push(row.to_owned()),
            _ => parts.push((line.to_owned(), Vec::new())),
        }
    }
    parts
}

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("garden.db");
    (folder, file)
}

#[tokio::test]
async fn it_shows_one_of_everything_while_an_engine_has_the_file() {
    let (_folder, file) = file();
    let engine = garden(&file).await;
    let parts = inspect(&file, &[]);
    let rows = |heading: &str| {
        let part = parts.iter().find(|(line, _)| line.starts_with(heading));
        part.unwrap_or_else(|| panic!("{heading} is missing: {parts:#?}"))
    };
    let [conflict] = &engine.conflicts::<Bed>().await.unwrap()[..] else { panic!("one conflict") };
    let [refused] = &engine.parked::<Plant>().await.unwrap()[..] else { panic!("one refusal") };

    let (heading, waiting) = rows("Waiting to be sent");
    assert!(heading.ends_with(": 2") && waiting.len() == 2, "{parts:#?}");
    assert!(waiting[0].contains("Bed  north") && waiting[0].contains("loam"), "{waiting:?}");
    assert!(waiting[1].contains("Plant  rose") && waiting[1].contains("waits for Bed north"), "{waiting:?}");

    let (heading, refusals) = rows("Parked");
    assert!(heading.ends_with(": 1"), "{parts:#?}");
    assert!(refusals[0].contains(&format!("Plant  weed  {}", refused.operation)), "{refusals:?}");
    assert!(refusals[0].contains("422") && refusals[0].contains("no weeds"), "{refusals:?}");

    let (heading, conflicts) = rows("Conflicts");
    assert!(heading.ends_with(": 1"), "{parts:#?}");
    assert!(conflicts[0].contains(&format!("Bed  south  {}", conflict.operation)), "{conflicts:?}");
    assert!(conflicts[0].contains("sand") && conflicts[0].contains("clay"), "both sides: {conflicts:?}");

    let (_, cursors) = rows("Cursors");
    assert!(cursors.iter().any(|cursor| cursor.contains("Bed")), "{cursors:?}");

    let (_, waiting) = &inspect(&file, &["--rows", "1"])[1];
    assert_eq!(waiting[1], "… and 1 more (--rows shows more of them)");
}

#[tokio::test]
async fn what_waits_stands_in_the_order_in_which_it_is_sent_next() {
    let (_folder, file) = file();
    let server = ScriptedRemote::new();
    // Its first of January is long past.
    let builder = Engine::builder(Garden, server.clone(), SqliteStorage::open(&file).unwrap());
    let builder = builder.clock(ManualClock::default()).principal(Principal::new("anna"));
    let engine = builder.build().await.unwrap();
    server.script(|_| Fault::Transient(500));
    engine.push(&bed("later", "x")).await.unwrap();
    engine.push(&bed("long due", "x")).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&plant("child", "later")).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&bed("ready", "x")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let later = (Utc::now() + TimeDelta::days(1)).to_rfc3339_opts(SecondsFormat::Nanos, true);
    let connection = Connection::open(&file).unwrap();
    connection.execute("update sync_outbox set due = ?1 where key = 'later'", [&later]).unwrap();
    drop(connection);

    let parts = inspect(&file, &[]);
    let (_, waiting) = &parts[1];
    assert_eq!(waiting.len(), 4, "{parts:#?}");
    for (row, word) in waiting.iter().zip(["  long due  ", "  ready  ", "  later  ", "  child  "]) {
        assert!(row.contains(word) && row.contains("  as anna  "), "{waiting:#?}");
    }
    assert!(waiting[0].contains("due 2026-01-01T") && waiting[2].contains(&later), "{waiting:#?}");
    assert!(!waiting[1].contains("due "), "{waiting:#?}");
}

#[tokio::test]
async fn rows_that_are_damaged_keep_nothing_from_being_shown() {
    let (_folder, file) = file();
    drop(garden(&file).await);
    let connection = Connection::open(&file).unwrap();
    for damage in [
        "update sync_outbox set parked = 'no JSON' where key = 'weed'",
        "update sync_outbox set flight = x'ff' where key = 'north'",
    ] {
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
    }
    let parts = inspect(&file, &[]);
    let row = |word: &str| parts.iter().flat_map(|(_, rows)| rows).find(|row| row.contains(word));
    assert!(row("weed").unwrap().contains("cannot be read: no JSON"), "{parts:#?}");
    assert!(row("north").is_some() && row("sand").is_some(), "{parts:#?}");
}

#[test]
fn no_rows_cannot_be_asked_for_since_they_would_look_like_an_empty_queue() {
    let (_folder, file) = file();
    let output = Command::new(example("inspect")).arg(&file).args(["--rows", "0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("--rows"), "{said}");
}

#[test]
fn a_file_that_is_no_storage_is_named_and_left_alone() {
    let (_folder, file) = file();
    std::fs::write(&file, "a shopping list").unwrap();
    let output = Command::new(example("inspect")).arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("garden.db is not a storage of `sync`"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a shopping list");
}
