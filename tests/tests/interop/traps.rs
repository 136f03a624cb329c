//! What was seen on the real servers that could lose or double a record: that it is so, and that it does no harm. And other
//! dialects of the same servers, made by hand.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sync::remote::rest::{
    CursorSource, MemberPath, Method, Paging, PullDialect, Template, VersionCheck, WriteDialect,
};
use sync::{Dialect, State};

use crate::app::{Note, Page};
use crate::backend::Backend;
use crate::servers::{CouchDb, JsonServer, Kinto, Postgrest, V0, V1};
use crate::story::{World, offline_work_meets_in};

/// A request without the framework.
fn ask<B: Backend>(server: &B, method: reqwest::Method, path: &str) -> RequestBuilder {
    let url = format!("http://127.0.0.1:{}{}{path}", server.port(), server.path());
    let request = Client::new().request(method, url);
    match server.user() {
        Some((user, password)) => request.basic_auth(user, Some(password)),
        None => request,
    }
}

async fn get<B: Backend>(server: &B, path: &str) -> Response {
    ask(server, reqwest::Method::GET, path).send().await.unwrap()
}

async fn put<B: Backend>(server: &B, path: &str, body: Value) -> Response {
    ask(server, reqwest::Method::PUT, path).json(&body).send().await.unwrap()
}

async fn post<B: Backend>(server: &B, path: &str, body: Value) -> Response {
    ask(server, reqwest::Method::POST, path).json(&body).send().await.unwrap()
}

