//! Moving the log into the file, beside the writing.
//!
//! SQLite does that in the commit after which the log is long enough, which takes a hundred times as long as others. Here another
//! connection does it on a thread of its own, while commits go on; what they have added by then is little, and the writing
//! connection moves that. After it, the log begins anew. (<https://www.sqlite.org/wal.html>, section 2.2.)

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;

/// How often a thread moves what was added while it moved the rest: each time that is a fraction of it.
const ROUNDS: u32 = 4;

/// What is left to the writing connection: this part of a log that is long enough.
const REST: i32 = 16;

/// By how many pages the log has grown at least before it is tried again to move what a reader holds back.
const SOME: i32 = 16;

/// Has the log of a connection moved whenever it has so many pages; it gets at most twice as long, but for the transaction that makes
/// it too long and for what a reader holds back. `other` opens another connection to the same file.
pub(super) fn beside(
    connection: &mut Connection,
    pages: i32,
    other: impl Fn() -> rusqlite::Result<Connection> + Clone + Send + 'static,
) -> rusqlite::Result<()> {
    let mut mover = Mover { pages, length: 0, next: pages, thread: None };
    connection.wal_hook(Some(move |log: &mut Wal, length: i32| {
        // A database of the user's may be attached; that is moved as SQLite does it.
        if log.name() == c"main" {
            mover.after_commit(log, length, &other);
        } else if length >= pages {
            move_rest(log);
        }
        // As with SQLite's own: when it fails, a later commit tries again, and nothing is lost but room.
        Ok(())
    }))
}

struct Mover {
    pages: i32,
    /// How long the log was after the last commit.
    length: i32,
    /// How long the log is when it is moved next.
    next: i32,
    /// What moves it, if anything does.
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    fn after_commit<O>(&mut self, log: &mut Wal, length: i32, other: &O)
    where
        O: Fn() -> rusqlite::Result<Connection> + Clone + Send + 'static,
    {
        // Each commit makes it longer, but for the one with which it begins anew.
        if length <= self.length {
            self.next = self.pages;
        }
        self.length = length;
        if length < self.pages {
            if let Some(finished) = self.thread.take_if(|thread| thread.is_finished()) {
                wait_for(finished);
            }
            return;
        }
        if length < self.next {
            return;
        }
        let latest = self.next.saturating_add(self.pages);
        match self.thread.take() {
            Some(thread) if length < latest && !thread.is_finished() => self.thread = Some(thread),
            None if length < latest => {
                let (other, pages) = (other.clone(), self.pages);
                let work = move || move_most(&other, pages);
                match thread::Builder::new().name("sync-sqlite-log".to_owned()).spawn(work) {
                    Ok(thread) => self.thread = Some(thread),
                    Err(error) => {
                        tracing::debug!(%error, "no thread to move the log");
                        self.finish(log, length);
                    }
                }
            }
            thread => {
                thread.into_iter().for_each(wait_for);
                self.finish(log, length);
            }
        }
    }

    /// After this the log begins anew, unless a reader holds it back.
    fn finish(&mut self, log: &mut Wal, length: i32) {
        move_rest(log);
        self.next = length.saturating_add((self.pages / REST).max(SOME));
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.thread.take().into_iter().for_each(wait_for);
    }
}

fn wait_for(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::warn!("the thread that moves the log panicked");
    }
}

/// What the thread does.
fn move_most(other: &impl Fn() -> rusqlite::Result<Connection>, pages: i32) {
    let moved = other().and_then(|connection| {
        let mut before = 0;
        for _ in 0..ROUNDS {
            let (length, moved) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
            // A reader holds the rest back, or it is little.
            if moved < length || length - before <= pages / REST {
                break;
            }
            before = moved;
        }
        Ok(())
    });
    if let Err(error) = moved {
        tracing::debug!(%error, "the log was not moved beside the writing");
    }
}

fn move_rest(log: &mut Wal) {
    if let Err(error) = log.checkpoint() {
        tracing::debug!(%error, "the log was not moved");
    }
}
