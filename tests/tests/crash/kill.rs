//! SIGKILL: a child process works on a file and says what was acknowledged; it is killed after a number of lines or
//! requests, which a seed decides, and the next one goes on with the same file.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sync::{BoxError, Engine, OnPull, Pulled, RestRemote, RetryPolicy, Schema, SqliteStorage};
use sync_examples::server::Server;
use sync_examples::server::intercept::Intercept;
use sync_tests::device::{Device, Folder, server};
use sync_tests::entities::{Note, note};

use crate::power_cut::check_integrity;

const JOB: &str = "SYNC_TESTS_JOB";
const FILE: &str = "SYNC_TESTS_FILE";
const URL: &str = "SYNC_TESTS_URL";
const FIRST: &str = "SYNC_TESTS_FIRST";

/// Says something to the parent; when this returns, the parent will read it whatever happens to this process.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The child's application, which says what it was shown.
#[derive(Schema)]
#[sync(entities(Note))]
struct Talker;

impl OnPull<Note> for Talker {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        pulled.changes.iter().for_each(|change| say(&format!("shown {}", change.id())));
        Ok(())
    }
}

async fn open(file: &Path, url: &str) -> Engine<Talker> {
    let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
    let remote = RestRemote::new(url).unwrap();
    let builder = Engine::builder(Talker, remote, SqliteStorage::open(file).unwrap());
    builder.retry(at_once).page_size(20).build().await.unwrap()
}

/// Pushes new notes, one by one, three at a time and three side by side; says each that was acknowledged.
async fn push(engine: &Engine<Talker>, first: u32, flushes: bool) {
    for number in first.. {
        let notes: Vec<_> = match number % 4 {
            0 => (0..3).map(|part| note(&format!("{number}-{part}"), "x", 0)).collect(),
            _ => vec![note(&format!("{number}"), "x", 0)],
        };
        if number % 8 == 0 {
            // Side by side, so that they share a commit.
            let pushes = join_all(notes.iter().map(|note| engine.push(note))).await;
            assert!(pushes.iter().all(Result::is_ok));
        } else {
            engine.push_all(&notes).await.unwrap();
        }
        for note in notes {
            say(&format!("acknowledged {}", note.id));
        }
        if flushes && number % 8 == 7 {
            engine.flush().await.unwrap();
        }
    }
}

/// Not a story of its own: what the child does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let (file, url) = (PathBuf::from(std::env::var(FILE).unwrap()), std::env::var(URL).unwrap());
    let first: u32 = std::env::var(FIRST).unwrap().parse().unwrap();
    let engine = open(&file, &url).await;
    say("open");
    match job.as_str() {
        "push" => push(&engine, first, false).await,
        "flush" => push(&engine, first, true).await,
        "pull" => loop {
            engine.pull().await.unwrap();
        },
        other => panic!("there is no job {other}"),
    }
}

/// What children said, all of them together.
#[derive(Default)]
struct Said {
    acknowledged: BTreeSet<String>,
    shown: BTreeSet<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        match line.strip_prefix("> ").and_then(|words| words.split_once(' ')) {
            Some(("acknowledged", id)) => drop(self.acknowledged.insert(id.to_owned())),
            Some(("shown", id)) => drop(self.shown.insert(id.to_owned())),
            _ => {}
        }
    }
}

fn start(job: &str, file: &Path, url: &str, first: u32) -> (Arc<Mutex<Child>>, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(JOB, job)
        .env(FILE, file)
        .env(URL, url)
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (Arc::new(Mutex::new(child)), output)
}

fn lines(output: BufReader<ChildStdout>) -> impl Iterator<Item = String> {
    // The last line may be cut off in the middle; it was not said then.
    output.split(b'\n').map_while(Result::ok).filter_map(|line| String::from_utf8(line).ok())
}

/// Kills a child after it has said some lines; hears the rest as well, since it was said before the end.
fn kill_after_lines(job: &str, file: &Path, url: &str, round: u32, mut left: usize, said: &mut Said) {
    let (child, output) = start(job, file, url, round * 100_000);
    let mut opened = false;
    for line in lines(output).filter(|line| line.starts_with("> ")) {
        opened = true;
        said.hear(&line);
        left = left.saturating_sub(1);
        if left == 0 {
            child.lock().unwrap().kill().unwrap();
        }
    }
    assert!(opened, "the child could open the file, {round}");
    assert!(!child.lock().unwrap().wait().unwrap().success(), "it was killed and did not end");
}

