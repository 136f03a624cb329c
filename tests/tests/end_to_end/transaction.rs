//! The application's own tables and typed pushes in one transaction.

use sync::{BoxError, Error, SqliteStorage};
use sync_tests::entities::{Note, note};

use sync_tests::device::{Device, Folder, server};

#[tokio::test]
async fn a_row_and_its_push_commit_together() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let receipt = device
        .storage
        .transaction(&device.engine, |tx| {
            tx.connection().execute_batch("create table mine (title text)")?;
            tx.connection().execute("insert into mine values ('x')", [])?;
            Ok::<_, BoxError>(tx.push(&note("a", "x", 0))?)
        })
        .await
        .unwrap();
    assert_eq!(device.engine.queue_len(), 1);
    device.engine.flush().await.unwrap();
    receipt.synced().await.unwrap();
    assert_eq!(server.records("/notes").len(), 1);
}

#[tokio::test]
async fn an_error_undoes_the_rows_and_the_pushes() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let result = device
        .storage
        .transaction(&device.engine, |tx| {
            tx.connection().execute_batch("create table mine (title text)")?;
            tx.push(&note("a", "x", 0))?;
            tx.delete::<Note>(&"b".to_owned())?;
            Err::<(), BoxError>("the user changed their mind".into())
        })
        .await;
    assert_eq!(result.unwrap_err().to_string(), "the user changed their mind");
    assert_eq!(device.engine.queue_len(), 0);
    let there = device
        .storage
        .transaction(&device.engine, |tx| {
            let sql = "select count(*) from sqlite_schema where name = 'mine'";
            Ok::<_, BoxError>(tx.connection().query_row(sql, [], |row| row.get::<_, i64>(0))?)
        })
        .await;
    assert_eq!(there.unwrap(), 0);
}

#[tokio::test]
async fn another_storage_than_the_engines_is_refused() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let other = SqliteStorage::open(folder.file("b.db")).unwrap();
    let result = other.transaction(&device.engine, |_| Ok::<_, Error>(())).await;
    assert!(matches!(result, Err(Error::OtherStorage)));
}
