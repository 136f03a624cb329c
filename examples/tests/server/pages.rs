//! Pulling: pages, cursors, tombstones.

use serde_json::{Value, json};

use crate::given::{delete, get, post, server};

/// Follows the cursor from the start; each page has at most this many items.
async fn everything(server: &sync_examples::server::Server, limit: usize) -> (Vec<Value>, String) {
    let (mut items, mut target) = (Vec::new(), format!("/notes?limit={limit}"));
    loop {
        let page = get(server, &target).await;
        assert_eq!(page.status, 200, "{page:?}");
        let found = page.body["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        let cursor = page.body["cursor"].as_str().unwrap();
        if page.body["hasMore"] == false {
            return (items, cursor.to_owned());
        }
        target = format!("/notes?since={cursor}&limit={limit}");
    }
}

#[tokio::test]
async fn an_empty_collection_is_an_empty_page_with_a_cursor() {
    let server = server();
    let page = get(&server, "/notes").await;
    assert_eq!((page.status, &page.body), (200, &json!({ "items": [], "cursor": "0", "hasMore": false })));
    assert_eq!(get(&server, "/notes?since=0").await.body, page.body);
}

#[tokio::test]
async fn pages_hold_every_record_once_in_the_order_of_change() {
    let server = server();
    for number in 0..25 {
        server.write_as_other_client("/notes", &number.to_string(), Some(&json!({ "id": number })));
        server.write_as_other_client("/tasks", &number.to_string(), Some(&json!({ "key": number })));
    }
    server.write_as_other_client("/notes", "3", Some(&json!({ "id": 3, "title": "last" })));
    for limit in [1, 7, 25, 1000] {
        let (items, cursor) = everything(&server, limit).await;
        let ids: Vec<_> = items.iter().map(|item| item["id"].as_i64().unwrap()).collect();
        let expected: Vec<_> = (0..25).filter(|id| *id != 3).chain([3]).collect();
        assert_eq!((ids, cursor.as_str()), (expected, "51"), "limit {limit}");
    }
}

#[tokio::test]
async fn a_full_last_page_says_that_there_is_no_more() {
    let server = server();
    for number in 0..4 {
        server.write_as_other_client("/notes", &number.to_string(), Some(&json!({ "id": number })));
    }
    assert_eq!(get(&server, "/notes?since=2&limit=2").await.body["hasMore"], false);
    assert_eq!(get(&server, "/notes?since=1&limit=2").await.body["hasMore"], true);
}

#[tokio::test]
async fn an_item_says_its_version_which_if_match_takes() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a", "title": "x" })).await;
    let page = get(&server, "/notes").await;
    assert_eq!(page.body["items"], json!([{ "id": "a", "title": "x", "version": "1" }]));
    let updated = crate::given::patch(&server, "/notes/a", "\"1\"", &json!({ "title": "y" })).await;
    assert_eq!(updated.status, 200);
    assert_eq!(get(&server, "/notes?since=1").await.body["items"][0]["version"], "2");
    assert_eq!(updated.body.get("version"), None, "a record is kept as it was sent");
}

#[tokio::test]
async fn a_tombstone_names_its_record_as_the_record_did() {
    let server = server();
    for id in [json!("a"), json!("7"), json!("007"), json!("-0")] {
        post(&server, "/notes", &json!({ "id": id })).await;
        delete(&server, &format!("/notes/{}", id.as_str().unwrap())).await;
    }
    post(&server, "/tasks", &json!({ "key": 7 })).await;
    delete(&server, "/tasks/7").await;
    let tombstones = |ids: &[(&str, Value, &str)]| -> Value {
        ids.iter()
            .map(|(member, id, version)| json!({ *member: id, "deleted": true, "version": version }))
            .collect()
    };
    let notes = [
        ("id", json!("a"), "2"),
        ("id", json!("7"), "4"),
        ("id", json!("007"), "6"),
        ("id", json!("-0"), "8"),
    ];
    assert_eq!(get(&server, "/notes").await.body["items"], tombstones(&notes));
    assert_eq!(get(&server, "/tasks").await.body["items"], tombstones(&[("key", json!(7), "10")]));
}

#[tokio::test]
async fn a_tombstone_comes_to_those_who_saw_the_record_and_goes_when_it_is_made_again() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    server.write_as_other_client("/notes", "a", None);
    let page = get(&server, "/notes?since=1").await;
    assert_eq!(page.body["items"], json!([{ "id": "a", "deleted": true, "version": "2" }]));
    post(&server, "/notes", &json!({ "id": "a" })).await;
    assert_eq!(get(&server, "/notes?since=1").await.body["items"], json!([{ "id": "a", "version": "3" }]));
}

#[tokio::test]
async fn a_cursor_that_is_not_this_servers_says_to_start_over() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    for cursor in ["2", "99", "-1", "abc", "", "1.5", "99999999999999999999"] {
        let answer = get(&server, &format!("/notes?since={cursor}")).await;
        assert!(answer.problem(410).contains("leave `since` out"), "{cursor}");
    }
}

#[tokio::test]
async fn a_limit_is_a_number_and_is_bounded() {
    let server = server();
    for number in 0..1001 {
        server.write_as_other_client("/notes", &number.to_string(), Some(&json!({ "id": number })));
    }
    assert!(get(&server, "/notes?limit=many").await.problem(400).contains("limit"));
    let page = get(&server, "/notes?limit=1000000").await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 1000);
    assert_eq!(page.body["hasMore"], true);
    assert_eq!(get(&server, "/notes?limit=0").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_can_be_narrowed_and_still_tells_deletions() {
    let server = server();
    for (id, title, rank) in [("a", "milk", 1), ("b", "bread", 2), ("c", "milk", 3)] {
        server.write_as_other_client("/notes", id, Some(&json!({ "id": id, "title": title, "rank": rank })));
    }
    let found = |page: Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(get(&server, "/notes?title=milk").await.body), ["a", "c"]);
    assert_eq!(found(get(&server, "/notes?rank_gt=1&rank_lte=2").await.body), ["b"]);
    assert_eq!(found(get(&server, "/notes?rank_gte=2&title=milk").await.body), ["c"]);
    assert_eq!(found(get(&server, "/notes?rank_lt=2").await.body), ["a"]);
    server.write_as_other_client("/notes", "b", None);
    assert_eq!(found(get(&server, "/notes?title=milk").await.body), ["a", "c", "b"]);
}
