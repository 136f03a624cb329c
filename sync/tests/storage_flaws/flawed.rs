//! A storage with one flaw: what comes between a sound one and those who use it.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sync::record::{Principal, RecordRef};
use sync::storage::{MemoryStorage, Storage, StorageError, StorageLock, Work};

use crate::between::Between;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The storage as it is.
    None,
    KeepsFailedWork,
    KeepsWorkThatPanicked,
    KeepsReleasesOfFailedWork,
    KeepsTheIndexOfFailedWork,
    FailsWithAnother,
    HidesOwnWrites,
    HidesOwnIndexEntries,
    ReadsWhatWas,
    DropsWorkThatNobodyWaitsFor,
    ForgetsWhenClosed,
    IgnoresPrincipals,
    // Records.
    ForgetsEchoes,
    KeepsTheOldBase,
    KeepsEmptyRecords,
    FoldsCase,
    LosesLargePayloads,
    ListsIdsBackwards,
    CountsVersions,
    CountsOwnNumbersOnly,
    CountsPlacesAloneWhenReopened,
    // Lanes.
    SendsBackwards,
    ForgetsExcept,
    RoundsTimes,
    IgnoresTheHorizon,
    GivesOneMore,
    TellsTheLatestDueTime,
    TakesParkedForWaiting,
    ReleasesNobody,
    ReleasesToBeSentAtOnce,
    ReleaseForgetsReferences,
    RepeatsTheLastOfAPage,
    FindsQueuedAsParked,
    ListsWithoutTheBase,
    CountsTheOneAtThePlace,
    BeginsWithTheFirstChild,
    FindsParkedChildren,
    // The index.
    IgnoresConditions,
    TakesNothingForNoBound,
    TakesOneConditionOfEachField,
    TakesOneCondition,
    IgnoresPlaces,
    ListsWhatIsBased,
    EntersOnce,
    OrdersByText,
    TakesBoolsForNothing,
    RoundsNumbers,
    FindsNoRangeOfTexts,
    FindsNoPlaceAmongTexts,
    ClearsEveryIndex,
    LosesTheIndexWhenClosed,
    // The rest.
    HasOneCursor,
    HasOneNote,
    ForgetsNothingAside,
    TakesItemsWithoutAnIdForOne,
    KeepsTheOldestAside,
    HandsOutTwoLocks,
    LocksTheHandle,
    NeverGivesFree,
}

/// A handle of a storage.
#[derive(Debug)]
pub struct Flawed {
    flaw: Flaw,
    sound: MemoryStorage,
    /// One that only this handle has.
    own: MemoryStorage,
    state: Arc<Mutex<State>>,
}

/// What the flaws remember.
#[derive(Debug, Default)]
pub struct State {
    /// The last transaction has failed.
    failed: bool,
    /// What the notes were when they were last read.
    pub notes: HashMap<String, Option<String>>,
    /// Which records are in the index.
    pub entered: HashSet<RecordRef>,
    /// The greatest place that a record ever had.
    pub greatest_place: u64,
    /// The storage was opened before.
    pub is_reopened: bool,
}

impl Flawed {
    pub fn new(flaw: Flaw) -> Self {
        Self { flaw, sound: MemoryStorage::new(), own: MemoryStorage::new(), state: Arc::default() }
    }

    /// Another handle of the storage.
    pub fn beside(&self) -> Self {
        let (sound, state) = (self.sound.clone(), Arc::clone(&self.state));
        Self { flaw: self.flaw, sound, own: MemoryStorage::new(), state }
    }

    /// A handle of the storage, which was there before.
    pub fn reopened(&self) -> Self {
        self.state.lock().unwrap().is_reopened = true;
        self.beside()
    }
}

#[async_trait]
impl Storage for Flawed {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let everybody = Principal::default();
        let principal = if self.flaw == Flaw::IgnoresPrincipals { &everybody } else { principal };
        if self.flaw == Flaw::DropsWorkThatNobodyWaitsFor {
            tokio::task::yield_now().await;
        }
        let (flaw, state) = (self.flaw, Arc::clone(&self.state));
        // What the work came to, and what it did that is done again.
        let outcome = Arc::new(Mutex::new((Ok(()), Vec::new())));
        let tells = Arc::clone(&outcome);
        let flawed_work: Work = Box::new(move |tx| {
            let mut flawed = Between::new(tx, flaw, &state);
            let result = catch_unwind(AssertUnwindSafe(|| work(&mut flawed)));
            let steps = flawed.taken();
            if flaw == Flaw::HidesOwnIndexEntries {
                steps.iter().try_for_each(|step| step.take(tx))?;
            }
            let kept = match &result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) if flaw == Flaw::KeepsFailedWork => Ok(()),
                Err(_) if flaw == Flaw::KeepsWorkThatPanicked => Ok(()),
                Ok(Err(_)) | Err(_) => Err(StorageError::Aborted),
            };
            let told = result.unwrap_or(Err(StorageError::Panicked));
            *tells.lock().unwrap() = (told, steps);
            kept
        });
        let committed = self.sound.transact(principal, flawed_work).await;
        let (told, steps) = std::mem::replace(&mut *outcome.lock().unwrap(), (Ok(()), Vec::new()));
        let again = matches!(flaw, Flaw::KeepsReleasesOfFailedWork | Flaw::KeepsTheIndexOfFailedWork);
        if again && told.is_err() {
            let again: Work = Box::new(move |tx| steps.iter().try_for_each(|step| step.take(tx)));
            self.sound.transact(principal, again).await?;
        }
        let before = std::mem::replace(&mut self.state.lock().unwrap().failed, told.is_err());
        if before && flaw == Flaw::FailsWithAnother {
            return Err(StorageError::Closed);
        }
        told.and(committed)
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        match self.flaw {
            Flaw::HandsOutTwoLocks => Ok(StorageLock::new(())),
            Flaw::LocksTheHandle => self.own.lock(),
            Flaw::NeverGivesFree => {
                std::mem::forget(self.sound.lock()?);
                Ok(StorageLock::new(()))
            }
            _ => self.sound.lock(),
        }
    }
}
