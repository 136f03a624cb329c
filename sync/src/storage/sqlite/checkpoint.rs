//! Moving the log into the file, beside the writing.
//!
//! SQLite does that in the commit after which the log is long enough, which takes a hundred times as long as others. Here another
//! connection does it on a thread of its own, while commits go on; what they have added by then is little, and the writing
//! connection moves that. After it, the log begins anew. (<https://www.sqlite.org/wal.html>, section 2.2.)

use std::path::Path;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;

/// How often a thread moves what was added while it moved the rest: each time that is a fraction of it.
const ROUNDS: u32 = 4;

/// What is left to the writing connection: this part of a log that is long enough.
const REST: i32 = 16;

/// Has the log of a connection moved whenever it has so many pages; it gets at most twice as long, but for the transaction that makes
/// it too long. `other` opens another connection to the same file.
pub(super) fn beside(
    connection: &mut Connection,
    pages: i32,
    other: impl Fn() -> rusqlite::Result<Connection> + Clone + Send + 'static,
) -> rusqlite::Result<()> {
    let mut under_way = UnderWay(None);
    connection.wal_hook(Some(move |log: &mut Wal, length: i32| {
        if length >= pages {
            under_way.after_commit(log, length < pages.saturating_mul(2), || {
                let other = other.clone();
                let work = move || move_most(&other, pages);
                thread::Builder::new().name("sync-sqlite-log".to_owned()).spawn(work)
            });
        }
        // As with SQLite's own: when it fails, the next commit tries again, and nothing is lost but room.
        Ok(())
    }))
}

/// The thread that moves the log, if one does.
struct UnderWay(Option<JoinHandle<()>>);

impl UnderWay {
    fn after_commit(
        &mut self,
        log: &mut Wal,
        there_is_time: bool,
        start: impl FnOnce() -> std::io::Result<JoinHandle<()>>,
    ) {
        match self.0.take() {
            None => match start() {
                Ok(thread) => self.0 = Some(thread),
                Err(error) => {
                    tracing::debug!(%error, "no thread to move the log");
                    move_rest(log);
                }
            },
            Some(thread) if there_is_time && !thread.is_finished() => self.0 = Some(thread),
            Some(thread) => {
                wait_for(thread);
                move_rest(log);
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            wait_for(thread);
        }
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

/// What file a path leads to, where the system tells: another connection must not take a file that took its place for it, nor the
/// log for that one's.
#[cfg(unix)]
pub(super) fn identity(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
pub(super) fn identity(_: &Path) -> Option<(u64, u64)> {
    Some((0, 0))
}
