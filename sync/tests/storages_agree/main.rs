//! Whatever is done to them, both storages of this crate tell the same: work that fails or panics is none, and a file is as it was when it
//! is opened again, also after a crash.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod look;
mod samples;
mod steps;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sync::record::Principal;
use sync::storage::{Durability, MemoryStorage, SqliteStorage, Storage, StorageError, Transaction};
use tempfile::TempDir;

use look::look;
use steps::{NUMBERS, Step, step};

/// What happens to a storage.
#[derive(Debug, Clone)]
enum Event {
    Transact {
        principal: usize,
        steps: Vec<Step>,
        end: End,
    },
    /// The file is closed and opened again.
    Reopen,
    /// The program is killed, and the file opened as it was then.
    Crash,
}

/// How the work of a transaction ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Done,
    Fails,
    Panics,
}

const PRINCIPALS: [&str; 2] = ["", "anna"];

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![7 => Just(End::Done), 2 => Just(End::Fails), 1 => Just(End::Panics)];
    let principal = prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    let transact = (principal, vec(step(), 1..5), end).prop_map(|(principal, steps, end)| Event::Transact {
        principal,
        steps,
        end,
    });
    prop_oneof![18 => transact, 1 => Just(Event::Reopen), 1 => Just(Event::Crash)]
}

/// Both storages, to which the same happens.
struct Both {
    memory: MemoryStorage,
    /// `None` while the file is closed.
    sqlite: Option<SqliteStorage>,
    file: PathBuf,
    folder: TempDir,
    /// Greater than that of any operation.
    next_number: u64,
}

impl Both {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.db");
        Self { memory: MemoryStorage::new(), sqlite: Some(open(&file)), file, folder, next_number: 1 }
    }

    fn meet(&mut self, event: Event) {
        match event {
            Event::Transact { principal, steps, end } => {
                let first = self.next_number;
                self.next_number += NUMBERS * u64::try_from(steps.len()).unwrap();
                let work = move |tx: &mut dyn Transaction| {
                    let numbers = (first..).step_by(usize::try_from(NUMBERS).unwrap());
                    let told = steps.iter().zip(numbers).map(|(step, number)| step.take(number, tx));
                    let told = told.collect::<Result<Vec<_>, _>>()?;
                    match end {
                        End::Done => Ok(told),
                        End::Fails => Err(StorageError::Aborted),
                        End::Panics => std::panic::resume_unwind(Box::new("on purpose")),
                    }
                };
                self.agree(principal, work);
            }
            Event::Reopen => {
                self.sqlite = None;
                self.sqlite = Some(open(&self.file));
            }
            Event::Crash => {
                let killed = self.folder.path().join(format!("{}.db", self.next_number));
                self.next_number += 1;
                for ending in ["", "-wal"] {
                    let name = |base: &Path| format!("{}{ending}", base.display());
                    fs::copy(name(&self.file), name(&killed)).unwrap();
                }
                self.sqlite = Some(open(&killed));
                self.file = killed;
            }
        }
        for principal in 0..PRINCIPALS.len() {
            self.agree(principal, look);
        }
    }

    /// Runs the same work on both.
    fn agree<R>(
        &self,
        principal: usize,
        work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Clone + Send + 'static,
    ) where
        R: PartialEq + std::fmt::Debug + Send + 'static,
    {
        let principal = Principal::new(PRINCIPALS[principal]);
        let in_memory = run(&self.memory, &principal, work.clone());
        let in_file = run(self.sqlite.as_ref().unwrap(), &principal, work);
        assert_eq!(in_file, in_memory, "as {principal}");
    }
}

fn open(file: &Path) -> SqliteStorage {
    SqliteStorage::builder(file).durability(Durability::Normal).open().unwrap()
}

/// What the work came to; an error as its words.
fn run<R: Send + 'static>(
    storage: &dyn Storage,
    principal: &Principal,
    work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
) -> Result<R, String> {
    let slot = Arc::new(Mutex::new(None));
    let told = Arc::clone(&slot);
    let work = Box::new(move |tx: &mut dyn Transaction| {
        *told.lock().unwrap() = Some(work(tx)?);
        Ok(())
    });
    block_on(storage.transact(principal, work)).map_err(|error| error.to_string())?;
    Ok(slot.lock().unwrap().take().unwrap())
}

proptest! {
    // The same histories each time, so that what fails can be played again.
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_storages_tell_the_same(events in vec(event(), 1..40)) {
        let mut both = Both::new();
        for event in events {
            both.meet(event);
        }
    }
}
