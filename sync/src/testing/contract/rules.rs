//! The rules of the contract, and how each is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::client::{Ask, Client, NoAnswer, Said, fresh_id};
use super::{Failure, Outcome};

/// How long an event may take.
const SOON: Duration = Duration::from_secs(5);

macro_rules! rules {
    ($($name:ident $required:ident $text:literal,)*) => {
        /// One rule of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $(
                #[doc = $text]
                $name,
            )*
        }

        impl Rule {
            /// All of them.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The rule in words.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Whether a server may not do without.
            #[must_use]
            pub fn is_required(self) -> bool {
                match self {
                    $(Self::$name => rules!(@ $required),)*
                }
            }
        }
    };
    (@ required) => { true };
    (@ optional) => { false };
}

rules! {
    Create required "a record that is created can be read",
    RepeatedCreate required "a creation that is repeated with its key makes no second record",
    RepeatedUpdate required "an update that is repeated with its key, after a lost answer, is no conflict",
    Update required "an update changes the record",
    StaleUpdate required "an update of another version is refused with 409 or 412, and changes nothing",
    ConflictBringsTheRecord optional "a conflict brings the server's record",
    UpdateOfNothing required "an update of a record that is not there says 404 or 410",
    Overwrite required "a record can be put in place of another",
    Delete required "a deleted record is gone, and deleting it again does no harm",
    StaleDelete required "a deletion of another version is refused with 409 or 412, and deletes nothing",
    OddIds required "ids are percent-encoded as one segment, whatever is in them",
    Versions optional "answers and pulled records tell a version, and the same one",
    Pages required "a list comes in pages, complete and no larger than asked for",
    Changes required "what changed after a cursor comes after it",
    Tombstones required "a deletion is listed as a tombstone",
    NothingNew required "a cursor at the end brings nothing, and does not move on by itself",
    ConcurrentWriters required "no record is missed while others write",
    BadRecord required "what is no record is refused with 4xx, and does not harm",
    ProblemDetails optional "a refusal says why, as problem details (RFC 9457)",
    LiveChanges optional "changes are told as server-sent events",
}

/// Why a rule is not kept.
enum Trouble {
    Broken(String),
    NotOffered(String),
}

impl From<NoAnswer> for Trouble {
    fn from(NoAnswer(reason): NoAnswer) -> Self {
        Self::Broken(format!("an answer: {reason}"))
    }
}

type Checked = Result<(), Trouble>;

/// Breaks the rule unless something holds.
fn expect(holds: bool, expected: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Trouble::Broken(expected.into())) }
}

pub(super) async fn check(rule: Rule, client: &Client, writers: usize) -> Outcome {
    let checked = match rule {
        Rule::Create => create(client).await,
        Rule::RepeatedCreate => repeated_create(client).await,
        Rule::RepeatedUpdate => repeated_update(client).await,
        Rule::Update => update(client).await,
        Rule::StaleUpdate => stale_update(client).await,
        Rule::ConflictBringsTheRecord => conflict_brings_the_record(client).await,
        Rule::UpdateOfNothing => update_of_nothing(client).await,
        Rule::Overwrite => overwrite(client).await,
        Rule::Delete => delete(client).await,
        Rule::StaleDelete => stale_delete(client).await,
        Rule::OddIds => odd_ids(client).await,
        Rule::Versions => versions(client).await,
        Rule::Pages => pages(client).await,
        Rule::Changes => changes(client).await,
        Rule::Tombstones => tombstones(client).await,
        Rule::NothingNew => nothing_new(client).await,
        Rule::ConcurrentWriters => concurrent_writers(client, writers).await,
        Rule::BadRecord => bad_record(client).await,
        Rule::ProblemDetails => problem_details(client).await,
        Rule::LiveChanges => live_changes(client).await,
    };
    match checked {
        Ok(()) => Outcome::Passed,
        Err(Trouble::NotOffered(reason)) => Outcome::NotOffered { reason },
        Err(Trouble::Broken(expected)) => Outcome::Failed(Failure { expected, said: client.said_last() }),
    }
}

/// A record that is there.
struct Made {
    id: String,
    version: Option<String>,
}

async fn made(client: &Client, text: &str) -> Result<Made, Trouble> {
    let id = fresh_id();
    let said = client.create(client.record(&id, text), Uuid::now_v7()).await?;
    expect(matches!(said.status, 200 | 201 | 204), "200, 201 or 204 to a creation")?;
    let version = match said.version() {
        Some(version) => Some(version),
        None => version_of(client, &id).await?,
    };
    Ok(Made { id, version })
}

