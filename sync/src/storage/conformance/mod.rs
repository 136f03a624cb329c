//! What every storage has to do, as tests that any adapter can run.
//!
//! The macro [`storage::conformance!`](macro@crate::storage::conformance) makes a module of `#[test]` functions, one for each
//! behaviour in here. Nothing but the traits of [`storage`](crate::storage) is used, so an adapter that passes can stand in
//! for those of this crate.

#![allow(clippy::missing_panics_doc, reason = "these are tests: a panic is how they fail")]

mod atomicity;
mod index;
mod lanes;
mod metadata;
mod ownership;
mod records;
mod samples;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;
use uuid::Uuid;

pub use self::atomicity::*;
pub use self::index::*;
pub use self::lanes::*;
pub use self::metadata::*;
pub use self::ownership::*;
pub use self::records::*;
use super::{Storage, StorageError, Transaction};
use crate::record::Principal;

/// Makes a module of tests that run the whole conformance suite on a storage.
///
/// The first form takes the module's name and an expression that makes a new, empty storage:
///
/// ```
/// # use sync::MemoryStorage;
/// sync::storage::conformance!(memory, MemoryStorage::new());
/// ```
///
/// The second form is for a storage that outlives its handle. It takes the storage in a folder of the test's own, is asked
/// again after everything was dropped, and also tests that nothing is lost in between:
///
/// ```
/// # #[cfg(feature = "sqlite")] mod tests {
/// # use sync::SqliteStorage;
/// sync::storage::conformance!(sqlite, |folder| SqliteStorage::open(folder.join("app.db")).unwrap());
/// # }
/// ```
///
/// An adapter of your own is tested in the same way, in a file such as `tests/storage_conformance.rs`:
///
/// ```
/// # type MyStorage = sync::MemoryStorage;
/// # fn connect() -> MyStorage { MyStorage::new() }
/// sync::storage::conformance!(my_storage, connect());
/// ```
///
/// The tests need no attributes and no runtime of yours.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage_conformance {
    ($name:ident, |$folder:ident| $open:expr $(,)?) => {
        $crate::__storage_conformance!(@tests $name, {
            $crate::storage::conformance::Subject::in_folder(|$folder: &::std::path::Path| $open)
        });
    };
    ($name:ident, $fresh:expr $(,)?) => {
        $crate::__storage_conformance!(@tests $name, {
            $crate::storage::conformance::Subject::fresh($fresh)
        });
    };
    (@tests $name:ident, $subject:block) => {
        $crate::__storage_conformance! {
            @each $name, $subject,
            // atomicity
            work_that_fails_leaves_nothing
            work_that_panics_leaves_nothing
            a_failure_undoes_no_other_transaction
            a_transaction_sees_its_own_writes
            concurrent_transactions_run_one_after_the_other
            work_runs_though_the_caller_stops_waiting
            what_was_answered_is_there_after_reopening
            releasing_and_forgetting_are_taken_back
            // records
            a_record_comes_back_as_it_was_put
            putting_again_replaces_the_record
            an_empty_record_removes_the_row
            odd_names_are_told_apart
            large_payloads_come_back_whole
            principals_see_only_their_own
            principals_list_only_their_own
            records_with_a_base_are_listed_by_id
            only_bases_with_a_value_are_counted
            the_greatest_number_is_that_of_every_principal
            // lanes
            ready_records_come_in_the_order_of_their_edits
            excepted_records_are_left_out
            waiting_records_come_when_their_time_has
            a_time_beyond_the_horizon_counts_as_come
            the_limit_holds_over_both_lanes
            the_next_due_time_is_the_earliest
            the_oldest_that_waits_is_found_behind_those_that_are_parked
            blocked_records_come_once_they_are_released
            a_released_record_still_waits_for_its_time
            pending_records_are_listed_in_pages
            parked_records_are_listed_in_pages
            a_parked_record_is_found_by_its_operation
            a_listed_record_is_whole
            an_earlier_child_is_found
            earlier_children_are_found_one_after_the_other
            a_child_that_waits_no_longer_is_not_found
            a_released_child_is_still_found
            counts_follow_every_change
            // index
            records_are_found_by_a_fields_value
            nothing_is_in_no_range
            conditions_are_combined
            conditions_on_one_field_are_combined
            a_search_goes_on_after_a_place
            a_search_without_an_order_goes_on_after_an_id
            every_record_is_listed_by_id
            entering_again_moves_a_record
            values_keep_their_order
            a_transaction_finds_what_it_entered
            a_failure_leaves_the_index_as_it_was
            a_cleared_index_comes_back_with_a_failure
            indexes_are_kept_apart
            the_index_is_there_after_reopening
            // metadata
            cursors_are_kept_for_each_entity
            notes_are_kept_by_name
            items_are_kept_aside_until_forgotten
            an_item_without_an_id_is_told_apart_by_its_text
            of_items_without_an_id_the_newest_are_kept
            // ownership
            a_second_engine_is_refused
            a_second_handle_is_refused
            a_lock_is_free_once_it_was_dropped
            a_lock_of_a_reopened_storage_is_free
        }
    };
    (@each $name:ident, $subject:block, $($behaviour:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $behaviour() {
                    $crate::storage::conformance::$behaviour(&$subject);
                }
            )*
        }
    };
}

