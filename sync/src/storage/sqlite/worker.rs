//! The thread that owns the connection.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;
use super::lock::{Owned, lock_file};
use super::open::open;
use super::transaction::SqliteTransaction;
use super::{Access, SqliteBuilder};
use crate::record::Principal;
use crate::storage::{StorageError, StorageLock, Work};

/// How many transactions may wait, and how many share one commit at most.
const BATCH: usize = 256;

/// A transaction that waits for the thread.
struct Job {
    principal: Principal,
    work: JobWork,
    reply: oneshot::Sender<Result<(), StorageError>>,
}

enum JobWork {
    /// May share a commit with others.
    Shared(Work),
    /// Gets the connection itself, and so a transaction of its own.
    Alone(AloneWork),
}

type AloneWork = Box<dyn FnOnce(&mut SqliteTransaction<'_>) -> Result<(), StorageError> + Send>;

/// The handle of the thread.
pub(super) struct Worker {
    path: PathBuf,
    /// `None` once the worker is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    owned: Owned,
    /// `None` for reading only. Unlocked when it is closed.
    #[expect(dead_code, reason = "held for its Drop")]
    file_lock: Option<File>,
}

impl Worker {
    pub(super) fn start(builder: &SqliteBuilder) -> Result<Self, StorageError> {
        let path = builder.path.clone();
        let file_lock = match builder.access {
            Access::Read => None,
            Access::Own | Access::Shared => {
                // A folder or a missing one is reported as such, rather than by its lock file.
                if path.is_dir()
                    || path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
                {
                    open(builder)?;
                }
                Some(lock_file(&path)?)
            }
        };
        let connection = open(builder)?;
        let begin = if builder.access == Access::Read { "begin" } else { "begin immediate" };
        let (jobs, inbox) = mpsc::channel(BATCH);
        let thread = std::thread::Builder::new()
            .name("sync-sqlite".into())
            .spawn(move || serve(&connection, begin, inbox))
            .map_err(|error| StorageError::Io(error.into()))?;
        Ok(Self { path, jobs: Some(jobs), thread: Some(thread), owned: Owned::default(), file_lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lock(&self) -> Result<StorageLock, StorageError> {
        self.owned.take(&self.path)
    }

    pub(super) async fn run(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        self.send(principal, JobWork::Shared(work)).await
    }

    /// Runs a closure in a transaction of its own, and hands its result out.
    pub(super) async fn alone<R, E, F>(&self, principal: &Principal, work: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut SqliteTransaction<'_>) -> Result<R, E> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let inner = Arc::clone(&slot);
        let work: AloneWork = Box::new(move |transaction| {
            let result = work(transaction);
            let verdict = if result.is_ok() { Ok(()) } else { Err(StorageError::Aborted) };
            *inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            verdict
        });
        let committed = self.send(principal, JobWork::Alone(work)).await;
        let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        crate::storage::outcome(committed, result)
    }

    async fn send(&self, principal: &Principal, work: JobWork) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { principal: principal.clone(), work, reply };
        let jobs = self.jobs.as_ref().ok_or(StorageError::Closed)?;
        jobs.send(job).await.map_err(|_| StorageError::Closed)?;
        answer.await.unwrap_or(Err(StorageError::Closed))
    }
}

impl Drop for Worker {
    /// Waits until what was queued is written, so that the file is free when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It catches the panics of its transactions; there is nobody to tell of another.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Runs batches until the last handle is dropped.
fn serve(connection: &Connection, begin: &str, mut inbox: mpsc::Receiver<Job>) {
    let mut next = inbox.blocking_recv();
    while let Some(first) = next.take() {
        let mut batch = vec![first];
        // What gets the connection itself comes first in a batch of its own.
        while matches!(batch[0].work, JobWork::Shared(_)) && batch.len() < BATCH {
            match inbox.try_recv() {
                Ok(job) if matches!(job.work, JobWork::Shared(_)) => batch.push(job),
                Ok(job) => {
                    next = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        run_batch(connection, begin, batch);
        if next.is_none() {
            next = inbox.blocking_recv();
        }
    }
}

/// Runs some transactions under one commit, and answers each.
fn run_batch(connection: &Connection, begin: &str, batch: Vec<Job>) {
    let mut done = Vec::with_capacity(batch.len());
    let single = batch.len() == 1;
    if let Err(error) = execute(connection, begin) {
        let failure = Failure::from(error);
        for job in batch {
            let _ = job.reply.send(Err(failure.clone().into()));
        }
        return;
    }
    for job in batch {
        let result = if single {
            run(connection, &job.principal, job.work)
        } else {
            run_in_savepoint(connection, &job.principal, job.work)
        };
        done.push((job.reply, result));
    }
    let roll_back = single && done[0].1.is_err();
    let ended = if roll_back { Ok(()) } else { execute(connection, "commit") };
    if roll_back || ended.is_err() {
        // Some errors have ended the transaction already.
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "rollback")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
    let failure = ended.err().map(Failure::from);
    for (reply, result) in done {
        let result = match &failure {
            Some(failure) => result.and_then(|()| Err(failure.clone().into())),
            None => result,
        };
        // Whoever stopped waiting does not want to know.
        let _ = reply.send(result);
    }
}

fn run_in_savepoint(
    connection: &Connection,
    principal: &Principal,
    work: JobWork,
) -> Result<(), StorageError> {
    execute(connection, "savepoint job")?;
    let result = run(connection, principal, work);
    if result.is_err() {
        execute(connection, "rollback to job")?;
    }
    execute(connection, "release job")?;
    result
}

fn run(connection: &Connection, principal: &Principal, work: JobWork) -> Result<(), StorageError> {
    let mut transaction = SqliteTransaction::new(connection, principal);
    let called = catch_unwind(AssertUnwindSafe(|| match work {
        JobWork::Shared(work) => work(&mut transaction),
        JobWork::Alone(work) => work(&mut transaction),
    }));
    let result = called.unwrap_or(Err(StorageError::Panicked));
    if connection.is_autocommit() {
        return Err(result.err().unwrap_or(StorageError::Ended));
    }
    result
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}
