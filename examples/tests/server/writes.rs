//! What each write does when nothing stands in its way.

use reqwest::Method;
use serde_json::{Value, json};

use crate::given::{delete, get, patch, post, send, server};

#[tokio::test]
async fn a_created_record_comes_back_with_its_version() {
    let server = server();
    let created = post(&server, "/notes", &json!({ "id": "a", "title": "x" })).await;
    assert_eq!((created.status, created.etag()), (201, "\"1\""));
    assert_eq!(created.body, json!({ "id": "a", "title": "x" }));
    let read = get(&server, "/notes/a").await;
    assert_eq!((read.status, read.etag(), &read.body), (200, "\"1\"", &created.body));
}

#[tokio::test]
async fn an_update_merges_its_members_into_the_record() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a", "title": "x", "colour": "red" })).await;
    let updated = patch(&server, "/notes/a", "\"1\"", &json!({ "title": "y" })).await;
    assert_eq!((updated.status, updated.etag()), (200, "\"2\""));
    assert_eq!(updated.body, json!({ "id": "a", "title": "y", "colour": "red" }));
}

#[tokio::test]
async fn an_overwrite_replaces_the_whole_record_or_makes_it() {
    let server = server();
    let made = send(&server, Method::PUT, "/notes/a", &[], &json!({ "id": "a", "title": "x" })).await;
    assert_eq!((made.status, made.etag()), (201, "\"1\""));
    let over = send(&server, Method::PUT, "/notes/a", &[("if-match", "\"1\"")], &json!({ "id": "a" })).await;
    assert_eq!((over.status, over.etag()), (200, "\"2\""));
    assert_eq!(server.records("/notes")["a"], json!({ "id": "a" }));
}

#[tokio::test]
async fn a_deletion_leaves_a_tombstone() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    let deleted = delete(&server, "/notes/a").await;
    assert_eq!((deleted.status, &deleted.body), (204, &Value::Null));
    get(&server, "/notes/a").await.problem(410);
    delete(&server, "/notes/a").await.problem(410);
    delete(&server, "/notes/never").await.problem(404);
    get(&server, "/notes/never").await.problem(404);
    assert!(server.records("/notes").is_empty());
}

#[tokio::test]
async fn a_deleted_record_can_be_created_again() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    delete(&server, "/notes/a").await;
    let again = post(&server, "/notes", &json!({ "id": "a", "title": "again" })).await;
    assert_eq!((again.status, again.etag()), (201, "\"3\""));
}

#[tokio::test]
async fn versions_are_given_once_for_all_collections() {
    let server = server();
    assert_eq!(post(&server, "/notes", &json!({ "id": "a" })).await.etag(), "\"1\"");
    assert_eq!(post(&server, "/tasks", &json!({ "key": 7 })).await.etag(), "\"2\"");
    assert_eq!(post(&server, "/notes", &json!({ "id": "b" })).await.etag(), "\"3\"");
}

#[tokio::test]
async fn an_encoded_id_is_one_id_whatever_is_in_it() {
    let server = server();
    for (id, encoded) in [
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
        ("blå bær", "bl%C3%A5%20b%C3%A6r"),
    ] {
        let record = json!({ "id": id, "title": "x" });
        assert_eq!(post(&server, "/notes", &record).await.status, 201, "{id}");
        assert_eq!(get(&server, &format!("/notes/{encoded}")).await.body, record, "{id}");
        let title = json!({ "title": "y" });
        let updated = send(&server, Method::PATCH, &format!("/notes/{encoded}"), &[], &title).await;
        assert_eq!((updated.status, &updated.body["id"]), (200, &json!(id)));
        assert!(server.records("/notes").contains_key(id), "{id}");
        assert_eq!(delete(&server, &format!("/notes/{encoded}")).await.status, 204, "{id}");
    }
    get(&server, "/notes/a/b").await.problem(404);
}

#[tokio::test]
async fn a_record_is_named_by_the_member_of_its_collection() {
    let server = server();
    post(&server, "/tasks", &json!({ "key": 7, "id": "something else" })).await;
    assert_eq!(get(&server, "/tasks/7").await.body["id"], "something else");
}