/// Kills a child at a request that it makes, before or after the server has taken it.
fn kill_at_request(
    job: &str,
    file: &Path,
    server: &Server,
    round: u32,
    (nth, taken): (usize, bool),
    said: &mut Said,
) {
    let victim: Arc<Mutex<Option<Arc<Mutex<Child>>>>> = Arc::default();
    let target = Arc::clone(&victim);
    let mut requests = 0;
    server.intercept(move |_| {
        requests += 1;
        if requests < nth {
            return Intercept::Pass;
        }
        if let Some(child) = &*target.lock().unwrap() {
            child.lock().unwrap().kill().unwrap();
        }
        if taken { Intercept::CutAfter } else { Intercept::Cut }
    });
    // Held until the child is known, so that no request comes before.
    let mut slot = victim.lock().unwrap();
    let (child, output) = start(job, file, &server.base_url(), round * 100_000);
    *slot = Some(Arc::clone(&child));
    drop(slot);
    lines(output).for_each(|line| said.hear(&line));
    assert!(!child.lock().unwrap().wait().unwrap().success(), "it was killed and did not end");
    server.heal();
}

/// How many operations made notes, by the idempotency keys that the server saw.
fn creations(server: &Server) -> usize {
    let creations = server.requests().into_iter().filter(|request| request.method == "POST");
    creations.filter_map(|request| request.idempotency_key).collect::<BTreeSet<_>>().len()
}

/// Everything that was acknowledged is in the queue, or on the server; once it is flushed, all of it is there, once.
async fn nothing_is_lost(file: &Path, server: &Server, said: &Said) {
    check_integrity(file).unwrap();
    let device = Device::open(file, &server.base_url()).await;
    let before = server.records("/notes");
    for id in &said.acknowledged {
        let waits = device.engine.is_pending::<Note>(id).await.unwrap();
        assert!(
            waits || before.contains_key(id),
            "{id} was acknowledged, and is neither in the queue nor on the server"
        );
    }
    let report = device.engine.flush().await.unwrap();
    assert!(report.is_clean() && report.conflicts == 0, "{report:?}");
    assert_eq!(device.engine.queue_len(), 0);
    let records = server.records("/notes");
    assert!(said.acknowledged.iter().all(|id| records.contains_key(id)));
    assert!(device.app.state().conflicts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_is_killed_while_it_pushes_loses_nothing_that_was_acknowledged() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("app.db");
    let (mut chance, mut said) = (StdRng::seed_from_u64(1), Said::default());
    for round in 1..=20 {
        let left = chance.random_range(1..80);
        kill_after_lines("push", &file, "http://127.0.0.1:9", round, left, &mut said);
        check_integrity(&file).unwrap();
    }
    assert!(said.acknowledged.len() > 200, "{}", said.acknowledged.len());
    nothing_is_lost(&file, &server, &said).await;
    assert_eq!(creations(&server), server.records("/notes").len(), "each was made by one operation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_is_killed_during_a_flush_loses_and_doubles_nothing() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("app.db");
    let (mut chance, mut said) = (StdRng::seed_from_u64(2), Said::default());
    for round in 1..=18 {
        let moment = (chance.random_range(1..40), chance.random_bool(0.5));
        kill_at_request("flush", &file, &server, round, moment, &mut said);
        if round % 6 == 0 {
            nothing_is_lost(&file, &server, &said).await;
        }
    }
    assert_eq!(creations(&server), server.records("/notes").len(), "each was made by one operation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_is_killed_during_a_pull_is_shown_everything_in_the_end() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("app.db");
    let (mut chance, mut said, mut there) = (StdRng::seed_from_u64(3), Said::default(), BTreeSet::new());
    for round in 1..=12 {
        for number in 0..100 {
            let id = format!("elsewhere {round} {number}");
            let record = serde_json::to_value(note(&id, "x", 0)).unwrap();
            server.write_as_other_client("/notes", &id, Some(&record));
            there.insert(id);
        }
        if round % 2 == 0 {
            let moment = (chance.random_range(1..7), chance.random_bool(0.5));
            kill_at_request("pull", &file, &server, round, moment, &mut said);
        } else {
            // As many as it says for certain: that it has begun, and the new notes.
            let left = chance.random_range(2..=101);
            kill_after_lines("pull", &file, &server.base_url(), round, left, &mut said);
        }
        check_integrity(&file).unwrap();
    }
    let device = Device::open(&file, &server.base_url()).await;
    assert!(device.engine.pull().await.unwrap().is_clean());
    said.shown.extend(device.app.state().notes.keys().cloned());
    assert_eq!(said.shown, there, "what a cursor stands for was shown");
}
