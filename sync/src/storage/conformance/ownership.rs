//! One engine at a time.

use super::Subject;
use super::samples::{note, ready};
use crate::storage::StorageError;

/// While one engine has the storage, another is told so, and the first is not disturbed.
pub fn a_second_engine_is_refused(subject: &Subject) {
    let opened = subject.open();
    let lock = opened.storage.lock().expect("nobody has it");
    let second = opened.storage.lock();
    assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
    opened.run(|tx| tx.put(&note("a"), &ready(1)));
    drop(lock);
}

/// A lock is one of the storage, not of the handle that was asked for it: another program has a handle of its own.
pub fn a_second_handle_is_refused(subject: &Subject) {
    let opened = subject.open();
    let lock = opened.storage.lock().expect("nobody has it");
    let Some(beside) = subject.open_beside() else { return };
    let second = beside.storage.lock();
    assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
    opened.run(|tx| tx.put(&note("a"), &ready(1)));
    drop(beside);
    let Some(third) = subject.open_beside() else { return };
    assert!(third.storage.lock().is_err(), "the handle that was refused gave nothing free");
    drop(lock);
    let free = third.storage.lock();
    assert!(free.is_ok(), "{free:?}");
}

/// Dropping the lock gives the storage free; a refused engine does not.
pub fn a_lock_is_free_once_it_was_dropped(subject: &Subject) {
    let opened = subject.open();
    let lock = opened.storage.lock().expect("nobody has it");
    drop(opened.storage.lock());
    assert!(opened.storage.lock().is_err(), "the first engine still has it");
    drop(lock);
    let again = opened.storage.lock();
    assert!(again.is_ok(), "{again:?}");
}

/// Nothing of a lock outlives the storage that was opened.
pub fn a_lock_of_a_reopened_storage_is_free(subject: &Subject) {
    let opened = subject.open();
    let lock = opened.storage.lock().expect("nobody has it");
    drop(lock);
    drop(opened);
    if let Some(reopened) = subject.reopen() {
        reopened.storage.lock().expect("nobody has it any more");
    }
}
