//! The storages of this crate pass the suite that any other one has to pass.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use sync::storage::{Durability, MemoryStorage, SqliteStorage};

sync::storage::conformance!(memory, MemoryStorage::new());

// One that several handles can have at once: a second handle of a file is refused when it is opened.
sync::storage::conformance!(memory_with_handles, |folder| handle(folder));

fn handle(folder: &Path) -> MemoryStorage {
    static STORAGES: LazyLock<Mutex<HashMap<PathBuf, MemoryStorage>>> = LazyLock::new(Mutex::default);
    let mut storages = STORAGES.lock().expect("no test holds it while it fails");
    storages.entry(folder.to_owned()).or_default().clone()
}

sync::storage::conformance!(sqlite_full, |folder| {
    SqliteStorage::open(folder.join("app.db")).expect("the file can be opened")
});

sync::storage::conformance!(sqlite_normal, |folder| {
    SqliteStorage::builder(folder.join("app.db"))
        .durability(Durability::Normal)
        .open()
        .expect("the file can be opened")
});
