//! Whether a storage and its log still have their names while they are open.
//!
//! Somebody may move, delete or replace the file of a program that runs: a person who restores a backup, a tool that tidies up. Where
//! the system allows that, the program goes on with the files that it has open, and what it writes is in none that anybody finds again.
//! SQLite looks for it when it closes the file, and then leaves its log behind, beside whatever has the name now; the next one that
//! opens that plays the log into it. (<https://www.sqlite.org/howtocorrupt.html>, sections 1.4 and 2.4.)

use std::cell::{Cell, OnceCell};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::connection::sync_folder;
use super::location::Location;

/// How long nobody looks again: a look takes half as long as a short commit.
const PAUSE: Duration = Duration::from_millis(5);

/// A name, and the file that it led to when the storage was opened; `None`: nobody could tell.
#[derive(Debug, Clone)]
struct Name {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Name {
    fn of(path: PathBuf) -> Self {
        let file = file_behind(&path).ok();
        Self { path, file }
    }

    /// Whether it certainly leads to the same file.
    fn is_kept(&self) -> bool {
        self.file.is_some() && file_behind(&self.path).ok() == self.file
    }

    /// Whether it certainly does not.
    fn is_lost(&self) -> bool {
        self.file.is_some_and(|file| match file_behind(&self.path) {
            Ok(now) => now != file,
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        })
    }
}

/// What the system knows a file by, whatever its name.
#[cfg(unix)]
fn file_behind(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    // The name of a storage is free of links. One that stands there now leads to a place where its log is not.
    path.symlink_metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn file_behind(_: &Path) -> io::Result<(u64, u64)> {
    Ok((0, 0))
}

/// The files of an open storage.
#[derive(Debug, Clone)]
pub(super) struct Files {
    location: Location,
    file: Name,
    log: Name,
    /// What processes that have the file open share to find their way in the log.
    index: Name,
}

impl Files {
    /// Those that are open now.
    pub(super) fn of(location: &Location) -> Self {
        Self {
            file: Name::of(location.file.clone()),
            log: Name::of(location.beside("-wal")),
            index: Name::of(location.beside("-shm")),
            location: location.clone(),
        }
    }

    /// Whether another connection would find the same file and log.
    pub(super) fn are_found(&self) -> bool {
        self.file.is_kept() && self.log.is_kept()
    }

    /// Sees to it that nobody plays the log into a file that it does not belong to. Answers where that is which was written last.
    fn part(&self) -> String {
        if !self.file.is_lost() {
            return "its log is gone, and what was written last gets into the file when this program has closed it"
                .to_owned();
        }
        if !self.log.is_kept() {
            return "its log is gone from beside it, with what was written last".to_owned();
        }
        match self.keep_log() {
            Ok(kept) => format!(
                "what was written last is in its log, which is kept as {} and belongs to the file that had the name before",
                kept.display()
            ),
            Err(error) => format!(
                "its log {} could not be renamed ({error}) and does not belong to what has the name now, so move it away",
                self.log.path.display()
            ),
        }
    }

    /// Gives the log another name. Beside a file `app.db-moved-1`, it would be that one's.
    fn keep_log(&self) -> io::Result<PathBuf> {
        let name = |number: u32| self.location.beside(&format!("-moved-{number}-wal"));
        let mut number = 1;
        while name(number).symlink_metadata().is_ok() {
            number += 1;
        }
        let kept = name(number);
        fs::rename(&self.log.path, &kept)?;
        // It tells what is in that log.
        let removed = if self.index.is_kept() { fs::remove_file(&self.index.path) } else { Ok(()) };
        if let Err(error) = removed.and_then(|()| sync_folder(&kept)) {
            tracing::warn!(%error, log = %kept.display(), "a power cut may give the log its name back, or its index is left");
        }
        Ok(kept)
    }
}

/// Looks after the files of a storage that is open for writing.
#[derive(Debug)]
pub(super) struct Watch {
    files: Files,
    looked: Cell<Option<Instant>>,
    /// Why nothing more may be written.
    loss: OnceCell<String>,
}

impl Watch {
    pub(super) fn new(files: Files) -> Self {
        Self { files, looked: Cell::new(None), loss: OnceCell::new() }
    }

    /// Why nothing more may be written, if that was found out before.
    pub(super) fn loss(&self) -> Option<&str> {
        self.loss.get().map(String::as_str)
    }

    /// Looks whether the files are where they were, unless somebody has just done so.
    pub(super) fn look(&self) -> Option<&str> {
        let now = Instant::now();
        if self.looked.get().is_none_or(|before| now.duration_since(before) >= PAUSE) {
            self.looked.set(Some(now));
            return self.look_now();
        }
        self.loss()
    }

    /// Looks in any case.
    pub(super) fn look_now(&self) -> Option<&str> {
        if self.loss.get().is_none() && (self.files.file.is_lost() || self.files.log.is_lost()) {
            self.lose();
        }
        self.loss()
    }

    /// Looks a last time, when SQLite has closed the files: it has removed the log from beside a file that was still its own.
    pub(super) fn end(&self) {
        if self.loss.get().is_none() && self.files.file.is_lost() {
            self.lose();
        }
    }

    fn lose(&self) {
        let reason = self.loss.get_or_init(|| self.files.part());
        tracing::error!(
            file = %self.files.file.path.display(),
            %reason,
            "a storage was moved, deleted or replaced while it was open: nothing more is written"
        );
    }
}
