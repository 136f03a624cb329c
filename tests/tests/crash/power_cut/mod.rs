//! Power cuts: the story of a device is told once, on a disk that keeps a log; then the power is cut at many moments of it,
//! and each time what is left is opened, looked at, and synced.

mod diary;
mod story;
mod verdict;

pub use self::verdict::check_integrity;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sync::storage::Durability;
use tempfile::TempDir;

use self::verdict::Ruin;
use crate::vfs::cut::Syncs;

/// Stories are told by this many threads.
const THREADS: usize = 2;

/// A folder in memory where the system has one: only the log counts as a disk.
pub fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Tells stories with seeds from `first` on, and cuts each one's power; answers what was ruined, by seed and cut.
fn cut_power(stories: u64, cuts: u64, durability: Durability, syncs: Syncs) -> BTreeMap<(u64, u64), Ruin> {
    let ruins = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let ruins = &ruins;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for seed in (0..stories).skip(thread).step_by(THREADS) {
                    let story = runtime.block_on(story::tell(seed, durability));
                    for cut in 0..cuts {
                        let mut chance = StdRng::seed_from_u64(seed << 32 | cut);
                        let moment = chance.random_range(0..=story.events.len());
                        if let Err(ruin) = runtime.block_on(verdict::of(&story, moment, syncs, &mut chance)) {
                            ruins.lock().unwrap().insert((seed, cut), ruin);
                        }
                    }
                }
            });
        }
    });
    ruins.into_inner().unwrap()
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let ruins = cut_power(40, 50, Durability::Full, Syncs::Kept);
    assert!(ruins.is_empty(), "{} of 2000 cuts: {:#?}", ruins.len(), ruins.first_key_value());
}

#[test]
fn with_durability_normal_a_power_cut_takes_the_last_moments_and_leaves_the_file_whole() {
    let ruins = cut_power(8, 25, Durability::Normal, Syncs::Kept);
    assert!(ruins.values().any(|ruin| matches!(ruin, Ruin::Lost(_))), "the control finds what is lost");
    let corrupt = ruins.iter().find(|(_, ruin)| matches!(ruin, Ruin::Corrupt(_)));
    assert!(corrupt.is_none(), "{corrupt:#?}");
}

#[test]
fn a_disk_that_lies_about_syncs_ruins_the_file() {
    let ruins = cut_power(8, 25, Durability::Full, Syncs::Lies);
    assert!(ruins.values().any(|ruin| matches!(ruin, Ruin::Corrupt(_))), "the control finds a damaged file");
    assert!(ruins.values().any(|ruin| matches!(ruin, Ruin::Lost(_))), "and what is lost");
}
