//! Records are read as they look on this device.

use futures::{StreamExt, TryStreamExt};
use sync::testing::{Fault, Gate};
use sync::{Query, WatchEvent};

use crate::device::{Card, Comment, Device, card, comment};

#[tokio::test]
async fn what_was_pushed_is_read_at_once() {
    let device = Device::new().await;
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    assert_eq!(device.get("a").await, Some(card("a", "todo", 1)));
    device.engine.push(&card("a", "done", 1)).await.unwrap();
    assert_eq!(device.get("a").await, Some(card("a", "done", 1)));
    assert_eq!(device.engine.count::<Card>().await.unwrap(), 1);
    device.engine.delete::<Card>(&"a".into()).await.unwrap();
    assert_eq!(device.get("a").await, None);
    assert_eq!(device.engine.count::<Card>().await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_pulled_is_kept_without_a_handler() {
    let device = Device::new().await;
    for number in 0..20 {
        device.server.put(&card(&format!("c{number:02}"), "todo", number));
    }
    device.server.put(&comment(1, "c00"));
    assert_eq!(device.engine.pull().await.unwrap().pulled, 21);
    assert_eq!(device.engine.count::<Card>().await.unwrap(), 20);
    assert_eq!(device.get("c07").await, Some(card("c07", "todo", 7)));
    assert_eq!(device.engine.get::<Comment>(&1).await.unwrap(), Some(comment(1, "c00")));
    device.server.remove::<Card>(&"c07".into());
    device.engine.pull().await.unwrap();
    assert_eq!(device.get("c07").await, None);
    assert_eq!(device.engine.all::<Card>().await.unwrap().len(), 19);
    let device = device.restart().await;
    assert_eq!(device.engine.count::<Card>().await.unwrap(), 19);
    assert_eq!(device.get("c08").await, Some(card("c08", "todo", 8)));
}

/// Every moment of an edit's way, from the push to the echo that a pull brings.
#[tokio::test]
async fn the_view_never_goes_back_while_an_edit_is_on_its_way() {
    let device = Device::new().await;
    device.server.put(&card("a", "todo", 1));
    device.engine.pull().await.unwrap();
    let edited = card("a", "done", 1);
    device.engine.push(&edited).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await });
    gate.reached(1).await;
    assert_eq!(device.get("a").await, Some(edited.clone()), "in flight");
    gate.open();
    flush.await.unwrap().unwrap();
    assert_eq!(device.get("a").await, Some(edited.clone()), "taken by the server");
    device.engine.pull().await.unwrap();
    assert_eq!(device.get("a").await, Some(edited.clone()), "echoed by a pull");
    device.server.once(Fault::AnswerLost);
    let again = card("a", "todo", 9);
    device.engine.push(&again).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.pull().await.unwrap();
    assert_eq!(device.get("a").await, Some(again), "after an answer was lost");
}

#[tokio::test]
async fn an_edit_stays_on_top_of_what_is_pulled() {
    let device = Device::new().await;
    device.server.put(&card("a", "todo", 1));
    device.engine.pull().await.unwrap();
    device.engine.push(&card("a", "doing", 1)).await.unwrap();
    let theirs = card("a", "todo", 5);
    device.server.put(&theirs);
    device.engine.pull().await.unwrap();
    // Both changed it, in different fields.
    assert_eq!(device.get("a").await, Some(card("a", "doing", 5)));
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.server.records::<Card>()["a"], card("a", "doing", 5));
}

#[tokio::test]
async fn a_refused_edit_is_shown_until_it_is_given_up() {
    let device = Device::new().await;
    device.server.put(&card("a", "todo", 1));
    device.engine.pull().await.unwrap();
    device.server.once(Fault::Refused(422, "no".into()));
    device.engine.push(&card("a", "nowhere", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.get("a").await, Some(card("a", "nowhere", 1)));
    let parked = device.engine.parked::<Card>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    assert_eq!(device.get("a").await, Some(card("a", "todo", 1)), "what the server has, at once");
}

#[tokio::test]
async fn all_and_iter_give_every_record_once_in_the_order_of_ids() {
    let device = Device::new().await;
    for number in 0..1203 {
        device.server.put(&comment(number, "x"));
    }
    device.engine.pull().await.unwrap();
    device.engine.delete::<Comment>(&7).await.unwrap();
    device.engine.push(&comment(5000, "x")).await.unwrap();
    let all = device.engine.all::<Comment>().await.unwrap();
    let streamed: Vec<Comment> = device.engine.iter::<Comment>().try_collect().await.unwrap();
    assert_eq!(all, streamed);
    assert_eq!(all.len(), 1203);
    assert!(
        all.iter().map(|comment| comment.id.to_string()).is_sorted(),
        "ids are in the order of their text"
    );
    assert_eq!(device.engine.count::<Comment>().await.unwrap(), 1203);
}

#[tokio::test]
async fn another_accounts_records_are_not_seen() {
    let device = Device::new().await;
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    assert_eq!(device.ids().await, "a");
    let Device { engine, server, folder } = device;
    engine.shutdown().await;
    drop(engine);
    let storage = sync::SqliteStorage::open(folder.file("app.db")).unwrap();
    let somebody = sync::Principal::new("somebody else");
    let engine = sync::Engine::builder(crate::device::Board, server, storage)
        .principal(somebody)
        .build()
        .await
        .unwrap();
    assert_eq!(engine.all::<Card>().await.unwrap(), []);
    assert_eq!(engine.query(Card::COLUMN.eq("todo")).await.unwrap(), []);
}

#[tokio::test]
async fn one_damaged_row_spoils_no_other() {
    let device = Device::new().await;
    for id in ["a", "b", "c"] {
        device.server.put(&card(id, "todo", 1));
    }
    device.engine.pull().await.unwrap();
    let mut watch = device.engine.watch::<Card>(Query::new());
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Snapshot(all))) if all.len() == 3));
    let Device { engine, server, folder } = device;
    engine.shutdown().await;
    drop(engine);
    let file = rusqlite::Connection::open(folder.file("app.db")).unwrap();
    file.execute("update sync_bases set value = '{' where key = 'b'", []).unwrap();
    drop(file);
    let device = Device::on(server, folder).await;
    let read: Vec<_> = device.engine.iter::<Card>().collect().await;
    assert!(matches!(&read[..], [Ok(_), Err(_), Ok(_)]), "{read:?}");
    let error = read[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("Card `b`"), "{error}");
    assert!(device.engine.all::<Card>().await.is_err(), "nothing is left out in silence");
    let mut watch = device.engine.watch::<Card>(Query::new());
    let told = [watch.next().await, watch.next().await];
    assert!(told.iter().any(|told| matches!(told, Some(Err(_)))));
    assert!(told.iter().any(|told| matches!(told, Some(Ok(WatchEvent::Snapshot(all))) if all.len() == 2)));
    // The server's next version of it mends the row.
    device.server.put(&card("b", "done", 1));
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "abc");
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Changes(changes))) if changes.len() == 1));
}
