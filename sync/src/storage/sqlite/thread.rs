//! The thread that owns the connection: it takes what waits, runs it in one SQLite transaction, commits once and answers
//! all (group commit).

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::SqliteTransaction;
use super::connection::PATIENCE;
use super::failure::Failures;
use super::file_lock::FileLock;
use super::header::Header;
use super::kept::{KeptStatements, Statements};
use super::live::Live;
use super::numbers::Numbers;
use super::pace::Pace;
use super::statements;
use super::watch::Watch;
use crate::record::Principal;
use crate::storage::{StorageError, Work};

/// How many transactions may wait before callers have to; bounds the memory of the queue.
pub(super) const WAITING: usize = 1024;

/// How many transactions share a commit at most, so that the first does not wait for ever.
const SHARED: usize = 256;

/// What runs on the connection, with the user's own statements among it.
pub(super) type OwnWork = Box<dyn FnOnce(&mut SqliteTransaction<'_>) -> Result<(), StorageError> + Send>;

pub(super) enum Task {
    /// Works through the trait only, and may share a commit.
    Shared(Work),
    /// Has the connection at hand, so it might end the transaction: it gets one that nobody else has a part in.
    Alone(OwnWork),
}

/// A transaction to run, and whom to tell.
pub(super) struct Job {
    pub(super) principal: Principal,
    pub(super) task: Task,
    pub(super) reply: oneshot::Sender<Result<(), StorageError>>,
}

impl Task {
    fn shares(&self) -> bool {
        matches!(self, Self::Shared(_))
    }
}

/// What became of a job, held back until the commit.
type Answer = (oneshot::Sender<Result<(), StorageError>>, Result<(), StorageError>);

pub(super) struct Worker {
    pub(super) connection: Connection,
    pub(super) failures: Failures,
    pub(super) numbers: Numbers,
    pub(super) live: Live,
    pub(super) read_only: bool,
    pub(super) pace: Pace,
    /// `None` for reading only.
    pub(super) watch: Option<Watch>,
    /// Held until the connection is closed; `None` for reading only. (Fields are dropped in this order.)
    pub(super) _file_lock: Option<FileLock>,
}

/// Waits for the thread when it is dropped, so that the file is closed and free then.
#[derive(Debug)]
pub(super) struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // Work may own the last handle; its thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A panic of the thread was reported when it happened, and everybody who waited was told.
                let _ = thread.join();
            }
        }
    }
}

impl Worker {
    /// Starts the thread; it ends when the last sender is gone and what it sent is done.
    pub(super) fn start(self) -> std::io::Result<(mpsc::Sender<Job>, Joined)> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread =
            thread::Builder::new().name("sync-sqlite".to_owned()).spawn(move || self.run(receiver))?;
        Ok((sender, Joined(Some(thread))))
    }

    fn run(self, jobs: mpsc::Receiver<Job>) {
        let statements = KeptStatements::new(&self.connection);
        Shift { worker: &self, statements, comes_soon: Cell::new(false) }.serve(jobs);
        let Self { connection, live, watch, _file_lock, .. } = self;
        // Nothing is written for reading only, nor to a file that nobody finds again.
        let Some(watch) = watch else { return };
        if watch.look_now().is_none()
            && let Err(error) = live.save(&connection)
        {
            tracing::debug!(%error, "the counts were not saved; they are counted when the file is opened again");
        }
        drop(connection);
        watch.end();
    }
}

/// The thread at work.
struct Shift<'w> {
    worker: &'w Worker,
    statements: KeptStatements<'w>,
    /// Whether the last job for which it looked a moment came in that time: then the next one may, too.
    comes_soon: Cell<bool>,
}

