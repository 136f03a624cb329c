//! What the server is known to have of a record, and cannot be read.

use rusqlite::Connection;
use sync::SyncState;
use sync::testing::ScriptedRemote;
use sync_tests::device::Folder;
use sync_tests::entities::{Task, note, task};

use crate::damage::engine;

#[tokio::test]
async fn what_waits_for_a_record_that_cannot_be_read_goes_on_when_a_pull_has_replaced_that() {
    let (folder, server) = (Folder::new(), ScriptedRemote::new());
    let path = folder.file("app.db");
    let device = engine(&path, &server).await.unwrap();
    device.push(&note("b", "mine", 1)).await.unwrap();
    device.full_sync().await.unwrap();
    drop(device);
    let sql = "UPDATE sync_bases SET version = x'00' WHERE key = 'b'";
    assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
    let device = engine(&path, &server).await.unwrap();
    device.push(&task(1, Some("b"), "of the note")).await.unwrap();
    device.flush().await.unwrap();
    let state = device.sync_state::<Task>(&1).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { .. }), "{state:?}");
    server.put(&note("b", "theirs", 2));
    device.pull().await.unwrap();
    assert!(device.flush().await.unwrap().is_clean());
    assert_eq!(device.queue_len(), 0);
    assert_eq!(server.records::<Task>()["1"].text, "of the note");
}
