//! Files that were damaged: cut short, with flipped bits, or with an index that says something else than its table.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::Connection;
use sync::storage::SqliteStorage;
use sync::testing::{Fault, ManualClock, ScriptedRemote};
use sync::{AutoSync, Engine, Error, StorageError, SyncEvent, SyncReport};
use sync_tests::app::App;
use sync_tests::device::Folder;
use sync_tests::entities::{Note, Task, note, task};

use crate::power_cut::{check_integrity, folder};
use crate::vfs::Disk;

/// Far longer than anything here takes: a watchdog.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn engine(path: &Path, server: &ScriptedRemote) -> Result<Engine<App>, Error> {
    engine_at(path, server, ManualClock::default()).await
}

async fn engine_at(path: &Path, server: &ScriptedRemote, clock: ManualClock) -> Result<Engine<App>, Error> {
    let storage = SqliteStorage::open(path)?;
    Engine::builder(App::default(), server.clone(), storage).clock(clock).build().await
}

/// The first error of a flush, with what it comes from.
fn told(report: &SyncReport) -> String {
    let error = &*report.errors[0];
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[tokio::test]
async fn an_index_that_disagrees_about_a_record_holds_back_that_record_and_nothing_is_sent_for_ever() {
    let damages = [
        ("a row that the index does not have", "DELETE FROM sync_names WHERE key = 'a'"),
        ("a row with another name", "UPDATE sync_outbox SET key = key || ' moved' WHERE key = 'a'"),
        ("an entry that leads to no row", "UPDATE sync_outbox SET id = id + 1000 WHERE key = 'a'"),
        ("an entry that leads elsewhere", "UPDATE sync_names SET seq = seq + 1000 WHERE key = 'a'"),
        (
            "a row in another lane than its operation",
            "UPDATE sync_outbox SET id = id + (1 << 41) * iif(lane = 'ready', 1, -1) WHERE key = 'a'",
        ),
    ];
    for (damage, sql) in damages {
        let (folder, server) = (Folder::new(), ScriptedRemote::new());
        let path = folder.file("app.db");
        let device = engine(&path, &server).await.unwrap();
        device.push(&note("a", "x", 0)).await.unwrap();
        server.once(Fault::AnswerLost);
        device.flush().await.unwrap();
        device.push(&note("b", "x", 0)).await.unwrap();
        drop(device);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let mut requests = 0;
        server.script(move |_| {
            requests += 1;
            if requests < 100 { Fault::None } else { Fault::Unauthorized }
        });
        // Late enough for what waits for its time.
        let clock = ManualClock::default();
        clock.advance(TimeDelta::hours(2));
        let device = engine_at(&path, &server, clock).await.unwrap();
        let report = device.flush().await.unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        assert_eq!((report.errors.len(), report.pushed), (1, 1), "{damage}: {report:?}");
        let told = told(&report);
        assert!(told.contains("Note `a") && told.contains("mend the row"), "{damage}: {told}");
        assert!(server.records::<Note>().contains_key("b"), "{damage}");
        assert!(server.calls().len() < 10, "{damage}: {} requests", server.calls().len());
    }
}

/// What the documentation of the error says.
const GIVE_UP: &str = "
    DELETE FROM sync_outbox
        WHERE key = 'b' AND queue IN (SELECT id FROM sync_queues WHERE entity = 'Note');
    UPDATE sync_outbox
        SET id = id - ((1 + (due IS NULL)) << 41), blocked_queue = NULL, blocked_key = NULL
        WHERE lane = 'blocked' AND blocked_key = 'b'
            AND blocked_queue IN (SELECT id FROM sync_queues WHERE entity = 'Note')";

#[tokio::test]
async fn a_row_that_cannot_be_read_can_be_given_up_with_a_shell() {
    for column in ["queued", "parked"] {
        let (folder, server) = (Folder::new(), ScriptedRemote::new());
        let path = folder.file("app.db");
        let device = damaged(&path, &server, column).await;
        server.put(&note("b", "theirs", 2));
        let report = device.pull().await.unwrap();
        assert_eq!(report.set_aside, 1, "{column}: {report:?}");
        drop(device);
        Connection::open(&path).unwrap().execute_batch(GIVE_UP).unwrap();
        let app = App::default();
        let storage = SqliteStorage::open(&path).unwrap();
        let device = Engine::builder(app.clone(), server.clone(), storage).build().await.unwrap();
        let status = device.status();
        assert_eq!(status.queue_len + status.parked, 2, "{column}");
        assert!(!device.is_pending::<Note>(&"b".to_owned()).await.unwrap());
        assert!(device.full_sync().await.unwrap().is_clean(), "{column}");
        let shown = app.state().notes.get("b").cloned();
        assert_eq!(shown, Some(note("b", "theirs", 2)), "{column}: what was pulled beside it");
        device.push(&note("b", "again", 3)).await.unwrap();
        device.retry_all().await.unwrap();
        assert!(device.full_sync().await.unwrap().is_clean(), "{column}");
        let ids: Vec<_> = server.records::<Note>().into_keys().collect();
        assert_eq!(ids, ["a", "b", "c"], "{column}");
        assert_eq!((device.queue_len(), device.status().parked), (0, 0), "{column}");
        drop(device);
        check_integrity(&path).unwrap();
    }
}

#[tokio::test]
async fn what_waited_for_a_row_that_was_given_up_with_a_shell_goes_on() {
    for failed in [false, true] {
        let (folder, server) = (Folder::new(), ScriptedRemote::new());
        let path = folder.file("app.db");
        let device = damaged(&path, &server, "queued").await;
        device.push(&task(1, Some("b"), "of the note")).await.unwrap();
        if failed {
            device.push(&task(1, None, "of no note")).await.unwrap();
            server.script(|_| Fault::Transient(500));
            device.flush().await.unwrap();
            server.heal();
            device.push(&task(1, Some("b"), "of the note")).await.unwrap();
        }
        device.retry_all().await.unwrap();
        device.flush().await.unwrap();
        assert!(server.records::<Task>().is_empty(), "it waits for the note");
        drop(device);
        Connection::open(&path).unwrap().execute_batch(GIVE_UP).unwrap();
        let clock = ManualClock::default();
        clock.advance(TimeDelta::hours(2));
        let device = engine_at(&path, &server, clock).await.unwrap();
        assert!(device.flush().await.unwrap().is_clean(), "failed: {failed}");
        assert_eq!(server.records::<Task>()["1"].text, "of the note", "failed: {failed}");
        assert_eq!(device.queue_len(), 0, "failed: {failed}");
        drop(device);
        check_integrity(&path).unwrap();
    }
}

/// Changes the row of one waiting note, while nobody has the file open.
fn in_the_row_of(path: &Path, id: &str, sql: &str) {
    let changed = Connection::open(path)
        .unwrap()
        .execute(&format!("UPDATE sync_outbox SET {sql} WHERE key = ?1"), [id]);
    assert_eq!(changed.unwrap(), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_back_its_record_and_nothing_else() {
    for waiting in [false, true] {
        let (folder, server) = (Folder::new(), ScriptedRemote::new());
        let path = folder.file("app.db");
        let device = engine(&path, &server).await.unwrap();
        for id in ["a", "b", "c"] {
            device.push(&note(id, "mine", 1)).await.unwrap();
        }
        if waiting {
            server.script(|_| Fault::Transient(500));
            device.flush().await.unwrap();
            server.heal();
        }
        drop(device);
        let column = if waiting { "flight" } else { "queued" };
        in_the_row_of(&path, "b", &format!("{column} = replace({column}, '{{', '[')"));

        let server_has = |expected: &[&str]| {
            let ids: Vec<_> = server.records::<Note>().into_keys().collect();
            assert_eq!(ids, expected);
        };
        // Late enough for what waits for its time.
        let clock = ManualClock::default();
        clock.advance(TimeDelta::hours(2));
        let device = engine_at(&path, &server, clock.clone()).await.unwrap();
        assert_eq!(device.queue_len(), 3, "it still waits");
        let report = device.flush().await.unwrap();
        assert_eq!(report.errors.len(), 1, "{report:?}");
        let told = told(&report);
        assert!(told.contains("Note `b`") && told.contains("mend the row"), "{told}");
        assert_eq!(report.pushed, 2);
        server_has(&["a", "c"]);
        assert_eq!(device.queue_len(), 1);

        // What others wrote arrives, and of this record it is kept aside.
        server.put(&note("b", "theirs", 2));
        server.put(&note("d", "theirs", 2));
        let report = device.pull().await.unwrap();
        assert!(report.pulled > 0, "{report:?}");
        let aside = device.set_aside::<Note>().await.unwrap();
        assert_eq!(aside.len(), 1, "{aside:?}");
        let error = device.push(&note("b", "again", 3)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Storage(error) if matches!(**error, StorageError::Row { .. })),
            "{error:?}"
        );
        drop(device);

        // It is all there, and goes through once the row is mended.
        in_the_row_of(&path, "b", &format!("{column} = replace({column}, '[', '{{')"));
        let device = engine_at(&path, &server, clock).await.unwrap();
        assert!(device.is_pending::<Note>(&"b".to_owned()).await.unwrap());
        assert!(device.full_sync().await.unwrap().is_clean());
        assert_eq!(device.queue_len(), 0);
    }
}

/// A device with the notes a, b and c, of which b has a row that cannot be read.
async fn damaged(path: &Path, server: &ScriptedRemote, column: &str) -> Engine<App> {
    let device = engine(path, server).await.unwrap();
    for id in ["a", "b", "c"] {
        device.push(&note(id, "mine", 1)).await.unwrap();
    }
    if column == "parked" {
        server.script(|_| Fault::Refused(422, "not now".to_owned()));
        device.flush().await.unwrap();
        server.heal();
    }
    drop(device);
    in_the_row_of(path, "b", &format!("{column} = replace({column}, '{{', '[')"));
    engine(path, server).await.unwrap()
}

fn is_about_b(result: Result<u64, Error>) {
    let Err(Error::Storage(error)) = result else { panic!("{result:?}") };
    assert!(
        matches!(&*error, StorageError::Row { record, .. } if record.to_string() == "Note `b`"),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_else_from_being_tried_again() {
    let (folder, server) = (Folder::new(), ScriptedRemote::new());
    let device = damaged(&folder.file("app.db"), &server, "parked").await;
    let mut events = device.events();
    device.start(AutoSync { flush_after: Duration::from_millis(1), pull_every: None, listen: false });
    device.push(&note("d", "mine", 1)).await.unwrap();
    // From here on, the background has nothing to do of itself.
    let at_rest = async {
        while !matches!(events.next().await, Some(SyncEvent::SyncComplete(report)) if report.pushed == 1) {}
    };
    tokio::time::timeout(PATIENCE, at_rest).await.expect("it is sent");
    is_about_b(device.retry_all().await);
    // It has heard of the others all the same.
    let mut status = device.watch_status();
    let sent = tokio::time::timeout(PATIENCE, status.wait_for(|status| status.queue_len == 0));
    sent.await.expect("they are sent").unwrap();
    let ids: Vec<_> = server.records::<Note>().into_keys().collect();
    assert_eq!(ids, ["a", "c", "d"]);
    assert_eq!(device.status().parked, 1, "it is kept as it is");
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_else_from_being_given_up() {
    for column in ["queued", "parked"] {
        let (folder, server) = (Folder::new(), ScriptedRemote::new());
        let device = damaged(&folder.file("app.db"), &server, column).await;
        is_about_b(device.clear_queue().await);
        assert_eq!(device.queue_len() + device.status().parked, 1, "{column}: it is kept as it is");
        assert!(!device.is_pending::<Note>(&"a".to_owned()).await.unwrap());
    }
}

/// A file with half of a queue, and the log of a process that died with the other half.
struct Left {
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Left {
    async fn behind() -> Self {
        let folder = folder();
        let _disk = Disk::watch_without_log(folder.path());
        let (path, server) = (folder.path().join("app.db"), ScriptedRemote::new());
        let fill = async |first: usize, last: usize| {
            let device = engine(&path, &server).await.unwrap();
            for number in first..last {
                device.push(&note(&format!("note {number:02}"), &"x".repeat(300), 0)).await.unwrap();
            }
            device
        };
        drop(fill(0, 30).await);
        let _open = fill(30, 60).await;
        Self { file: fs::read(&path).unwrap(), log: fs::read(beside(&path, "-wal")).unwrap() }
    }

    fn put(&self, path: &Path) {
        drop(fs::remove_file(beside(path, "-shm")));
        fs::write(path, &self.file).unwrap();
        fs::write(beside(path, "-wal"), &self.log).unwrap();
    }
}

fn beside(path: &Path, ending: &str) -> String {
    format!("{}{ending}", path.display())
}

/// Flips some bits, or cuts the end off.
fn harm(content: &mut Vec<u8>, chance: &mut StdRng) {
    if chance.random_bool(0.3) {
        content.truncate(chance.random_range(0..content.len()));
        return;
    }
    for _ in 0..chance.random_range(1..20) {
        let place = chance.random_range(0..content.len());
        content[place] ^= 1_u8 << chance.random_range(0..8);
    }
}

/// Opens the file, pushes and flushes: a typed error or none, and no more requests than there are operations.
async fn use_damaged(path: &Path) -> Result<(), Error> {
    let server = ScriptedRemote::new();
    let mut requests = 0;
    server.script(move |_| {
        requests += 1;
        if requests < 200 { Fault::None } else { Fault::Unauthorized }
    });
    let device = engine(path, &server).await?;
    let used = async {
        device.push(&note("new", "x", 0)).await?;
        device.push(&note("note 07", "again", 1)).await?;
        device.full_sync().await?;
        Ok(())
    };
    let used = used.await;
    assert!(server.calls().len() < 200, "the same operation is sent for ever");
    used
}

#[tokio::test]
async fn a_damaged_file_gives_a_typed_error_and_its_backup_everything() {
    let left = Left::behind().await;
    let (mut damaged, mut unharmed) = (0, 0);
    for seed in 0..300 {
        let mut chance = StdRng::seed_from_u64(seed);
        let folder = folder();
        let _disk = Disk::watch_without_log(folder.path());
        let path = folder.path().join("app.db");
        let mut file = left.file.clone();
        harm(&mut file, &mut chance);
        Left { file, log: left.log.clone() }.put(&path);
        match use_damaged(&path).await {
            Ok(()) => unharmed += 1,
            Err(Error::Storage(error)) => match *error {
                StorageError::Corrupt { .. }
                | StorageError::Row { .. }
                | StorageError::Foreign { .. }
                | StorageError::TooNew { .. }
                | StorageError::Open { .. }
                | StorageError::Io { .. } => damaged += 1,
                ref other => panic!("{seed}: {other:?}"),
            },
            Err(other) => panic!("{seed}: {other:?}"),
        }
        left.put(&path);
        let server = ScriptedRemote::new();
        let device = engine(&path, &server).await.unwrap();
        assert!(device.flush().await.unwrap().is_clean(), "{seed}");
        assert_eq!(server.records::<Note>().len(), 60, "{seed}");
    }
    assert!(damaged > 50 && unharmed > 10, "{damaged} damaged, {unharmed} unharmed");
}

#[tokio::test]
async fn a_damaged_log_costs_the_edits_from_the_damage_on_and_never_the_file() {
    let left = Left::behind().await;
    let mut cost = 0;
    for seed in 0..300 {
        let mut chance = StdRng::seed_from_u64(seed);
        let folder = folder();
        let _disk = Disk::watch_without_log(folder.path());
        let path = folder.path().join("app.db");
        let mut log = left.log.clone();
        harm(&mut log, &mut chance);
        Left { file: left.file.clone(), log }.put(&path);
        let server = ScriptedRemote::new();
        let device = engine(&path, &server).await.unwrap_or_else(|error| panic!("{seed}: {error:?}"));
        let waiting = device.queue_len();
        assert!(device.flush().await.unwrap().is_clean(), "{seed}");
        drop(device);
        check_integrity(&path).unwrap();
        let there: Vec<_> = server.records::<Note>().into_keys().collect();
        assert_eq!(
            there,
            (0..waiting).map(|number| format!("note {number:02}")).collect::<Vec<_>>(),
            "{seed}"
        );
        assert!((30..=60).contains(&waiting), "{seed}: {waiting}");
        cost += 60 - waiting;
    }
    assert!(cost > 0, "some of it was damaged");
}
