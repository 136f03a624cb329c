//! A story: some dozens of edits, flushes, pulls, restarts and checkpoints, from a seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sync::storage::{Durability, SqliteStorage};
use sync::testing::{Fault, ManualClock, ScriptedRemote};
use sync::{Engine, RetryPolicy};
use sync_tests::entities::{Note, note};
use tempfile::TempDir;

use super::diary::{Diary, Edit, Entry, Phone, Server};
use super::folder;
use crate::vfs::Disk;
use crate::vfs::disk::Event;

/// The name of the storage's file.
pub const FILE: &str = "app.db";

const CHAPTERS: usize = 30;

pub struct Story {
    pub events: Vec<Event>,
    pub diary: Diary,
}

/// Opens an engine as all stories do.
pub async fn engine(
    storage: &SqliteStorage,
    server: Server,
    clock: ManualClock,
    seed: u64,
) -> Result<Engine<Phone>, sync::Error> {
    let at_once = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
    Engine::builder(Phone(server.diary.clone()), server, storage.clone())
        .retry(at_once)
        .clock(clock)
        .seed(seed)
        .page_size(3)
        .build()
        .await
}

struct Teller {
    chance: StdRng,
    folder: TempDir,
    durability: Durability,
    diary: Diary,
    remote: ScriptedRemote,
    notes: u32,
    edits: u32,
}

pub async fn tell(seed: u64, durability: Durability) -> Story {
    let folder = folder();
    let disk = Disk::watch(folder.path());
    let diary = Diary::new(&disk);
    let chance = StdRng::seed_from_u64(seed);
    let remote = ScriptedRemote::new();
    let mut teller = Teller { chance, folder, durability, diary: diary.clone(), remote, notes: 0, edits: 0 };
    let mut open = teller.open().await;
    for _ in 0..CHAPTERS {
        if teller.chance.random_bool(0.1) {
            drop(open);
            open = teller.open().await;
        }
        teller.chapter(&open.1).await;
    }
    drop(open);
    Story { events: disk.events(), diary }
}

impl Teller {
    async fn open(&mut self) -> (SqliteStorage, Engine<Phone>) {
        let file = self.folder.path().join(FILE);
        // Seldom in life, often here: the log is moved into the file.
        let log = [5, 20, 1000][self.chance.random_range(0..3_usize)] * 4096;
        let builder = SqliteStorage::builder(file).durability(self.durability).log_bytes(log);
        let storage = builder.open().unwrap();
        let server = Server { remote: self.remote.clone(), diary: self.diary.clone() };
        let engine = engine(&storage, server, ManualClock::default(), self.chance.random()).await.unwrap();
        (storage, engine)
    }

    async fn chapter(&mut self, engine: &Engine<Phone>) {
        match self.chance.random_range(0..100) {
            0..35 => {
                let (edit, note) = self.edit();
                self.diary.note(Entry::Begun(edit.clone()));
                engine.push(&note).await.unwrap();
                self.diary.note(Entry::Acknowledged(edit));
            }
            35..50 => {
                let (edits, notes): (Vec<_>, Vec<_>) =
                    (0..self.chance.random_range(2..8)).map(|_| self.edit()).unzip();
                for edit in &edits {
                    self.diary.note(Entry::Begun(edit.clone()));
                }
                engine.push_all(&notes).await.unwrap();
                for edit in edits {
                    self.diary.note(Entry::Acknowledged(edit));
                }
            }
            50..57 => {
                let (edit, note) = self.edit();
                let edit = Edit { deletes: true, ..edit };
                self.diary.note(Entry::Begun(edit.clone()));
                engine.delete::<Note>(&note.id).await.unwrap();
                self.diary.note(Entry::Acknowledged(edit));
            }
            57..80 => {
                if self.chance.random_bool(0.3) {
                    self.remote.once(Fault::AnswerLost);
                }
                engine.flush().await.unwrap();
            }
            _ => {
                for _ in 0..self.chance.random_range(1..8) {
                    self.edits += 1;
                    let note = note(&format!("elsewhere {}", self.edits), "x", 0);
                    self.remote.put(&note);
                    self.diary.note(Entry::Elsewhere(note));
                }
                engine.pull().await.unwrap();
            }
        }
    }

    /// An edit of a new note, or of an older one.
    fn edit(&mut self) -> (Edit, Note) {
        self.edits += 1;
        let number = self.edits;
        if self.notes == 0 || self.chance.random_bool(0.5) {
            self.notes += 1;
        }
        let key = format!("note {}", self.chance.random_range(self.notes / 2..self.notes));
        let title = format!("{number} {}", "x".repeat(self.chance.random_range(0..2000)));
        let note = note(&key, &title, i64::from(number));
        (Edit { key, number, deletes: false }, note)
    }
}
