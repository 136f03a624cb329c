//! The log of a folder, and the faults that were ordered for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::ffi;

use super::shim;

/// A file, whatever it is called: a name that is deleted and made again is another file.
pub type FileId = usize;

/// What SQLite did.
#[derive(Debug, Clone)]
pub enum Event {
    /// A file was there before the log began, or was put there past SQLite, which synced it: all of it is durable.
    Found { file: FileId, name: String, content: Vec<u8> },
    /// A file was made. Its name is durable once the file, or its folder, was synced.
    Made { file: FileId, name: String },
    /// Bytes were written.
    Written { file: FileId, offset: usize, bytes: Vec<u8> },
    /// The file was cut or extended to a length.
    Resized { file: FileId, length: usize },
    /// What was done to the file is durable.
    Synced { file: FileId },
    /// A name was removed; durably, if the folder was synced with it.
    Deleted { name: String, synced: bool },
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The step with this number fails, and the next one succeeds.
    Once(usize),
    /// All steps from this number on fail, until [`Disk::heal`].
    From(usize),
    /// No write finds room from the step with this number on; everything else works.
    FullFrom(usize),
    /// Nothing can be opened for writing.
    ReadOnly,
}

/// A step that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Make,
    Write,
    Resize,
    Sync,
    Delete,
}

impl Step {
    fn failure(self) -> i32 {
        match self {
            Self::Make => ffi::SQLITE_CANTOPEN,
            Self::Write => ffi::SQLITE_IOERR_WRITE,
            Self::Resize => ffi::SQLITE_IOERR_TRUNCATE,
            Self::Sync => ffi::SQLITE_IOERR_FSYNC,
            Self::Delete => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

/// A folder under watch, until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    folder: PathBuf,
    records: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    names: BTreeMap<String, FileId>,
    files: usize,
    steps: usize,
    trouble: Option<Trouble>,
}

static WATCHED: Mutex<Vec<(PathBuf, Weak<Watched>)>> = Mutex::new(Vec::new());

impl Disk {
    /// Watches the files directly in a folder, and keeps a log.
    pub fn watch(folder: &Path) -> Self {
        Self::begin(folder, true)
    }

    /// Watches without a log: syncs cost nothing, and faults can be ordered.
    pub fn watch_without_log(folder: &Path) -> Self {
        Self::begin(folder, false)
    }

    fn begin(folder: &Path, records: bool) -> Self {
        shim::install();
        let folder = folder.canonicalize().expect("the folder is there");
        let disk = Arc::new(Watched { folder: folder.clone(), records, state: Mutex::default() });
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|(_, disk)| disk.strong_count() > 0);
        watched.push((folder, Arc::downgrade(&disk)));
        Self(disk)
    }

    /// The disk that a file is on, and the file's name there.
    pub(super) fn of(path: &Path) -> Option<(Self, String)> {
        let name = path.file_name()?.to_str()?.to_owned();
        let folder = path.parent()?;
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, disk) = watched.iter().rev().find(|(watched, _)| watched == folder)?;
        Some((Self(disk.upgrade()?), name))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much happened so far: a moment, for [`cut::after`](super::cut::after).
    pub fn now(&self) -> usize {
        self.state().events.len()
    }

    /// What happened so far.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// How many steps were taken that could have failed.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// Orders a fault; steps are counted anew from here.
    pub fn order(&self, trouble: Trouble) {
        let mut state = self.state();
        state.steps = 0;
        state.trouble = Some(trouble);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().trouble = None;
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.state().trouble == Some(Trouble::ReadOnly)
    }

    /// Takes a step, or says how it fails.
    pub(super) fn attempt(&self, step: Step) -> Result<(), i32> {
        let mut state = self.state();
        let number = state.steps;
        state.steps += 1;
        match state.trouble {
            Some(Trouble::Once(at)) if at == number => Err(step.failure()),
            Some(Trouble::From(at)) if at <= number => Err(step.failure()),
            Some(Trouble::FullFrom(at)) if at <= number && step == Step::Write => Err(ffi::SQLITE_FULL),
            _ => Ok(()),
        }
    }

    /// SQLite opened a file, which was there before or not.
    pub(super) fn opened(&self, name: &str, was_there: bool) -> FileId {
        let mut state = self.state();
        if let Some(file) = state.names.get(name) {
            return *file;
        }
        let file = state.files;
        state.files += 1;
        state.names.insert(name.to_owned(), file);
        if self.0.records {
            let name = name.to_owned();
            state.events.push(if was_there {
                let content = std::fs::read(self.0.folder.join(&name)).expect("the file can be read");
                Event::Found { file, name, content }
            } else {
                Event::Made { file, name }
            });
        }
        file
    }

    pub(super) fn deleted(&self, name: &str, synced: bool) {
        self.state().names.remove(name);
        self.log(|| Event::Deleted { name: name.to_owned(), synced });
    }

    pub(super) fn log(&self, event: impl FnOnce() -> Event) {
        if self.0.records {
            self.state().events.push(event());
        }
    }
}
