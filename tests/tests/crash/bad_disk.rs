//! Disks that are full, that fail at any one step, or that cannot be written: a typed error each time, and afterwards the
//! same engine goes on with nothing lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sync::storage::SqliteStorage;
use sync::testing::{Fault, ManualClock, ScriptedRemote};
use sync::{Engine, Error, StorageError};
use sync_tests::app::App;
use sync_tests::entities::{Note, note};

use crate::power_cut::{check_integrity, folder};
use crate::vfs::{Disk, Trouble};

const FILE: &str = "app.db";

async fn open(path: &Path, server: &ScriptedRemote) -> Result<Engine<App>, Error> {
    let storage = SqliteStorage::open(path)?;
    let builder = Engine::builder(App::default(), server.clone(), storage.clone());
    let engine = builder.clock(ManualClock::default()).seed(7).build().await?;
    // Seldom in life, often here: the log is moved into the file.
    storage
        .transaction(&engine, |tx| {
            tx.connection().pragma_update_and_check(None, "wal_autocheckpoint", 8, |_| Ok(())).unwrap();
            Ok::<_, Error>(())
        })
        .await?;
    Ok(engine)
}

/// The errors that a disk may cause.
fn is_of_the_disk(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::Full { .. }
            | StorageError::Io { .. }
            | StorageError::Open { .. }
            | StorageError::ReadOnly { .. }
    )
}

/// Looks at what came of a call; answers whether it went well.
fn went_well<T>(result: Result<T, Error>, trouble: Trouble) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Storage(error)) if is_of_the_disk(&error) => false,
        Err(error) => panic!("{trouble:?}: {error:?}"),
    }
}

/// What an engine does on a disk with trouble; answers the notes that were acknowledged, and those that were deleted.
async fn work(engine: &Engine<App>, trouble: Trouble) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut kept, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    let long = "x".repeat(3000);
    for round in 0..4 {
        let id = format!("single {round}");
        if went_well(engine.push(&note(&id, &long, 0)).await, trouble) {
            kept.insert(id);
        }
        let batch: Vec<_> = (0..3).map(|number| note(&format!("batch {round} {number}"), &long, 0)).collect();
        if went_well(engine.push_all(&batch).await, trouble) {
            kept.extend(batch.into_iter().map(|note| note.id));
        }
        if round % 2 == 1 {
            went_well(engine.flush().await, trouble);
            let id = format!("before {round}");
            if went_well(engine.delete::<Note>(&id).await, trouble) {
                deleted.insert(id);
            }
        }
    }
    (kept, deleted)
}

/// Each note reached the server at most once, and each deletion after it.
fn assert_once(server: &ScriptedRemote, trouble: Trouble) {
    let mut effects: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for effect in server.effects() {
        effects.entry(effect.key).or_default().push(effect.value.is_some());
    }
    for (key, effects) in effects {
        assert!(matches!(effects[..], [true] | [true, false]), "{trouble:?}: {key} {effects:?}");
    }
}

async fn survive(trouble: Trouble) -> usize {
    let (folder, server) = (folder(), ScriptedRemote::new());
    let mut requests = 0;
    server.script(move |_| {
        requests += 1;
        // An engine that sends something for ever comes to an end here, and fails the test.
        if requests < 500 { Fault::None } else { Fault::Unauthorized }
    });
    let disk = Disk::watch_without_log(folder.path());
    let path = folder.path().join(FILE);
    let engine = open(&path, &server).await.unwrap();
    for number in 0..5 {
        engine.push(&note(&format!("before {number}"), "x", 0)).await.unwrap();
    }

    disk.order(trouble);
    let (mut kept, deleted) = work(&engine, trouble).await;
    let steps = disk.steps();
    disk.heal();

    engine.push(&note("after", "x", 0)).await.unwrap();
    kept.insert("after".to_owned());
    kept.extend((0..5).map(|number| format!("before {number}")));
    let report = engine.flush().await.unwrap();
    assert!(report.is_clean() && engine.queue_len() == 0, "{trouble:?}: {report:?}");
    let records = server.records::<Note>();
    for id in kept.difference(&deleted) {
        assert!(records.contains_key(id), "{trouble:?}: {id} was acknowledged and is nowhere");
    }
    assert!(deleted.iter().all(|id| !records.contains_key(id)), "{trouble:?}: a deletion is lost");
    assert_once(&server, trouble);

    drop(engine);
    check_integrity(&path).unwrap();
    let engine = open(&path, &server).await.unwrap();
    assert_eq!(engine.queue_len(), 0, "{trouble:?}");
    engine.full_sync().await.unwrap();
    assert_once(&server, trouble);
    steps
}

/// Lets every step of the work fail, one after the other, until there are no more.
async fn every(trouble: fn(usize) -> Trouble) {
    for number in 0.. {
        if survive(trouble(number)).await <= number {
            assert!(number > 50, "only {number} steps could fail");
            return;
        }
    }
}

#[tokio::test]
async fn any_one_write_sync_or_truncation_may_fail() {
    every(Trouble::Once).await;
}

#[tokio::test]
async fn a_disk_that_fails_from_any_step_on_is_survived_once_it_works_again() {
    every(Trouble::From).await;
}

#[tokio::test]
async fn a_disk_that_is_full_from_any_write_on_is_survived_once_there_is_room() {
    every(Trouble::FullFrom).await;
}

/// Leaves a file as a process does that died: with its queue in the log, which nobody moved into the file.
async fn leave_behind(path: &Path, server: &ScriptedRemote) {
    let folder = folder();
    let elsewhere = folder.path().join(FILE);
    let engine = open(&elsewhere, server).await.unwrap();
    for number in 0..20 {
        engine.push(&note(&format!("before {number}"), "x", 0)).await.unwrap();
    }
    for ending in ["", "-wal"] {
        let with = |path: &Path| format!("{}{ending}", path.display());
        std::fs::copy(with(&elsewhere), with(path)).unwrap();
    }
}

#[tokio::test]
async fn opening_may_fail_at_any_step_and_loses_nothing() {
    for there in [false, true] {
        for trouble in [Trouble::Once as fn(usize) -> Trouble, Trouble::From, Trouble::FullFrom] {
            for number in 0.. {
                let trouble = trouble(number);
                let (folder, server) = (folder(), ScriptedRemote::new());
                let disk = Disk::watch_without_log(folder.path());
                let path = folder.path().join(FILE);
                if there {
                    leave_behind(&path, &server).await;
                }
                disk.order(trouble);
                let opened = open(&path, &server).await;
                let steps = disk.steps();
                went_well(opened, trouble);
                disk.heal();
                let engine = open(&path, &server).await.unwrap();
                assert_eq!(engine.queue_len(), if there { 20 } else { 0 }, "{trouble:?}");
                drop(engine);
                check_integrity(&path).unwrap();
                if steps <= number {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused_and_goes_on_once_it_can() {
    let (folder, server) = (folder(), ScriptedRemote::new());
    let disk = Disk::watch_without_log(folder.path());
    let path = folder.path().join(FILE);
    leave_behind(&path, &server).await;
    disk.order(Trouble::ReadOnly);
    let refused = SqliteStorage::open(&path);
    assert!(matches!(refused, Err(StorageError::ReadOnly { .. })), "{refused:?}");
    disk.heal();
    let engine = open(&path, &server).await.unwrap();
    assert!(engine.flush().await.unwrap().is_clean());
    assert_eq!(server.records::<Note>().len(), 20);
}