/// A storage under test, and how to come by it.
pub struct Subject {
    source: Source,
    folder: Folder,
}

enum Source {
    /// It ends with its handle.
    Once(Arc<dyn Storage>),
    /// It can be opened again in the test's folder.
    Folder(Opener),
}

type Opener = Box<dyn Fn(&Path) -> Arc<dyn Storage>>;

impl Subject {
    /// A storage that ends with its handle.
    pub fn fresh(storage: impl Storage) -> Self {
        Self { source: Source::Once(Arc::new(storage)), folder: Folder::new() }
    }

    /// A storage that can be opened again, in a folder that is empty at first.
    pub fn in_folder<S: Storage>(open: impl Fn(&Path) -> S + 'static) -> Self {
        let open: Opener = Box::new(move |folder| Arc::new(open(folder)));
        Self { source: Source::Folder(open), folder: Folder::new() }
    }

    /// Opens it for the first time.
    fn open(&self) -> Opened {
        Opened::new(match &self.source {
            Source::Once(storage) => Arc::clone(storage),
            Source::Folder(open) => open(&self.folder.0),
        })
    }

    /// Opens it beside the handle that there is; `None` when that is the only way to it, or when it cannot be opened twice,
    /// which is also a way to have one engine at a time.
    fn open_beside(&self) -> Option<Opened> {
        match &self.source {
            Source::Once(_) => None,
            Source::Folder(open) => {
                catch_unwind(AssertUnwindSafe(|| open(&self.folder.0))).ok().map(Opened::new)
            }
        }
    }

    /// Opens it again, when everything was dropped; `None` when it ended with its handle.
    fn reopen(&self) -> Option<Opened> {
        match &self.source {
            Source::Once(_) => None,
            Source::Folder(open) => Some(Opened::new(open(&self.folder.0))),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("folder", &self.folder.0).finish_non_exhaustive()
    }
}

/// A folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sync-conformance-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("the system's folder for temporary files can be written");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays does no harm, and the test has its result already.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An open storage, and a runtime to ask it on.
struct Opened {
    storage: Arc<dyn Storage>,
    runtime: Runtime,
}

impl Opened {
    fn new(storage: Arc<dyn Storage>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self { storage, runtime: runtime.expect("a runtime can be made") }
    }

    /// Another way to the same storage, with a runtime of its own.
    fn share(&self) -> Self {
        Self::new(Arc::clone(&self.storage))
    }

    /// Runs a closure in a transaction of the principal without a name, and expects it to succeed.
    fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
    ) -> R {
        self.run_as(&Principal::default(), work)
    }

    fn run_as<R: Send + 'static>(
        &self,
        principal: &Principal,
        work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
    ) -> R {
        self.try_run(principal, work).expect("the transaction succeeds")
    }

    fn try_run<R: Send + 'static>(
        &self,
        principal: &Principal,
        work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        self.runtime.block_on(super::transact(&*self.storage, principal, work))
    }
}