fn length(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

fn parameters(all: &[(&str, &str)]) -> Vec<(Template, Template)> {
    all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn body(title: &str) -> Value {
    json!({ "id": "n", "title": title, "body": "", "updatedAt": "2026-01-01T00:00:00Z" })
}

#[tokio::test]
async fn kinto_answers_a_post_of_a_known_id_with_what_is_there_and_that_is_a_conflict() {
    let mut world = World::<Kinto>::new().await;
    let create =
        WriteDialect { path: "{endpoint}/records".into(), done: vec![201], ..WriteDialect::create() };
    world.dialect.create = create;
    let told = post(&world.server, "/notes/records", json!({ "data": body("theirs") })).await;
    assert_eq!(told.status(), 201);
    let again = post(&world.server, "/notes/records", json!({ "data": body("ours") })).await;
    assert_eq!(again.status(), 200, "the trap");
    let a = world.device("a").await;
    a.write(Note::page("n", "ours", "", 9)).await;
    let report = a.sync().await;
    assert_eq!(report.conflicts, 1, "{report:?}");
    let there: Value = get(&world.server, "/notes/records/n").await.json().await.unwrap();
    assert_eq!(there["data"]["title"], "ours", "the later one wins, and is written");
}

#[tokio::test]
async fn kinto_shows_tombstones_to_those_who_ask_since_when() {
    let world = World::<Kinto>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    a.write(Note::page("n", "one", "", 0)).await;
    a.sync().await;
    b.sync().await;
    a.delete::<Note>("n").await;
    a.sync().await;
    let list = async |path: &str| {
        let list: Value = get(&world.server, path).await.json().await.unwrap();
        length(&list["data"])
    };
    assert_eq!((list("/notes/records").await, list("/notes/records?_since=0").await), (0, 1), "the trap");
    b.sync().await;
    assert!(b.app.copy().is_empty());
}

#[tokio::test]
async fn kinto_reads_a_limit_of_zero_as_everything_and_wants_versions_in_quotes() {
    let world = World::<Kinto>::new().await;
    for id in ["a", "b", "c"] {
        let data = json!({ "title": id, "body": "", "updatedAt": "2026-01-01T00:00:00Z" });
        put(&world.server, &format!("/notes/records/{id}"), json!({ "data": data })).await;
    }
    let all: Value = get(&world.server, "/notes/records?_limit=0").await.json().await.unwrap();
    assert_eq!(length(&all["data"]), 3, "the trap; a page of the engine has at least one record");
    let unquoted = ask(&world.server, reqwest::Method::PUT, "/notes/records/a").header("If-Match", "5");
    assert_eq!(unquoted.json(&json!({ "data": body("x") })).send().await.unwrap().status(), 400, "the trap");
}

#[tokio::test]
async fn kinto_that_is_read_only_is_waited_for_and_nothing_is_parked() {
    let world = World::of(Kinto::read_only().await).await;
    let a = world.device("a").await;
    a.write(Note::page("n", "one", "", 0)).await;
    let report = a.engine.flush().await.unwrap();
    assert_eq!(report.errors.len(), 1, "{report:?}");
    assert!(report.errors[0].to_string().contains("405"), "{}", report.errors[0]);
    let status = a.engine.status();
    assert_eq!((status.parked, a.engine.queue_len(), status.state), (0, 1, State::Offline));
}

#[tokio::test]
async fn couchdb_ignores_what_it_does_not_check_and_answers_in_plain_text() {
    let world = World::<CouchDb>::new().await;
    let made = put(&world.server, "/notes/n", body("one")).await;
    assert!(made.headers()["content-type"].to_str().unwrap().starts_with("text/plain"), "a trap");
    let rev = |told: &Value| told["rev"].as_str().unwrap().to_owned();
    let first = rev(&made.json().await.unwrap());
    let mut second = body("two");
    second["_rev"] = json!(first);
    let unmatched = ask(&world.server, reqwest::Method::PUT, "/notes/n").header("If-Match", "\"1-wrong\"");
    let written = unmatched.json(&second).send().await.unwrap().status();
    assert_eq!(written, 201, "a trap: what the header says is not looked at");
    let delete = async |query: &str| {
        ask(&world.server, reqwest::Method::DELETE, &format!("/notes/n{query}"))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(delete("?rev=1-0123456789abcdef0123456789abcdef").await, 404, "a trap: the record is there");
    assert_eq!(delete("").await, 200, "a trap: nothing was checked");
}

#[tokio::test]
async fn a_stale_deletion_on_couchdb_deletes_nothing_of_somebody_elses() {
    let world = World::<CouchDb>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    a.write(Note::page("n", "one", "", 0)).await;
    a.sync().await;
    b.sync().await;
    a.write(Note::page("n", "edited", "", 1)).await;
    a.sync().await;
    b.delete::<Note>("n").await;
    world.ends_with_equal_copies(&a, &b).await;
    assert_eq!(b.app.titles::<Note>()["n"], "edited", "an edit wins over a deletion");
}

#[tokio::test]
async fn couchdb_that_lost_its_data_is_noticed_though_it_takes_any_cursor() {
    let world = World::<CouchDb>::new().await;
    let a = world.device("a").await;
    for n in 0..5 {
        a.write(Note::page(&n.to_string(), "before", "", 0)).await;
    }
    a.sync().await;
    let echoed: Value = get(&world.server, "/notes/_changes?since=99").await.json().await.unwrap();
    assert_eq!(echoed["last_seq"], 99, "the trap");
    // A restored server, on which somebody has written less than was there before.
    let restored = CouchDb::start().await;
    put(
        &restored,
        "/notes/new",
        json!({ "id": "new", "title": "after", "body": "", "updatedAt": "2026-01-01T00:00:00Z" }),
    )
    .await;
    world.proxy.lead_to(restored.port());
    // The connections that were open are cut.
    let _ = a.engine.pull().await;
    a.sync().await;
    assert_eq!(a.app.titles::<Note>()["new"], "after");
}

#[tokio::test]
async fn json_server_takes_a_known_id_as_a_failure_or_as_a_second_row_so_the_record_is_read_first() {
    async fn repeated<R>() -> (u16, usize)
    where
        JsonServer<R>: Backend,
    {
        let world = World::<JsonServer<R>>::new().await;
        let a = world.device("a").await;
        post(&world.server, "/notes", body("theirs")).await;
        a.write(Note::page("n", "ours", "", 9)).await;
        let report = a.sync().await;
        assert_eq!(report.conflicts, 1, "{report:?}");
        let rows: Value = get(&world.server, "/notes").await.json().await.unwrap();
        assert_eq!((length(&rows), &rows[0]["title"]), (1, &json!("ours")));
        let trap = post(&world.server, "/notes", body("raw")).await.status().as_u16();
        let rows: Value = get(&world.server, "/notes").await.json().await.unwrap();
        (trap, length(&rows))
    }
    assert_eq!(repeated::<V0>().await, (500, 1));
    assert_eq!(repeated::<V1>().await, (201, 2));
}

#[tokio::test]
async fn json_server_repeats_its_last_page_and_the_pull_ends_nevertheless() {
    let mut world = World::<JsonServer<V1>>::new().await;
    world.dialect.pull = PullDialect {
        parameters: parameters(&[("_sort", "id"), ("_per_page", "{limit}")]),
        items: "data".into(),
        paging: Paging::Number { parameter: "_page".into(), first: 1 },
        ..world.dialect.pull
    };
    let page = |n: u32| format!("/notes?_page={n}&_per_page=2");
    let c = world.device("c").await;
    for n in 0..200 {
        c.write(Note::page(&format!("{n:03}"), "x", "", 0)).await;
    }
    c.sync().await;
    let beyond: Value = get(&world.server, &page(500)).await.json().await.unwrap();
    assert_eq!(length(&beyond["data"]), 2, "the trap");
    let d = world.device("d").await;
    d.sync().await;
    assert_eq!(d.app.copy(), c.app.copy(), "two full pages, and no third one");
}

#[tokio::test]
async fn json_server_0_17_also_tells_what_changed_since_by_a_filter() {
    let mut world = World::<JsonServer<V0>>::new().await;
    world.dialect.pull = PullDialect {
        parameters: parameters(&[("_sort", "{updated_at}"), ("_limit", "{limit}")]),
        since: parameters(&[("{updated_at}_gte", "{cursor}")]),
        cursor: CursorSource::LastItem("{updated_at}".into()),
        ..world.dialect.pull
    };
    let (a, b) = (world.device("a").await, world.device("b").await);
    // More than a page with one and the same time.
    for n in 0..250 {
        a.write(Note::page(&format!("{n:03}"), "x", "", 0)).await;
    }
    a.sync().await;
    b.sync().await;
    a.write(Note::page("later", "y", "", 5)).await;
    a.sync().await;
    b.sync().await;
    assert_eq!(b.app.copy(), a.app.copy());
    assert_eq!(b.app.copy().len(), 251);
}

#[tokio::test]
async fn kinto_by_its_versions_instead_of_its_links() {
    let mut world = World::<Kinto>::new().await;
    world.dialect.pull = PullDialect {
        cursor: CursorSource::LastItem("last_modified".into()),
        paging: Paging::Cursor { more: MemberPath::whole() },
        ..world.dialect.pull
    };
    world.dialect.update = WriteDialect { method: Method::Patch, ..world.dialect.update };
    offline_work_meets_in(&world).await;
}

#[tokio::test]
async fn postgrest_without_versions_is_read_before_it_is_written() {
    let mut world = World::<Postgrest>::new().await;
    let Dialect { update, overwrite, delete, .. } = &mut world.dialect;
    for write in [update, overwrite, delete] {
        write.check = VersionCheck::ReadFirst;
    }
    let (a, b) = (world.device("a").await, world.device("b").await);
    a.write(Note::page("n", "base", "", 0)).await;
    a.sync().await;
    b.sync().await;
    a.write(Note::page("n", "later", "", 2)).await;
    b.write(Note::page("n", "earlier", "", 1)).await;
    a.sync().await;
    assert_eq!(b.sync().await.conflicts, 1);
    world.ends_with_equal_copies(&a, &b).await;
    assert_eq!(b.app.titles::<Note>()["n"], "later");
}

/// Many records go in few requests, and the one that is refused is the only one that is parked.
async fn batched<B: Backend>(refused: Note) {
    const RECORDS: u32 = 64;
    let world = World::<B>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    let mut notes: Vec<_> = (0..RECORDS).map(|n| Note::page(&n.to_string(), "in a batch", "", 0)).collect();
    notes.insert(20, refused.clone());
    a.engine.push_all(&notes).await.unwrap();
    let report = a.engine.flush().await.unwrap();
    assert_eq!(report.pushed, u64::from(RECORDS), "{report:?}");
    let parked = a.engine.parked::<Note>().await.unwrap();
    assert_eq!(parked.len(), 1, "{parked:?}");
    let batches = world.proxy.batches();
    assert!(batches > 0 && batches < RECORDS / 2, "{batches} batches");
    // Updates, too.
    for n in 0..RECORDS {
        a.write(Note::page(&n.to_string(), "changed", "", 1)).await;
    }
    a.engine.flush().await.unwrap();
    b.sync().await;
    let titles = b.app.titles::<Note>();
    assert_eq!(titles.len(), RECORDS as usize);
    assert!(titles.values().all(|title| title == "changed"), "{titles:?}");
}

#[tokio::test]
async fn kinto_takes_batches_and_tells_their_outcomes_apart() {
    batched::<Kinto>(Note::page("no id for kinto", "", "", 0)).await;
}

#[tokio::test]
async fn couchdb_takes_batches_and_tells_their_outcomes_apart() {
    batched::<CouchDb>(Note::page("_reserved", "", "", 0)).await;
}

#[tokio::test]
async fn postgrest_takes_batches_of_new_rows_and_each_by_itself_where_one_is_refused() {
    // A character that PostgreSQL has no place for.
    batched::<Postgrest>(Note::page("n", "\0", "", 0)).await;
}