/// The version that a request for the record tells, in its head or its body.
async fn version_of(client: &Client, id: &str) -> Result<Option<String>, Trouble> {
    let said = client.fetch(id).await?;
    let member = said.json().and_then(|record| as_version(record.get("version")?));
    Ok(said.version().or(member))
}

fn as_version(member: &Value) -> Option<String> {
    match member {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Changes a record, and tells the version that it had before.
async fn edited(client: &Client, made: &Made) -> Result<Said, Trouble> {
    let body = Some(client.record(&made.id, "edited"));
    let ask = Ask { body, if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::PATCH, &made.id, ask).await?;
    expect(matches!(said.status, 200 | 204), "200 or 204 to an update of the current version")?;
    Ok(said)
}

/// Whether the record says this.
async fn says(client: &Client, id: &str, text: &str) -> Result<bool, Trouble> {
    let said = client.fetch(id).await?;
    expect(said.status == 200, "200 to a request for a record that exists")?;
    let record = said.json().ok_or_else(|| Trouble::Broken("a record as JSON".to_owned()))?;
    let wanted = client.record(id, text);
    // Servers may add members, and write times in another way.
    let same = |name: &String, value: &Value| {
        record.get(name) == Some(value) || name.ends_with("At") || name.ends_with("_at")
    };
    Ok(wanted.as_object().is_some_and(|wanted| wanted.iter().all(|(name, value)| same(name, value))))
}

async fn create(client: &Client) -> Checked {
    let made = made(client, "new").await?;
    expect(says(client, &made.id, "new").await?, "the record that was created")
}

async fn repeated_create(client: &Client) -> Checked {
    let (id, key) = (fresh_id(), Uuid::now_v7());
    client.create(client.record(&id, "once"), key).await?;
    let again = client.create(client.record(&id, "once"), key).await?;
    expect(again.is_success(), "a success: the same key is the same operation")?;
    let listed = list(client, None).await?.ids.into_iter().filter(|listed| *listed == id).count();
    expect(listed == 1, format!("the record once in the list, and not {listed} times"))
}

async fn repeated_update(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    let body = Some(client.record(&made.id, "second"));
    let ask = Ask { key: Some(Uuid::now_v7()), if_match: made.version.clone(), body };
    client.write(Method::PATCH, &made.id, ask.clone()).await?;
    let again = client.write(Method::PATCH, &made.id, ask).await?;
    expect(matches!(again.status, 200 | 204), "200 or 204: the same key is the same operation")
}

async fn update(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    edited(client, &made).await?;
    expect(says(client, &made.id, "edited").await?, "the record as it was edited")
}

/// An update on a version that is no longer the newest.
async fn stale(client: &Client) -> Result<(Made, Said), Trouble> {
    let made = made(client, "first").await?;
    let Some(version) = made.version.clone() else {
        return Err(Trouble::Broken(
            "a version of the record, as a strong `ETag` or as the member `version`".to_owned(),
        ));
    };
    edited(client, &made).await?;
    let body = Some(client.record(&made.id, "stale"));
    let ask = Ask { body, if_match: Some(version), ..Ask::default() };
    let said = client.write(Method::PATCH, &made.id, ask).await?;
    expect(said.is_conflict(), "409 or 412 to an update of another version than the current one")?;
    Ok((made, said))
}

async fn stale_update(client: &Client) -> Checked {
    let (made, _) = stale(client).await?;
    expect(says(client, &made.id, "edited").await?, "the record unchanged")
}

async fn conflict_brings_the_record(client: &Client) -> Checked {
    let (made, said) = stale(client).await?;
    let body = said.json().unwrap_or_default();
    let is = |record: &Value| record.get(&client.id_member).and_then(Value::as_str) == Some(&made.id);
    expect(is(&body) || body.get("current").is_some_and(is), "the server's record, bare or under `current`")
}

async fn update_of_nothing(client: &Client) -> Checked {
    let id = fresh_id();
    let ask = Ask { body: Some(client.record(&id, "nowhere")), ..Ask::default() };
    let said = client.write(Method::PATCH, &id, ask).await?;
    expect(said.is_gone(), "404 or 410 to an update of a record that was never there")
}

async fn overwrite(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    let body = Some(client.record(&made.id, "put"));
    let ask = Ask { body, if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::PUT, &made.id, ask).await?;
    expect(matches!(said.status, 200 | 201 | 204), "200, 201 or 204 to a `PUT`")?;
    expect(says(client, &made.id, "put").await?, "the record that was put")
}

async fn delete(client: &Client) -> Checked {
    let made = made(client, "short-lived").await?;
    let ask = Ask { if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::DELETE, &made.id, ask).await?;
    expect(matches!(said.status, 200 | 204), "200 or 204 to a deletion")?;
    expect(client.fetch(&made.id).await?.is_gone(), "404 or 410 to a request for a deleted record")?;
    let again = client.write(Method::DELETE, &made.id, Ask::default()).await?;
    expect(again.is_gone() || again.is_success(), "404, 410 or a success to a second deletion")
}

async fn stale_delete(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    edited(client, &made).await?;
    let said = client
        .write(Method::DELETE, &made.id, Ask { if_match: made.version.clone(), ..Ask::default() })
        .await?;
    expect(said.is_conflict(), "409 or 412 to a deletion of another version than the current one")?;
    expect(client.fetch(&made.id).await?.status == 200, "the record still there")
}

async fn odd_ids(client: &Client) -> Checked {
    for odd in ["a/b", "100%", "ä ö", "a?b#c", "a+b&c", "%2e%2e"] {
        let id = format!("{odd}-{}", fresh_id());
        let said = client.create(client.record(&id, "odd"), Uuid::now_v7()).await?;
        expect(said.is_success(), format!("a record with the id `{id}`"))?;
        expect(
            says(client, &id, "odd").await?,
            format!("the record with the id `{id}`, by its encoded address"),
        )?;
        client.write(Method::DELETE, &id, Ask::default()).await?;
        expect(
            client.fetch(&id).await?.is_gone(),
            format!("the record `{id}` deleted by its encoded address"),
        )?;
    }
    Ok(())
}

async fn versions(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    let written = edited(client, &made).await?.version();
    let fetched = version_of(client, &made.id).await?;
    let Some(fetched) = fetched else {
        return Err(Trouble::NotOffered("no `ETag` and no member `version`".to_owned()));
    };
    expect(written.is_none_or(|written| written == fetched), "the version that the update answered")?;
    let pulled = list(client, None).await?.versions.remove(&made.id);
    expect(pulled.as_ref() == Some(&fetched), format!("the version `{fetched}` in the list, too"))
}

/// All that is listed after a cursor.
#[derive(Debug, Default)]
struct List {
    ids: Vec<String>,
    deleted: BTreeSet<String>,
    versions: BTreeMap<String, String>,
    cursor: Option<String>,
    largest: usize,
}

async fn list(client: &Client, since: Option<String>) -> Result<List, Trouble> {
    const PAGE: u32 = 50;
    walk(client, since, PAGE).await
}

/// Page by page, until there is no more.
async fn walk(client: &Client, since: Option<String>, limit: u32) -> Result<List, Trouble> {
    let mut list = List { cursor: since, ..List::default() };
    for _ in 0..10_000 {
        let said = client.page(list.cursor.as_deref(), limit).await?;
        expect(said.status == 200, "200 to a request for a page")?;
        let page = said.json().unwrap_or_default();
        let Some(items) = page.get("items").and_then(Value::as_array) else {
            return Err(Trouble::Broken(
                "a page `{\"items\": […], \"cursor\": \"…\", \"hasMore\": …}`".to_owned(),
            ));
        };
        for item in items {
            let Some(id) = item.get(&client.id_member).or_else(|| item.get("id")).and_then(as_version) else {
                return Err(Trouble::Broken("an id in each item".to_owned()));
            };
            if item.get("deleted") == Some(&Value::Bool(true)) {
                list.deleted.insert(id.clone());
            }
            if let Some(version) = item.get("version").and_then(as_version) {
                list.versions.insert(id.clone(), version);
            }
            list.ids.push(id);
        }
        list.largest = list.largest.max(items.len());
        let cursor = page.get("cursor").and_then(Value::as_str).map(ToOwned::to_owned);
        let more = page.get("hasMore").and_then(Value::as_bool).unwrap_or(items.len() >= limit as usize);
        if more && cursor.is_none() {
            return Err(Trouble::Broken("a cursor, a string, where there is more".to_owned()));
        }
        if more && cursor == list.cursor {
            return Err(Trouble::Broken("a cursor that moves on where there is more".to_owned()));
        }
        list.cursor = cursor.or(list.cursor);
        if !more {
            return Ok(list);
        }
    }
    Err(Trouble::Broken("an end of the list".to_owned()))
}

async fn pages(client: &Client) -> Checked {
    let mut wanted = BTreeSet::new();
    for _ in 0..5 {
        wanted.insert(made(client, "paged").await?.id);
    }
    let list = walk(client, None, 2).await?;
    expect(list.largest <= 2, format!("at most 2 items a page, and not {}", list.largest))?;
    let listed: BTreeSet<_> = list.ids.into_iter().collect();
    expect(wanted.is_subset(&listed), "every record in one of the pages")
}

async fn changes(client: &Client) -> Checked {
    let old = made(client, "old").await?;
    let before = list(client, None).await?.cursor;
    expect(before.is_some(), "a cursor with the last page")?;
    let new = made(client, "new").await?;
    edited(client, &old).await?;
    let after: BTreeSet<_> = list(client, before).await?.ids.into_iter().collect();
    expect(after.contains(&new.id), "a record that was created after the cursor")?;
    expect(after.contains(&old.id), "a record that was changed after the cursor")
}

async fn tombstones(client: &Client) -> Checked {
    let made = made(client, "short-lived").await?;
    let before = list(client, None).await?.cursor;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    let after = list(client, before).await?;
    expect(after.deleted.contains(&made.id), "`{\"id\": …, \"deleted\": true}` after the cursor")
}

async fn nothing_new(client: &Client) -> Checked {
    made(client, "last").await?;
    let end = list(client, None).await?.cursor;
    let after = list(client, end.clone()).await?;
    expect(after.ids.is_empty(), "no item after the last cursor")?;
    expect(after.cursor == end, "the same cursor again")
}

/// Some write while one reads: whatever is committed late, with however early a number, has to be listed after a cursor that
/// was given out before it.
async fn concurrent_writers(client: &Client, writers: usize) -> Checked {
    const EACH: usize = 20;
    let start = list(client, None).await?.cursor;
    let write = async |_| {
        let mut ids = Vec::new();
        for _ in 0..EACH {
            ids.push(made(client, "at once").await?.id);
        }
        Ok::<_, Trouble>(ids)
    };
    let done = tokio::sync::Notify::new();
    let writing = async {
        let written = join_all((0..writers).map(write)).await;
        done.notify_one();
        written
    };
    let reading = async {
        let (mut cursor, mut seen, mut last) = (start, BTreeSet::new(), false);
        loop {
            let page = walk(client, cursor, 7).await?;
            seen.extend(page.ids);
            cursor = page.cursor;
            if last {
                return Ok::<_, Trouble>(seen);
            }
            // Once more after everything was written.
            last = timeout(Duration::from_millis(1), done.notified()).await.is_ok();
        }
    };
    let (written, seen) = futures::join!(writing, reading);
    let seen = seen?;
    let mut missed = 0;
    for ids in written {
        missed += ids?.iter().filter(|id| !seen.contains(*id)).count();
    }
    expect(missed == 0, format!("all records that {writers} wrote meanwhile, and {missed} were never listed"))
}

async fn bad_record(client: &Client) -> Checked {
    for body in [Value::Array(Vec::new()), Value::Null, Value::from("text")] {
        let said = client.create(body, Uuid::now_v7()).await?;
        expect((400..500).contains(&said.status), "4xx to a creation of what is no record")?;
    }
    create(client).await
}

async fn problem_details(client: &Client) -> Checked {
    let said = client.create(Value::Array(Vec::new()), Uuid::now_v7()).await?;
    let problem = said.json().unwrap_or_default();
    let says = ["title", "detail"].iter().any(|name| problem.get(name).is_some_and(Value::is_string));
    if says { Ok(()) } else { Err(Trouble::NotOffered("no `title` and no `detail` in the body".to_owned())) }
}

async fn live_changes(client: &Client) -> Checked {
    let mut events = client.events().await?;
    let kind = events.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if events.status().as_u16() != 200 || !kind.starts_with("text/event-stream") {
        return Err(Trouble::NotOffered(format!("status {}", events.status().as_u16())));
    }
    made(client, "told").await?;
    let mut text = String::new();
    let heard = timeout(SOON, async {
        while let Ok(Some(chunk)) = events.chunk().await {
            text += &String::from_utf8_lossy(&chunk);
            if text.lines().any(|line| line.starts_with("data:")) {
                return true;
            }
        }
        false
    });
    expect(heard.await.unwrap_or(false), format!("an event with `data:` within {SOON:?} of a write"))
}
