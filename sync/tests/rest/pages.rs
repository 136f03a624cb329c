//! Pages of changes.

use sync::remote::rest::{CursorSource, Paging, PullDialect, RecordDialect, Tombstone, VersionSource};
use sync::remote::{Page, PageItem, Position, PullRequest, Remote};
use sync::storage::Cursor;
use sync::{Dialect, RemoteError, RestRemote};

use super::given::{NOTES, TASKS, bytes, page_after, page_of, remote, told, version};
use super::server::{Answer, Server};

async fn pulled(body: &str, request: PullRequest) -> Result<Page, RemoteError> {
    let server = Server::saying(Answer::json(200, body)).await;
    remote(&server).pull(request).await.map(|reply| reply.answer)
}

async fn items_of(list: &str) -> Vec<PageItem> {
    pulled(&format!(r#"{{"items":[{list}]}}"#), page_of(100)).await.unwrap().items
}

fn record(v: Option<&str>, body: &str) -> PageItem {
    PageItem::Record { version: v.and_then(version), body: bytes(body) }
}

fn tombstone(id: &str) -> PageItem {
    PageItem::Tombstone { id: bytes(id) }
}

#[tokio::test]
async fn a_page_is_asked_for_with_cursor_and_limit() {
    let server = Server::saying(Answer::json(200, r#"{"items":[]}"#)).await;
    remote(&server).pull(page_after("c1")).await.unwrap();
    remote(&server).pull(page_of(7)).await.unwrap();
    let seen = server.seen();
    assert_eq!((&*seen[0].method, &*seen[0].target), ("GET", "/notes?since=c1&limit=100"));
    assert_eq!((&*seen[1].method, &*seen[1].target), ("GET", "/notes?limit=7"));
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    assert_eq!(seen[0].header("content-type"), None);
    assert_eq!(seen[0].header("idempotency-key"), None);
}

#[tokio::test]
async fn records_and_tombstones_come_in_the_servers_order() {
    let body = r#" {"cursor":"c9", "more":{"ignored":[1]}, "items":[
        {"id":"a","title":"A","version":3}, {"id":"b","deleted":true,"version":4} ,
        {"title":"C","id":"c","deleted":false,"version":"v5"},{"id":"d","deleted":null}
    ], "hasMore":true } "#;
    let page = pulled(body, page_of(100)).await.unwrap();
    let items = [
        record(Some("3"), r#"{"id":"a","title":"A","version":3}"#),
        tombstone("\"b\""),
        record(Some("v5"), r#"{"title":"C","id":"c","deleted":false,"version":"v5"}"#),
        record(None, r#"{"id":"d","deleted":null}"#),
    ];
    let position = Position::Cursor { cursor: Cursor::new("c9"), has_more: true };
    assert_eq!(page, Page { items: items.into(), position });
}

#[tokio::test]
async fn an_item_shares_the_memory_of_its_page() {
    let items = items_of(r#"{"id":"a"},{"id":"b"}"#).await;
    let [PageItem::Record { body: a, .. }, PageItem::Record { body: b, .. }] = &*items else {
        panic!("{items:?}")
    };
    assert_eq!(b.as_ptr() as usize - a.as_ptr() as usize, r#"{"id":"a"},"#.len());
}

#[tokio::test]
async fn the_id_of_a_tombstone_may_stand_under_the_entitys_name_for_it_or_under_id() {
    let body = r#"{"items":[{"key":"a","deleted":true},{"id":7,"deleted":true},{"id":"x","key":"b","deleted":true}]}"#;
    let page =
        pulled(body, PullRequest { entity: &TASKS, since: None, limit: 9, scope: None }).await.unwrap();
    assert_eq!(page.items, [tombstone("\"a\""), tombstone("7"), tombstone("\"b\"")]);
}

#[tokio::test]
async fn a_bad_item_spoils_nothing_and_says_what_is_wrong() {
    let bad = [
        (r#"{"title":"no id"}"#, "no id"),
        (r#"{"deleted":true}"#, "no id"),
        (r#"{"id":null}"#, "null"),
        (r#"{"id":""}"#, "empty"),
        (r#"{"id":{"a":1}}"#, "an object"),
        (r#"{"id":[1]}"#, "an array"),
        (r#"{"id":true,"deleted":true}"#, "a boolean"),
        (r#"{"id":"a","deleted":1}"#, "deleted"),
        (r#"{"id":"a","deleted":"2026-01-01"}"#, "deleted"),
        ("\"secret text\"", "a string"),
        ("5", "a number"),
        ("null", "null"),
        ("[{\"id\":\"a\"}]", "an array"),
    ];
    for (item, reason) in bad {
        let items = items_of(&format!(r#"{{"id":"first"}},{item},{{"id":"last"}}"#)).await;
        let [first, PageItem::Unreadable { body, reason: said }, last] = &*items else {
            panic!("{item}: {items:?}")
        };
        assert_eq!(first, &record(None, r#"{"id":"first"}"#));
        assert_eq!(last, &record(None, r#"{"id":"last"}"#));
        assert_eq!(body, item);
        assert!(said.contains(reason) && !said.contains("secret"), "{item}: {said}");
    }
}

#[tokio::test]
async fn an_item_whose_text_is_broken_is_kept_aside() {
    let items = items_of(r#"{"id":"\ud800"},{"\ud800":1,"id":"b"},{"id":"c"}"#).await;
    assert_eq!(items.len(), 3);
    assert!(matches!(items[1], PageItem::Unreadable { .. }), "{items:?}");
    assert_eq!(items[2], record(None, r#"{"id":"c"}"#));
}

#[tokio::test]
async fn a_bare_list_under_items_is_enough() {
    let page = pulled(r#"{"items":[{"id":"a"},{"id":"b"}]}"#, page_of(3)).await.unwrap();
    assert_eq!(page.position, Position::NewestItem { full: false, newest: None, limit: None });
    let page = pulled(r#"{"items":[{"id":"a"},{"id":"b"}]}"#, page_of(2)).await.unwrap();
    assert_eq!(page.position, Position::NewestItem { full: true, newest: None, limit: None });
    let page = pulled(r#"{"items":[{"id":"a"}],"cursor":null,"hasMore":true}"#, page_of(2)).await.unwrap();
    assert_eq!(page.position, Position::NewestItem { full: true, newest: None, limit: None });
}

/// So that the next page begins after them, and not with them again.
#[tokio::test]
async fn deletions_and_what_cannot_be_read_have_a_part_in_the_newest_change() {
    let body = r#"{"items":[
        {"id":"a","updatedAt":"2026-01-01T00:00:00Z"},
        {"id":"b","deleted":true,"updatedAt":"2026-01-03T00:00:00+01:00"},
        {"updatedAt":"2026-01-02T00:00:00Z"},
        {"id":"d","updatedAt":7},
        {"id":"e"}
    ]}"#;
    let newest = Some("2026-01-02T23:00:00Z".parse().unwrap());
    let page = pulled(body, page_of(9)).await.unwrap();
    assert_eq!(page.position, Position::NewestItem { full: false, newest, limit: None });
}

/// The next page would begin at the newest of them, and whatever is older and on no page yet would never come.
#[tokio::test]
async fn a_full_page_without_a_cursor_whose_items_are_in_another_order_than_their_times_is_refused() {
    let item = |day: u8| format!(r#"{{"id":"r{day}","updatedAt":"2026-01-0{day}T00:00:00Z"}}"#);
    let page = |days: &[u8], rest: &str| {
        let items: Vec<_> = days.iter().copied().map(item).collect();
        format!(r#"{{"items":[{}]{rest}}}"#, items.join(","))
    };
    for (body, limit) in [
        (page(&[3, 2, 1], ""), 3),
        (page(&[1, 3, 2], ""), 3),
        (page(&[3, 1], r#","hasMore":true"#), 3),
        (page(&[3, 1, 2], r#","cursor":null"#), 3),
    ] {
        let error = pulled(&body, page_of(limit)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{body}: {error:?}");
        assert!(error.to_string().contains("list the oldest change first"), "{body}: {error}");
    }
    for (body, limit) in [
        (page(&[1, 2, 2], ""), 3),
        // These lists are over.
        (page(&[3, 1], ""), 3),
        (page(&[3, 2, 1], r#","hasMore":false"#), 3),
        // This server sends everything, however much was asked for.
        (page(&[3, 2, 1], ""), 2),
        (page(&[3, 2, 1], r#","cursor":"c3""#), 3),
    ] {
        pulled(&body, page_of(limit)).await.unwrap();
    }
}

/// By a device whose clock is wrong by years: as a cursor, its time would hide every change for as long.
#[tokio::test]
async fn what_was_changed_in_the_future_is_passed_over() {
    let body = r#"{"items":[
        {"id":"a","updatedAt":"2026-01-01T00:00:00Z"},
        {"id":"b","updatedAt":"2026-01-02T00:00:20Z"},
        {"id":"c","updatedAt":"2099-01-01T00:00:00Z"}
    ]}"#;
    let answer = Answer::json(200, body).header("Date", "Fri, 02 Jan 2026 00:00:00 GMT");
    let server = Server::saying(answer).await;
    let position = remote(&server).pull(page_of(9)).await.unwrap().answer.position;
    let Position::NewestItem { newest, limit, .. } = position else { panic!("{position:?}") };
    assert_eq!(newest, Some("2026-01-02T00:00:20Z".parse().unwrap()));
    assert_eq!(limit, Some("2026-01-02T00:01:00Z".parse().unwrap()));
}

#[tokio::test]
async fn without_has_more_a_full_page_has_more() {
    let position = |has_more| Position::Cursor { cursor: Cursor::new("c"), has_more };
    for more in ["", r#","hasMore":null"#] {
        let body = format!(r#"{{"items":[{{"id":"a"}},{{"id":"b"}}],"cursor":"c"{more}}}"#);
        assert_eq!(pulled(&body, page_of(2)).await.unwrap().position, position(true));
        assert_eq!(pulled(&body, page_of(3)).await.unwrap().position, position(false));
    }
    let body = r#"{"items":[{"id":"a"}],"cursor":"c","hasMore":false}"#;
    assert_eq!(pulled(body, page_of(1)).await.unwrap().position, position(false));
    assert_eq!(pulled(r#"{"items":[],"cursor":"c"}"#, page_of(0)).await.unwrap().position, position(false));
}

#[tokio::test]
async fn a_cursor_is_any_text() {
    for (json, text) in [("\"\"", ""), (r#""a\"b\u00e9 \n""#, "a\"bé \n"), ("\"👍\"", "👍")] {
        let page = pulled(&format!(r#"{{"items":[],"cursor":{json}}}"#), page_of(1)).await.unwrap();
        assert_eq!(page.position, Position::Cursor { cursor: Cursor::new(text), has_more: false });
    }
}

#[tokio::test]
async fn a_body_of_another_shape_says_what_was_expected() {
    let long_cursor = format!(r#"{{"items":[],"cursor":"{}"}}"#, "c".repeat(5000));
    let wrong = [
        (r#"{"items":[],"cursor":1.7}"#, "`cursor` is a number, expected a string or an integer"),
        (r#"{"items":[],"cursor":{"at":1}}"#, "`cursor` is an object, expected a string"),
        (r#"{"items":[],"cursor":true}"#, "`cursor` is a boolean, expected a string"),
        (r#"{"items":[],"cursor":"\ud800"}"#, "`cursor` is no text"),
        (&*long_cursor, "4096"),
        (r#"{"items":[],"hasMore":"yes"}"#, "`hasMore` is a string, expected a boolean"),
        (r#"{"items":[],"hasMore":1}"#, "`hasMore` is a number, expected a boolean"),
        (r#"{"cursor":"c"}"#, "no member `items`"),
        (r#"{"items":null}"#, "`items`"),
        (r#"{"items":{"id":"a"}}"#, "`items`"),
        (r#"{"items":"secret text"}"#, "`items` is a string"),
        (r#"{"items":[{"id":"a"}"#, "EOF"),
        (r#"{"items":[{"id":"a"},]}"#, "trailing comma"),
        (r#"{"items":[]}{"items":[]}"#, "trailing"),
        (r#"[{"id":"a"}]"#, "a bare list"),
        ("\"secret text\"", "no JSON object"),
        ("null", "no JSON object"),
        ("<html>secret text</html>", "no JSON object"),
        ("", "the body is empty"),
    ];
    for (body, reason) in wrong {
        let error = pulled(body, page_of(10)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{body}: {error:?}");
        let text = told(&error);
        assert!(text.contains(reason), "{body}: {text}");
        assert!(text.contains("/notes") && text.contains("\"items\": […]"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn what_stands_in_place_of_an_envelope_is_not_quoted() {
    for (inside, kind) in [
        (r#""secret text""#, "a string"),
        ("98765432", "a number"),
        ("-98765432", "a number"),
        ("98765432.5", "a number"),
        ("true", "a boolean"),
    ] {
        let server = Server::saying(Answer::json(200, format!(r#"{{"data":{inside}}}"#))).await;
        let pull = PullDialect { items: "data.rows".into(), ..PullDialect::default() };
        let dialect = Dialect { pull, ..Dialect::default() };
        let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
        let text = told(&remote.pull(page_of(10)).await.unwrap_err());
        assert!(text.contains(&format!("{kind}, expected an object")), "{text}");
        assert!(!text.contains("secret") && !text.contains("98765432"), "{text}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_a_protocol_error() {
    let server = Server::saying(Answer::json(200, b"{\"items\":[{\"id\":\"\xff\xfe\"}]}")).await;
    let error = remote(&server).pull(page_of(10)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn only_200_is_a_page() {
    for status in [201, 204, 206] {
        let server = Server::saying(Answer::json(status, r#"{"items":[]}"#)).await;
        let error = remote(&server).pull(page_of(10)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn errors_show_no_query() {
    let server = Server::saying(Answer::status(500)).await;
    let error = remote(&server).pull(page_after("secret-cursor")).await.unwrap_err();
    assert_eq!(error.url(), format!("{}/notes", server.url()));
    assert!(!format!("{error:?} {}", told(&error)).contains("secret-cursor"));
}

#[tokio::test]
async fn the_dialect_names_parameters_and_members() {
    let dialect = Dialect {
        pull: PullDialect {
            since: vec![("after".into(), "{cursor}".into())],
            parameters: vec![("per page".into(), "{limit}".into())],
            items: "data".into(),
            cursor: CursorSource::Member("next".into()),
            paging: Paging::Cursor { more: "more".into() },
            ..PullDialect::default()
        },
        record: RecordDialect {
            id_member: "_id".into(),
            tombstone: Tombstone::True("_deleted".into()),
            version: VersionSource::ETagOrMember("_rev".into()),
            ..RecordDialect::default()
        },
        ..Dialect::default()
    };
    let body = r#"{"data":[{"id":"a","_rev":"1-x","version":3,"deleted":true},{"_id":"b","_deleted":true}],
        "next":"n","more":true,"items":5,"cursor":5,"hasMore":5}"#;
    let server = Server::saying(Answer::json(200, body)).await;
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    let request = PullRequest { entity: &NOTES, ..page_after("c") };
    let page = remote.pull(request).await.unwrap().answer;
    assert_eq!(server.only().target, "/notes?after=c&per+page=100");
    let first = r#"{"id":"a","_rev":"1-x","version":3,"deleted":true}"#;
    assert_eq!(page.items, [record(Some("1-x"), first), tombstone("\"b\"")]);
    assert_eq!(page.position, Position::Cursor { cursor: Cursor::new("n"), has_more: true });
}

#[tokio::test]
async fn a_cursor_that_the_server_does_not_know_any_more_is_gone() {
    let server = Server::saying(Answer::status(410)).await;
    let error = remote(&server).pull(page_after("c1")).await.unwrap_err();
    assert!(matches!(error, RemoteError::CursorGone { .. }), "{error:?}");
    assert!(!error.to_string().contains("410"), "a dialect may have another status, or none: {error}");
    let error = remote(&server).pull(page_of(7)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "there was no cursor: {error:?}");
    let unlabelled = Answer::status(410).header("Content-Type", "text/html; charset=utf-8");
    let error = remote(&Server::saying(unlabelled).await).pull(page_after("c1")).await.unwrap_err();
    assert!(matches!(error, RemoteError::CursorGone { .. }), "there is no page in it: {error:?}");
}
