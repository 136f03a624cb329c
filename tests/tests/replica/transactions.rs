//! Reads and edits of several entities are one.

use sync::{BoxError, Error, NotSynced, Query, SyncState};

use crate::device::{Card, Comment, Device, card, comment, ids};

#[tokio::test]
async fn edits_of_several_entities_are_made_together() {
    let device = Device::new().await;
    let receipt = device
        .engine
        .transaction(|tx| {
            tx.push(&card("a", "todo", 1))?;
            tx.push(&comment(1, "a"))?;
            let mut read = tx.get::<Card>(&"a".into())?.ok_or("it sees its own edits")?;
            read.column = "done".into();
            tx.push(&read)?;
            assert_eq!(ids(&tx.query(Card::COLUMN.eq("done"))?), "a");
            assert_eq!(ids(&tx.query(Card::COLUMN.eq("todo"))?), "");
            Ok::<_, BoxError>(tx.push(&card("b", "todo", 2))?)
        })
        .await
        .unwrap();
    assert_eq!(device.ids().await, "ab");
    assert_eq!(device.engine.queue_len(), 3);
    device.engine.flush().await.unwrap();
    receipt.synced().await.unwrap();
    assert_eq!(device.server.records::<Card>()["a"].column, "done");
    assert_eq!(device.server.records::<Comment>().len(), 1);
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing() {
    let device = Device::new().await;
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    let failed = device
        .engine
        .transaction(|tx| {
            tx.push(&card("b", "todo", 2))?;
            tx.push(&comment(1, "b"))?;
            tx.delete::<Card>(&"a".into())?;
            Err::<(), BoxError>("changed my mind".into())
        })
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "changed my mind");
    assert_eq!(device.ids().await, "a");
    assert_eq!(ids(&device.engine.query(Card::COLUMN.eq("todo")).await.unwrap()), "a");
    assert_eq!(device.engine.queue_len(), 1);
    let panicked = device.engine.transaction::<(), Error, _>(|tx| {
        tx.push(&card("c", "todo", 3))?;
        panic!("in the middle")
    });
    assert!(matches!(panicked.await, Err(Error::Storage(_))));
    assert_eq!(device.ids().await, "a");
    let refused = device.engine.transaction::<_, Error, _>(|tx| tx.push(&card("", "todo", 3)));
    assert!(matches!(refused.await, Err(Error::Id { .. })));
}

#[tokio::test]
async fn nothing_comes_between_a_read_and_the_edit_that_follows() {
    let device = Device::new().await;
    device.engine.push(&card("a", "todo", 0)).await.unwrap();
    let add = |_| {
        let engine = device.engine.clone();
        tokio::spawn(async move {
            engine
                .transaction::<_, Error, _>(|tx| {
                    let mut counted = tx.get::<Card>(&"a".into())?.expect("it is there");
                    counted.rank = counted.rank.map(|rank| rank + 1);
                    tx.push(&counted)
                })
                .await
        })
    };
    for added in futures::future::join_all((0..100).map(add)).await {
        added.unwrap().unwrap();
    }
    assert_eq!(device.get("a").await.unwrap().rank, Some(100));
}

#[tokio::test]
async fn more_than_a_page_can_be_read_inside() {
    let device = Device::new().await;
    let cards: Vec<_> = (0..1100).map(|number| card(&format!("{number:04}"), "todo", number)).collect();
    device.engine.push_all(&cards).await.unwrap();
    let (all, some) = device
        .engine
        .transaction::<_, Error, _>(|tx| {
            let last = tx.query(Query::new().order_by(Card::RANK.descending()).limit(600))?;
            Ok((tx.query::<Card>(Query::new())?.len(), last))
        })
        .await
        .unwrap();
    assert_eq!((all, some.len()), (1100, 600));
    assert_eq!(some[0].rank, Some(1099));
    assert_eq!(device.engine.sync_state::<Card>(&"0000".into()).await.unwrap(), SyncState::Pending);
}

#[tokio::test]
async fn a_receipt_of_a_transaction_that_fails_says_that_its_edit_was_taken_back() {
    let device = Device::new().await;
    let earlier = device.engine.push(&card("a", "todo", 1)).await.unwrap();
    let (sender, receipts) = std::sync::mpsc::channel();
    let failed = device.engine.transaction(move |tx| {
        sender.send(tx.push(&card("a", "done", 1))?)?;
        Err::<(), BoxError>("changed my mind".into())
    });
    failed.await.unwrap_err();
    let receipt = receipts.recv().unwrap();
    device.engine.flush().await.unwrap();
    assert!(matches!(receipt.synced().await, Err(NotSynced::TakenBack { .. })));
    earlier.synced().await.unwrap();
}
