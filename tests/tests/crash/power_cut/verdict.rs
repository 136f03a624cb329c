//! What became of a device after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rusqlite::Connection;
use sync::Syncable as _;
use sync::storage::SqliteStorage;
use sync::testing::ManualClock;
use sync_tests::entities::Note;

use super::diary::{Diary, Edit, Entry, Server, elsewhere, shown};
use super::folder;
use super::story::{self, FILE, Story};
use crate::vfs::Disk;
use crate::vfs::cut::{self, Syncs};

/// What a power cut must not do.
#[derive(Debug)]
#[expect(dead_code, reason = "for people to read")]
pub enum Ruin {
    /// The file cannot be opened, or SQLite finds it damaged.
    Corrupt(String),
    /// An acknowledged edit, or a note of another device, is nowhere.
    Lost(String),
    /// The server got an edit twice, or edits of a note out of order.
    Doubled(String),
    /// The device does not get along with the server any more.
    Stuck(String),
}

/// Cuts the power at a moment, and goes on.
pub async fn of(story: &Story, moment: usize, syncs: Syncs, chance: &mut StdRng) -> Result<(), Ruin> {
    let folder = folder();
    let disk = Disk::watch_without_log(folder.path());
    cut::write(&cut::after(&story.events[..moment], syncs, chance), folder.path());
    let before = story.diary.until(moment);

    let path = folder.path().join(FILE);
    let corrupt = |error: &dyn std::fmt::Debug| Ruin::Corrupt(format!("{error:?}"));
    let storage = SqliteStorage::open(&path).map_err(|error| corrupt(&error))?;
    let diary = Diary::new(&disk);
    let server = Server::again(&before, diary.clone()).await;
    let remote = server.remote.clone();
    // What waited for its next attempt is due by then.
    let clock = ManualClock::default();
    clock.advance(TimeDelta::minutes(1));
    let engine = story::engine(&storage, server, clock, 99).await.map_err(|error| corrupt(&error))?;
    let report = engine.full_sync().await.map_err(|error| corrupt(&error))?;
    let left = engine.queue_len();
    drop((engine, storage));
    check_integrity(&path)?;

    in_order(&remote.effects())?;
    nothing_lost(&before, &remote.records::<Note>())?;
    let known: BTreeSet<_> = shown(&before).union(&shown(&diary.until(usize::MAX))).cloned().collect();
    if let Some(missing) = elsewhere(&before).difference(&known).next() {
        return Err(Ruin::Lost(format!("{missing} is on the server, and was never shown")));
    }
    if left > 0 || !report.is_clean() {
        return Err(Ruin::Stuck(format!("{left} operations are left: {:?}", report.errors)));
    }
    Ok(())
}

/// Asks SQLite itself.
pub fn check_integrity(path: &Path) -> Result<(), Ruin> {
    let check = || -> rusqlite::Result<String> {
        Connection::open(path)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    match check() {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(Ruin::Corrupt(verdict)),
        Err(error) => Err(Ruin::Corrupt(error.to_string())),
    }
}

/// The server took the edits of each note once, and in order.
fn in_order(effects: &[sync::testing::Effect]) -> Result<(), Ruin> {
    let mut newest = BTreeMap::new();
    for effect in effects {
        let Some(number) = effect.value.as_ref().and_then(|value| number(&value.decode().ok()?)) else {
            continue;
        };
        if newest.insert(&effect.key, number).is_some_and(|earlier| earlier >= number) {
            return Err(Ruin::Doubled(format!("edit {number} of {}", effect.key)));
        }
    }
    Ok(())
}

/// The number of an edit, which is the first word of the title.
fn number(note: &Note) -> Option<u32> {
    note.title.split(' ').next()?.parse().ok()
}

/// Each note is as the last acknowledged edit left it, or as one that was begun after that.
fn nothing_lost(before: &[Entry], records: &BTreeMap<String, Note>) -> Result<(), Ruin> {
    let mut possible: BTreeMap<&str, Vec<Option<&Edit>>> = BTreeMap::new();
    for entry in before {
        match entry {
            Entry::Begun(edit) => {
                possible.entry(&edit.key).or_insert_with(|| vec![None]).push(Some(edit));
            }
            Entry::Acknowledged(edit) => {
                let edits = possible.entry(&edit.key).or_default();
                edits.retain(|other| other.is_some_and(|other| other.number >= edit.number));
            }
            _ => {}
        }
    }
    for (key, edits) in possible {
        let there = records.get(key).and_then(number);
        let expected = |edit: Option<&Edit>| edit.filter(|edit| !edit.deletes).map(|edit| edit.number);
        if !edits.iter().any(|edit| expected(*edit) == there) {
            return Err(Ruin::Lost(format!("{key} has {there:?} on the server, and could have {edits:?}")));
        }
    }
    let strangers = records.values().find(|note| {
        number(note).is_some()
            && !before.iter().any(|entry| matches!(entry, Entry::Begun(edit) if edit.key == *note.id()))
    });
    strangers.map_or(Ok(()), |note| Err(Ruin::Doubled(format!("nobody made {}", note.id))))
}
