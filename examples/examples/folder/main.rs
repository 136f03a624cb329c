//! Devices that meet in a shared folder, a USB stick for instance: a `Remote` for a transport that is no REST at all.
//!
//! `cargo run --example folder`. What is in the folder, and how, is in `remote`. Everything else (the queue, the conflicts, the
//! cursors) is the engine's.

mod remote;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sync::{BoxError, Engine, OnPull, Pulled, Schema, SqliteStorage, Syncable};

use crate::remote::Folder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    title: String,
    body: String,
}

/// Keeps the notes in memory, for as long as the story lasts. What it was told of it would not be told of again after a restart: a program
/// keeps such records on disk, or marks the entity `replica`.
#[derive(Clone, Default, Schema)]
#[sync(entities(Note))]
struct App(Arc<Mutex<BTreeMap<String, Note>>>);

impl App {
    fn notes(&self) -> BTreeMap<String, Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in &pulled.changes {
            match change.local() {
                Some(note) => notes.insert(note.id.clone(), note.clone()),
                None => notes.remove(change.id()),
            };
        }
        Ok(())
    }
}

/// A device with a storage of its own.
struct Device {
    app: App,
    engine: Engine<App>,
}

impl Device {
    async fn new(file: PathBuf, folder: &Path) -> Result<Self, BoxError> {
        let app = App::default();
        let remote = Folder::new(folder);
        let engine = Engine::builder(app.clone(), remote, SqliteStorage::open(file)?).build().await?;
        Ok(Self { app, engine })
    }

    async fn write(&self, id: &str, title: &str, body: &str) -> Result<(), BoxError> {
        let note = Note { id: id.into(), title: title.into(), body: body.into() };
        self.engine.push(&note).await?;
        self.app.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), note);
        Ok(())
    }
}

async fn story() -> Result<bool, BoxError> {
    let home = tempfile::tempdir()?;
    let stick = home.path().join("stick");
    let (laptop, phone) = (
        Device::new(home.path().join("laptop.db"), &stick).await?,
        Device::new(home.path().join("phone.db"), &stick).await?,
    );
    laptop.write("shopping", "Shopping", "milk").await?;
    laptop.write("a/b", "An id that is no file name", "").await?;
    let report = laptop.engine.full_sync().await?;
    println!("The stick is not plugged in: {} notes wait. {}", report.remaining, report.errors[0]);

    fs::create_dir(&stick)?;
    println!("Plugged in: the laptop wrote {}.", laptop.engine.full_sync().await?.pushed);
    println!("The phone found {}.", phone.engine.full_sync().await?.pulled);

    laptop.write("shopping", "Shopping for Friday", "milk").await?;
    phone.write("shopping", "Shopping", "milk, bread").await?;
    phone.engine.delete::<Note>(&"a/b".to_owned()).await?;
    phone.app.0.lock().unwrap_or_else(PoisonError::into_inner).remove("a/b");
    laptop.engine.full_sync().await?;
    let report = phone.engine.full_sync().await?;
    println!("Both edited the same note: {} conflict, merged.", report.conflicts);
    laptop.engine.full_sync().await?;

    for note in laptop.app.notes().values() {
        println!("  {}: {}", note.title, note.body);
    }
    let merged = laptop
        .app
        .notes()
        .get("shopping")
        .is_some_and(|note| note.title.ends_with("Friday") && note.body.ends_with("bread"));
    Ok(merged && laptop.app.notes() == phone.app.notes() && laptop.app.notes().len() == 1)
}

#[tokio::main]
async fn main() -> ExitCode {
    match story().await {
        Ok(true) => {
            println!("Both devices hold the same.");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            eprintln!("The devices do not hold the same.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
