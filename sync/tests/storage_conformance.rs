//! The storages of this crate pass the suite that any other one has to pass.

use sync::storage::{Durability, MemoryStorage, SqliteStorage};

sync::storage::conformance!(memory, MemoryStorage::new());

sync::storage::conformance!(sqlite_full, |folder| {
    SqliteStorage::open(folder.join("app.db")).expect("the file can be opened")
});

sync::storage::conformance!(sqlite_normal, |folder| {
    SqliteStorage::builder(folder.join("app.db"))
        .durability(Durability::Normal)
        .open()
        .expect("the file can be opened")
});
