//! Two engines, in one process or in two, on one file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use sync::testing::ScriptedRemote;
use sync::{Engine, Error, SqliteStorage, StorageError};
use sync_tests::app::App;
use sync_tests::device::{Device, Folder, server};
use sync_tests::entities::{Note, note};

const FILE: &str = "SYNC_TESTS_OTHER_FILE";
const URL: &str = "SYNC_TESTS_OTHER_URL";

/// Not a story of its own: what the other process does.
#[tokio::test]
async fn other_process() {
    let (Ok(file), Ok(url)) = (std::env::var(FILE), std::env::var(URL)) else { return };
    let device = Device::open(file.as_ref(), &url).await;
    device.engine.push(&note("sent", "theirs", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&note("kept", "theirs", 0)).await.unwrap();
    println!("\nready");
    std::io::stdin().lines().for_each(drop);
    panic!("nobody closes this input before the process is killed");
}

fn start(file: &Path, url: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_processes::other_process", "--nocapture"])
        .env(FILE, file)
        .env(URL, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(output.any(|line| line.is_ok_and(|line| line == "ready")), "the other process has the file");
    child
}

#[tokio::test]
async fn an_engine_takes_over_from_a_process_that_was_killed() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("app.db");
    let mut child = start(&file, &server.base_url());
    for _ in 0..3 {
        let refused = SqliteStorage::open(&file);
        assert!(matches!(refused, Err(StorageError::Locked { .. })), "{refused:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let device = Device::open(&file, &server.base_url()).await;
    assert_eq!(device.engine.queue_len(), 1);
    assert!(device.engine.is_pending::<Note>(&"kept".to_owned()).await.unwrap());
    assert!(device.engine.flush().await.unwrap().is_clean());
    assert_eq!(server.records("/notes").len(), 2);
}

#[tokio::test]
async fn of_two_engines_in_one_process_the_second_is_refused_until_the_first_is_gone() {
    let (folder, server) = (Folder::new(), ScriptedRemote::new());
    let file = folder.file("app.db");
    let storage = SqliteStorage::open(&file).unwrap();
    let build = || Engine::builder(App::default(), server.clone(), storage.clone()).build();
    let first = build().await.unwrap();
    first.push(&note("a", "x", 0)).await.unwrap();

    let second = build().await;
    assert!(matches!(&second, Err(Error::Storage(error)) if matches!(**error, StorageError::Locked { .. })));
    let another_handle = SqliteStorage::open(&file);
    assert!(matches!(another_handle, Err(StorageError::Locked { .. })), "{another_handle:?}");

    // Any clone keeps it.
    let clone = first.clone();
    drop(first);
    assert!(build().await.is_err());
    clone.shutdown().await;
    drop(clone);
    let second = build().await.unwrap();
    assert!(second.flush().await.unwrap().is_clean());
    assert_eq!(server.records::<Note>().len(), 1);
}

#[test]
fn a_file_is_free_at_once_also_while_the_program_starts_other_ones() {
    // A process that is just being started has everything open that its parent has.
    let folder = Folder::new();
    let file = folder.file("app.db");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let failed = (0..500).find_map(|_| SqliteStorage::open(&file).err());
        over.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

fn read_by_another_program(file: &Path) -> String {
    told_by_another_program(file, "SELECT count(*) FROM records")
}

fn told_by_another_program(file: &Path, sql: &str) -> String {
    let program = Command::new("sqlite3").arg(file).arg(sql).output().unwrap();
    String::from_utf8(program.stdout).unwrap()
}

/// By the locks on a file, another program knows that it is in use, and leaves its log alone.
#[tokio::test]
async fn opening_a_file_again_leaves_the_locks_of_the_first_alone() {
    let folder = Folder::new();
    let file = folder.file("app.db");
    let storage = SqliteStorage::open(&file).unwrap();
    let engine = Engine::builder(App::default(), ScriptedRemote::new(), storage).build().await.unwrap();
    engine.push(&note("a", "x", 0)).await.unwrap();
    let again = SqliteStorage::open(&file);
    assert!(matches!(again, Err(StorageError::Locked { .. })), "{again:?}");
    drop(SqliteStorage::builder(&file).read_only(true).open().unwrap());
    assert_eq!(read_by_another_program(&file), "1\n");
    engine.push(&note("b", "x", 0)).await.unwrap();
    assert_eq!(
        read_by_another_program(&file),
        "2\n",
        "or else it took the log away, and sees nothing of the new one"
    );
}

fn connection(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    // Reads the file, and so takes the locks by which others know that it is in use.
    connection.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, u32>(0)).unwrap();
    connection
}

/// The application may have the file open by itself, as to look at its tables.
#[tokio::test]
async fn opening_a_file_leaves_the_locks_of_the_applications_own_connection_alone() {
    let folder = Folder::new();
    let file = folder.file("app.db");
    drop(SqliteStorage::open(&file).unwrap());
    for read_only in [true, false] {
        let own = connection(&file);
        own.execute_batch("CREATE TABLE IF NOT EXISTS mine (n); INSERT INTO mine VALUES (1)").unwrap();
        let before = read_by_another_program(&file);
        let storage = SqliteStorage::builder(&file).read_only(read_only).open().unwrap();
        assert_eq!(read_by_another_program(&file), before);
        if !read_only {
            let engine = Engine::builder(App::default(), ScriptedRemote::new(), storage.clone())
                .build()
                .await
                .unwrap();
            for (id, expected) in [("a", "1\n"), ("b", "2\n")] {
                engine.push(&note(id, "x", 0)).await.unwrap();
                assert_eq!(read_by_another_program(&file), expected, "or else it took the log away");
            }
        }
        own.execute_batch("INSERT INTO mine VALUES (2)").unwrap();
        assert_eq!(
            told_by_another_program(&file, "SELECT max(n) FROM mine"),
            "2\n",
            "read_only {read_only}: or else it took the log away"
        );
        drop((own, storage));
    }
}

#[test]
fn refusing_a_file_of_the_applications_leaves_its_locks_alone() {
    for read_only in [true, false] {
        let folder = Folder::new();
        let refuse = |file: &Path| {
            let refused = SqliteStorage::builder(file).read_only(read_only).open();
            assert!(matches!(refused, Err(StorageError::Foreign { .. })), "{refused:?}");
        };
        let file = folder.file("logged.db");
        let own = Connection::open(&file).unwrap();
        own.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        own.execute_batch("CREATE TABLE records (n); INSERT INTO records VALUES (1)").unwrap();
        refuse(&file);
        assert_eq!(read_by_another_program(&file), "1\n");
        own.execute_batch("INSERT INTO records VALUES (2)").unwrap();
        assert_eq!(read_by_another_program(&file), "2\n", "or else it took the log away");

        let file = folder.file("journalled.db");
        let own = Connection::open(&file).unwrap();
        own.execute_batch("CREATE TABLE records (n); BEGIN IMMEDIATE; INSERT INTO records VALUES (1)")
            .unwrap();
        refuse(&file);
        let write =
            Command::new("sqlite3").arg(&file).arg("INSERT INTO records VALUES (3)").output().unwrap();
        assert!(!write.status.success(), "two write at once");
        own.execute_batch("COMMIT").unwrap();
        assert_eq!(read_by_another_program(&file), "1\n");
    }
}
