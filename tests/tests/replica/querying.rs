//! Records are found by their fields.

use futures::StreamExt;
use sync::Query;

use crate::device::{Card, Device, card, ids};

async fn board() -> Device {
    let device = Device::new().await;
    for (id, column, rank) in [
        ("g", "todo", Some(30)),
        ("a", "done", Some(20)),
        ("e", "todo", None),
        ("b", "todo", Some(20)),
        ("c", "done", Some(-1)),
        ("f", "done", None),
    ] {
        device.server.put(&card(id, column, rank));
    }
    device.engine.pull().await.unwrap();
    // One is new on this device.
    device.engine.push(&card("d", "todo", 40)).await.unwrap();
    device
}

async fn found(device: &Device, query: impl Into<Query<Card>>) -> String {
    ids(&device.engine.query(query).await.unwrap())
}

#[tokio::test]
async fn records_are_found_by_a_value_or_a_range() {
    let device = board().await;
    assert_eq!(found(&device, Card::COLUMN.eq("todo")).await, "bdeg");
    assert_eq!(found(&device, Card::RANK.eq(20)).await, "ab");
    assert_eq!(found(&device, Card::RANK.eq(None)).await, "ef");
    assert_eq!(found(&device, Card::RANK.lt(20)).await, "c");
    assert_eq!(found(&device, Card::RANK.le(20)).await, "abc");
    assert_eq!(found(&device, Card::RANK.gt(20)).await, "dg");
    assert_eq!(found(&device, Card::RANK.ge(20)).await, "abdg");
    assert_eq!(found(&device, Card::RANK.between(0, 30)).await, "abg");
    for empty in [
        Card::RANK.between(None, None),
        Card::RANK.between(None, 30),
        Card::RANK.between(0, None),
        Card::RANK.ge(None),
        Card::RANK.le(None),
    ] {
        assert_eq!(found(&device, empty.clone()).await, "", "nothing is in no range");
        let in_order = Query::new().filter(empty).order_by(Card::RANK);
        assert_eq!(found(&device, in_order).await, "", "nor in one that is ordered");
    }
    let both = Query::new().filter(Card::RANK.ge(20)).filter(Card::COLUMN.eq("todo"));
    assert_eq!(found(&device, both).await, "bdg");
}

#[tokio::test]
async fn an_order_is_kept_over_pages() {
    let device = board().await;
    let query = || Query::new().order_by(Card::RANK.descending());
    assert_eq!(found(&device, query()).await, "dgbacfe");
    assert_eq!(found(&device, query().limit(3)).await, "dgb");
    let mut listed = String::new();
    let mut page = device.engine.query(query().limit(2)).await.unwrap();
    while let Some(last) = page.last().cloned() {
        listed.push_str(&ids(&page));
        page = device.engine.query(query().limit(2).after(&last)).await.unwrap();
    }
    assert_eq!(listed, "dgbacfe");
    let by_id = Query::new().filter(Card::COLUMN.eq("todo")).after(&card("c", "x", None)).limit(2);
    assert_eq!(found(&device, by_id).await, "de");
    assert_eq!(found(&device, Query::new().limit(0)).await, "");
}

#[tokio::test]
async fn more_than_a_page_of_matches_is_found_in_order() {
    let device = Device::new().await;
    for number in 0..1100 {
        device.server.put(&card(&format!("{number:04}"), "todo", (number * 7919) % 1100 / 2));
    }
    device.engine.pull().await.unwrap();
    let query = Query::new().filter(Card::COLUMN.eq("todo")).order_by(Card::RANK).limit(1050);
    let found = device.engine.query(query).await.unwrap();
    assert_eq!(found.len(), 1050);
    assert!(found.iter().map(|card| (card.rank, &card.id)).is_sorted());
}

#[tokio::test]
async fn a_local_edit_moves_a_record_in_every_query_at_once() {
    let device = board().await;
    device.engine.push(&card("a", "todo", 50)).await.unwrap();
    device.engine.delete::<Card>(&"b".into()).await.unwrap();
    let todo = || Query::new().filter(Card::COLUMN.eq("todo")).order_by(Card::RANK);
    assert_eq!(found(&device, todo()).await, "egda");
    device.engine.flush().await.unwrap();
    assert_eq!(found(&device, todo()).await, "egda");
    device.server.put(&card("a", "done", 50));
    device.engine.pull().await.unwrap();
    assert_eq!(found(&device, todo()).await, "egd");
    assert_eq!(found(&device, Card::COLUMN.eq("done")).await, "acf");
}

#[tokio::test]
async fn a_discarded_edit_is_found_where_the_server_has_it() {
    let device = board().await;
    device.server.once(sync::testing::Fault::Refused(422, "no".into()));
    device.engine.flush().await.unwrap();
    assert_eq!(found(&device, Card::RANK.eq(40)).await, "d");
    let parked = device.engine.parked::<Card>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    assert_eq!(found(&device, Card::RANK.eq(40)).await, "");
    assert_eq!(device.ids().await, "abcefg");
}

/// The record that a page ends with cannot be read: the next one still begins after it.
#[tokio::test]
async fn a_damaged_row_at_the_end_of_a_page_holds_up_nothing() {
    for (damaged, descending) in [("0499", false), ("0500", true)] {
        let device = Device::new().await;
        let cards: Vec<_> = (0..1000).map(|number| card(&format!("{number:04}"), "todo", number)).collect();
        for card in &cards {
            device.server.put(card);
        }
        device.engine.pull().await.unwrap();
        let Device { engine, server, folder } = device;
        engine.shutdown().await;
        drop(engine);
        let file = rusqlite::Connection::open(folder.file("app.db")).unwrap();
        file.execute("update sync_bases set value = '{' where key = ?1", [damaged]).unwrap();
        drop(file);
        let device = Device::on(server, folder).await;
        let by_rank = if descending {
            Query::new().order_by(Card::RANK.descending())
        } else {
            Query::new().order_by(Card::RANK)
        };
        let read: Vec<_> = device.engine.stream(by_rank).collect().await;
        assert_eq!(read.len(), 1000);
        assert_eq!(read.iter().filter(|card| card.is_err()).count(), 1);
    }
}