impl Shift<'_> {
    fn serve(&self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| self.receive(&mut jobs)) {
            let began = Instant::now();
            let mut batch = vec![first];
            while batch.len() < SHARED && batch[0].task.shares() {
                match jobs.try_recv() {
                    Ok(job) if job.task.shares() => batch.push(job),
                    Ok(job) => {
                        next = Some(job);
                        break;
                    }
                    Err(_) => break,
                }
            }
            let answers = self.run_batch(batch);
            self.worker.pace.took(began.elapsed());
            tell(answers);
        }
    }

    /// Waits for the next job; `None` when there will be none.
    fn receive(&self, jobs: &mut mpsc::Receiver<Job>) -> Option<Job> {
        match jobs.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if self.worker.pace.is_short() {
            if self.comes_soon.get() {
                self.begin_ahead();
            }
            let job = Pace::linger(jobs);
            self.comes_soon.set(job.is_some());
            if job.is_some() {
                return job;
            }
            // Others may write the file.
            self.roll_back();
        }
        jobs.blocking_recv()
    }

    /// Opens the next transaction while whoever was answered makes up the next work: that takes a fourth of a short commit.
    fn begin_ahead(&self) {
        if self.worker.read_only {
            return;
        }
        // Nobody asked for it, so nobody is to wait until another program has written.
        let begun = self
            .worker
            .connection
            .busy_timeout(Duration::ZERO)
            .and_then(|()| self.execute(statements::BEGIN));
        if let Err(error) = begun.and(self.worker.connection.busy_timeout(PATIENCE)) {
            // The next job begins by itself, or is told why it cannot.
            tracing::debug!(%error, "a transaction could not be opened ahead");
        }
    }

    /// Runs jobs in one transaction. A failure of one undoes that one, unless SQLite had to undo everything.
    fn run_batch(&self, batch: Vec<Job>) -> Vec<Answer> {
        let Worker { connection, failures, live, .. } = self.worker;
        let apart = batch.len() > 1 || batch.iter().any(|job| !job.task.shares());
        let mut answers = Vec::with_capacity(batch.len());
        let mut refused = false;
        for Job { principal, task, reply } in batch {
            let result = if refused {
                // One has waited in vain for another program; nobody waits once more.
                Err(failures.why_it_ended())
            } else {
                let begun = self.begin();
                refused = begun.is_err();
                begun.and_then(|()| match task {
                    Task::Shared(_) => self.attempt(&principal, task, apart).1,
                    Task::Alone(_) => self.attempt_alone(&principal, task),
                })
            };
            answers.push((reply, result));
            if connection.is_autocommit() {
                // What ran before was undone as well; what comes next begins anew.
                self.fail_all(&mut answers);
                tell(std::mem::take(&mut answers));
            }
        }
        if !connection.is_autocommit() {
            if self.commit().is_ok() {
                live.keep();
            } else {
                self.undo();
                self.fail_all(&mut answers);
            }
        }
        answers
    }

    /// Commits, if anybody will find what is committed.
    fn commit(&self) -> Result<(), StorageError> {
        let Worker { failures, watch, .. } = self.worker;
        if let Some(reason) = watch.as_ref().and_then(Watch::look) {
            return Err(failures.note_move(reason));
        }
        self.execute(statements::COMMIT).map_err(|error| failures.note(error))
    }

    /// Opens a transaction, unless one is open.
    fn begin(&self) -> Result<(), StorageError> {
        let Worker { connection, failures, live, read_only, watch, .. } = self.worker;
        failures.forget();
        if let Some(reason) = watch.as_ref().and_then(Watch::loss) {
            self.undo();
            return Err(failures.note_move(reason));
        }
        let begin = || {
            if connection.is_autocommit() {
                self.execute(if *read_only { statements::BEGIN_READING } else { statements::BEGIN })?;
                if *read_only {
                    live.refresh(connection)?;
                }
            }
            live.settle_doubt(connection)
        };
        begin().map_err(|error| {
            self.undo();
            failures.note(error)
        })
    }

    /// Runs a job that has the connection at hand. What it does to the header of the file is undone, by itself if need be.
    fn attempt_alone(&self, principal: &Principal, task: Task) -> Result<(), StorageError> {
        let Worker { connection, failures, live, .. } = self.worker;
        let failed = |error| {
            self.undo();
            failures.note(error)
        };
        let header = Header::read(connection).map_err(failed)?;
        let (is_whole, result) = self.attempt(principal, task, true);
        if !is_whole {
            // Somebody ended a transaction that was not theirs.
            live.doubt();
            self.put_back(header);
            return result;
        }
        result?;
        let Some(pragma) = header.set_since(connection).map_err(failed)? else { return Ok(()) };
        self.undo();
        Err(failures.reserved(pragma))
    }

    /// Sees to it that the file can be opened again, whatever somebody has committed.
    fn put_back(&self, header: Header) {
        if self.worker.read_only {
            return;
        }
        match header.put_back(&self.worker.connection) {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                "a transaction that ended itself had set `user_version` or `application_id`, by which the file is known: they were put back"
            ),
            Err(error) => tracing::error!(
                %error,
                ?header,
                "a transaction that ended itself has set `user_version` or `application_id`: set them back to these before the file is opened again"
            ),
        }
    }

    /// Runs one job in the transaction that is open. `apart`: behind a savepoint. Answers besides whether the transaction is still the
    /// one that it began in.
    fn attempt(&self, principal: &Principal, task: Task, apart: bool) -> (bool, Result<(), StorageError>) {
        let Worker { failures, live, numbers, .. } = self.worker;
        if apart && let Err(error) = self.execute(statements::SAVEPOINT) {
            self.undo();
            return (true, Err(failures.note(error)));
        }
        let (shares, mark) = (task.shares(), live.mark());
        let result = self.guarded(principal, task);
        if result.is_err() || !shares {
            numbers.forget();
        }
        self.finish(result, apart, mark)
    }

    /// Keeps or undoes what a job did, and answers as [`attempt`](Self::attempt).
    fn finish(
        &self,
        result: Result<(), StorageError>,
        apart: bool,
        mark: usize,
    ) -> (bool, Result<(), StorageError>) {
        if self.worker.connection.is_autocommit() {
            self.undo();
            return (false, result.and_then(|()| Err(self.worker.failures.why_it_ended())));
        }
        match (&result, apart) {
            (Ok(()), false) => {}
            (Err(_), false) => self.undo(),
            (Ok(()), true) => {
                if self.execute(statements::RELEASE_SAVEPOINT).is_err() {
                    // The savepoint is gone, so the transaction is another one than that which began.
                    self.undo();
                    return (false, Err(StorageError::Ended));
                }
            }
            (Err(_), true) => {
                self.worker.live.undo_to(mark);
                let undone = self
                    .execute(statements::ROLLBACK_TO_SAVEPOINT)
                    .and_then(|()| self.execute(statements::RELEASE_SAVEPOINT));
                if undone.is_err() {
                    self.undo();
                    return (false, result);
                }
            }
        }
        (true, result)
    }

    /// Runs work, and makes an error of a panic.
    fn guarded(&self, principal: &Principal, task: Task) -> Result<(), StorageError> {
        let Worker { connection, failures, numbers, live, .. } = self.worker;
        let mut transaction =
            SqliteTransaction::new(connection, &self.statements, principal, failures, numbers, live);
        // Whatever the work was about to write is rolled back, so nothing half done is seen.
        catch_unwind(AssertUnwindSafe(|| match task {
            Task::Shared(work) => work(&mut transaction),
            Task::Alone(work) => transaction.run_alone(work),
        }))
        .unwrap_or(Err(StorageError::Panicked))
    }

    fn execute(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.statements.with(sql, &mut |statement| statement.execute([]).map(drop))
    }

    /// Leaves no transaction open, and nothing remembered of it.
    fn undo(&self) {
        self.worker.numbers.forget();
        self.worker.live.undo_to(0);
        self.roll_back();
    }

    fn roll_back(&self) {
        if !self.worker.connection.is_autocommit()
            && let Err(error) = self.execute(statements::ROLLBACK)
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }

    /// Those that went well have to hear that it was in vain.
    fn fail_all(&self, answers: &mut [Answer]) {
        for (_, result) in answers.iter_mut().filter(|(_, result)| result.is_ok()) {
            *result = Err(self.worker.failures.why_it_ended());
        }
    }
}

fn tell(answers: Vec<Answer>) {
    for (reply, result) in answers {
        // Whoever stopped waiting does not want to know.
        let _ = reply.send(result);
    }
}
