//! What a new file has to do with what was there before it: nothing.

use std::fs;

use super::fresh::{crashed, get, path};
use super::{Durability, Fixture, note, open, open_with, queued, run};

#[tokio::test]
async fn the_log_of_a_file_that_is_gone_is_not_played_into_a_new_one() {
    for durability in [Durability::Full, Durability::Normal] {
        let fixture = Fixture::new();
        fixture.run(|tx| tx.put(&note("old"), &queued(1))).await.expect("it is written");
        let left = crashed(&fixture);
        fs::remove_file(&left).expect("the file is removed, and its log forgotten");
        let storage = open_with(&left, durability);
        assert_eq!(get(&storage, "old").await, None, "{durability:?}");
        run(&storage, |tx| tx.put(&note("new"), &queued(1))).await.expect("it is written");
        drop(storage);
        let storage = open_with(&left, durability);
        assert_eq!(get(&storage, "new").await, Some(queued(1)), "{durability:?}");
    }
}

#[cfg(unix)]
#[test]
fn who_may_read_an_empty_file_may_read_the_storage_that_it_becomes() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::new();
    let private = path(&fixture).with_file_name("private.db");
    fs::write(&private, "").expect("it can be written");
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).expect("it is the user's");
    let _storage = open(&private);
    let mode = fs::metadata(&private).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
