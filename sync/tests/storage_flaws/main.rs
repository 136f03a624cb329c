//! The conformance suite for storages finds what is wrong with one: each behaviour is broken by a storage with one flaw.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "these are tests")]

mod between;
mod flawed;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sync::storage::conformance::{self, Subject};

use flawed::{Flaw, Flawed};

macro_rules! broken_by {
    ($($behaviour:ident $flaw:ident)*) => {
        /// Each behaviour, and a flaw that breaks it; one behaviour after the other, some with several flaws.
        const BEHAVIOURS: &[(&str, fn(&Subject), Flaw)] =
            &[$((stringify!($behaviour), conformance::$behaviour, Flaw::$flaw),)*];
    };
}

broken_by! {
    work_that_fails_leaves_nothing KeepsFailedWork
    work_that_panics_leaves_nothing KeepsWorkThatPanicked
    a_failure_undoes_no_other_transaction FailsWithAnother
    a_transaction_sees_its_own_writes HidesOwnWrites
    concurrent_transactions_run_one_after_the_other ReadsWhatWas
    work_runs_though_the_caller_stops_waiting DropsWorkThatNobodyWaitsFor
    what_was_answered_is_there_after_reopening ForgetsWhenClosed
    releasing_and_forgetting_are_taken_back KeepsReleasesOfFailedWork
    a_record_comes_back_as_it_was_put ForgetsEchoes
    putting_again_replaces_the_record KeepsTheOldBase
    an_empty_record_removes_the_row KeepsEmptyRecords
    odd_names_are_told_apart FoldsCase
    large_payloads_come_back_whole LosesLargePayloads
    principals_see_only_their_own IgnoresPrincipals
    principals_list_only_their_own IgnoresPrincipals
    records_with_a_base_are_listed_by_id ListsIdsBackwards
    only_bases_with_a_value_are_counted CountsVersions
    the_greatest_number_is_that_of_every_principal CountsOwnNumbersOnly
    the_greatest_number_is_that_of_every_principal CountsPlacesAloneWhenReopened
    ready_records_come_in_the_order_of_their_edits SendsBackwards
    excepted_records_are_left_out ForgetsExcept
    waiting_records_come_when_their_time_has RoundsTimes
    a_time_beyond_the_horizon_counts_as_come IgnoresTheHorizon
    the_limit_holds_over_both_lanes GivesOneMore
    the_next_due_time_is_the_earliest TellsTheLatestDueTime
    the_oldest_that_waits_is_found_behind_those_that_are_parked TakesParkedForWaiting
    blocked_records_come_once_they_are_released ReleasesNobody
    a_released_record_still_waits_for_its_time ReleasesToBeSentAtOnce
    pending_records_are_listed_in_pages RepeatsTheLastOfAPage
    parked_records_are_listed_in_pages RepeatsTheLastOfAPage
    a_parked_record_is_found_by_its_operation FindsQueuedAsParked
    a_listed_record_is_whole ListsWithoutTheBase
    an_earlier_child_is_found CountsTheOneAtThePlace
    earlier_children_are_found_one_after_the_other BeginsWithTheFirstChild
    a_child_that_waits_no_longer_is_not_found FindsParkedChildren
    a_released_child_is_still_found ReleaseForgetsReferences
    counts_follow_every_change TakesParkedForWaiting
    records_are_found_by_a_fields_value IgnoresConditions
    records_are_found_by_a_fields_value FindsNoRangeOfTexts
    nothing_is_in_no_range TakesNothingForNoBound
    conditions_are_combined TakesOneCondition
    conditions_on_one_field_are_combined TakesOneConditionOfEachField
    a_search_goes_on_after_a_place IgnoresPlaces
    a_search_goes_on_after_a_place FindsNoPlaceAmongTexts
    a_search_without_an_order_goes_on_after_an_id IgnoresPlaces
    every_record_is_listed_by_id ListsWhatIsBased
    entering_again_moves_a_record EntersOnce
    values_keep_their_order OrdersByText
    values_keep_their_order TakesBoolsForNothing
    values_keep_their_order RoundsNumbers
    a_transaction_finds_what_it_entered HidesOwnIndexEntries
    a_failure_leaves_the_index_as_it_was KeepsTheIndexOfFailedWork
    a_cleared_index_comes_back_with_a_failure KeepsTheIndexOfFailedWork
    indexes_are_kept_apart ClearsEveryIndex
    the_index_is_there_after_reopening LosesTheIndexWhenClosed
    cursors_are_kept_for_each_entity HasOneCursor
    notes_are_kept_by_name HasOneNote
    items_are_kept_aside_until_forgotten ForgetsNothingAside
    an_item_without_an_id_is_told_apart_by_its_text TakesItemsWithoutAnIdForOne
    of_items_without_an_id_the_newest_are_kept KeepsTheOldestAside
    a_second_engine_is_refused HandsOutTwoLocks
    a_second_handle_is_refused LocksTheHandle
    a_lock_is_free_once_it_was_dropped NeverGivesFree
    a_lock_of_a_reopened_storage_is_free NeverGivesFree
}

/// A storage with such a flaw, of which several handles can be had at once, and which is there still when it is opened again.
fn subject(flaw: Flaw) -> Subject {
    let storages = Mutex::new(HashMap::<PathBuf, Flawed>::new());
    Subject::in_folder(move |folder| {
        if flaw == Flaw::ForgetsWhenClosed {
            return Flawed::new(flaw);
        }
        let mut storages = storages.lock().unwrap_or_else(PoisonError::into_inner);
        match storages.entry(folder.to_owned()) {
            Entry::Vacant(new) => new.insert(Flawed::new(flaw)).beside(),
            Entry::Occupied(there) => there.get().reopened(),
        }
    })
}

/// So what is found is the flaw, and not what it comes with.
#[test]
fn a_storage_without_a_flaw_passes() {
    for (_, behaviour, _) in BEHAVIOURS {
        behaviour(&subject(Flaw::None));
    }
}

#[test]
fn a_storage_that_does_not_do_what_it_has_to_is_seen_not_to() {
    let passes =
        |behaviour: fn(&Subject), flaw| catch_unwind(AssertUnwindSafe(|| behaviour(&subject(flaw)))).is_ok();
    let missed: Vec<_> = BEHAVIOURS.iter().filter(|(_, behaviour, flaw)| passes(*behaviour, *flaw)).collect();
    let missed: Vec<_> = missed.into_iter().map(|(name, _, flaw)| (name, flaw)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn every_behaviour_is_broken_by_a_flaw() {
    let suite = include_str!("../../src/storage/conformance/mod.rs");
    let (_, suite) = suite.split_once("// atomicity").unwrap();
    let (suite, _) = suite.split_once('}').unwrap();
    let names: Vec<_> =
        suite.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
    let mut tried: Vec<_> = BEHAVIOURS.iter().map(|(name, ..)| *name).collect();
    tried.dedup();
    assert_eq!(tried, names);
}
