//! The rules about lists, and how a list is read: as the engine does, with the server's cursors or, where it gives none, by the
//! newest `updated_at`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::client::{Ask, Client, Said, fresh_id};
use super::rules::{CREATED, Checked, Made, Trouble, edited, expect, made, version_of};
use super::template::scalar;
use super::writes::{created_again, overwritten};
use crate::remote::rest::page::LONGEST_CURSOR;

/// As many items as the engine asks for.
const FULL: u32 = 500;

/// So many pages end every list.
const PAGES: usize = 20_000;

/// How far the clock of whoever has changed something may be ahead of the server's.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// Where the list ended when the check began.
#[derive(Debug)]
pub(super) struct Start {
    cursor: Option<String>,
    /// Whether the server gives cursors, or the newest `updated_at` is one.
    told: bool,
}

/// All that is listed after a cursor.
#[derive(Debug, Default)]
struct List {
    ids: Vec<String>,
    /// What it says of each record of this check, by its id: the last of it, where it says more.
    own: BTreeMap<String, Value>,
    cursor: Option<String>,
    largest: usize,
    /// Whether the server gave that cursor.
    told: bool,
}

/// Where what is written from now on is listed. To be asked for before it is written.
async fn start(client: &Client) -> Result<&Start, Trouble> {
    let walked = async || {
        let mut walk = Walk::from(None, FULL);
        while walk.go_on(client).await? {
            // Whatever others have there need not be remembered.
            walk.list = List { cursor: walk.list.cursor, told: walk.list.told, ..List::default() };
        }
        Ok(Start { cursor: walk.list.cursor, told: walk.list.told })
    };
    client.start.get_or_try_init(walked).await
}

/// What is listed after a cursor, in small pages where the server says itself how they go on: by time, a page that is full with one
/// moment leads nowhere.
async fn list(client: &Client, since: Option<String>) -> Result<List, Trouble> {
    const PAGE: u32 = 50;
    let limit = if start(client).await?.told { PAGE } else { FULL };
    walk(client, since, limit).await
}

/// What is listed of the records of this check.
async fn list_new(client: &Client) -> Result<List, Trouble> {
    list(client, start(client).await?.cursor.clone()).await
}

/// Page by page, until there is no more.
async fn walk(client: &Client, since: Option<String>, limit: u32) -> Result<List, Trouble> {
    let mut walk = Walk::from(since, limit);
    while walk.go_on(client).await? {}
    Ok(walk.list)
}

/// A way through the pages of a list.
struct Walk {
    list: List,
    limit: u32,
    pages: usize,
    before: Vec<Value>,
}

impl Walk {
    fn from(since: Option<String>, limit: u32) -> Self {
        Self { list: List { cursor: since, ..List::default() }, limit, pages: 0, before: Vec::new() }
    }

    /// Reads the next page. Answers whether there is more.
    async fn go_on(&mut self, client: &Client) -> Result<bool, Trouble> {
        self.pages += 1;
        expect(self.pages <= PAGES, format!("an end of the list within {PAGES} pages"))?;
        let list = &mut self.list;
        let said = client.page(list.cursor.as_deref(), self.limit).await?;
        let Page { items, cursor, more } = Page::of(&said)?;
        list.told |= cursor.is_some();
        for item in &items {
            // By time, a page begins with what the one before ended with.
            if list.told || !self.before.contains(item) {
                list.take(client, item)?;
            }
        }
        list.largest = list.largest.max(items.len());
        let full = items.len() >= self.limit as usize;
        let more = more.unwrap_or(full);
        let next = match cursor {
            Some(cursor) => Some(cursor),
            None => by_time(client, &said, &items, list.cursor.as_deref()),
        };
        let moved = next.is_some() && next != list.cursor;
        let where_there_is_more =
            "a cursor that moves on where there is more, or else items whose newest `updatedAt` does";
        expect(moved || !more, where_there_is_more)?;
        list.cursor = next.or(list.cursor.take());
        self.before = items;
        Ok(more)
    }
}

/// A page, read as the engine reads it: with any other, a pull stops.
struct Page {
    items: Vec<Value>,
    cursor: Option<String>,
    more: Option<bool>,
}

impl Page {
    fn of(said: &Said) -> Result<Self, Trouble> {
        expect(said.status == 200, "200 to a request for a page")?;
        let mut page = said.json().unwrap_or_default();
        let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
            return Err(Trouble::Broken(
                "a page `{\"items\": […], \"cursor\": \"…\", \"hasMore\": …}`".to_owned(),
            ));
        };
        let cursor = page.get("cursor").filter(|cursor| !cursor.is_null());
        let text = cursor.and_then(scalar).filter(|cursor| cursor.len() <= LONGEST_CURSOR);
        expect(
            text.is_some() == cursor.is_some(),
            format!("a `cursor` that is a text or an integer of at most {LONGEST_CURSOR} bytes, or none"),
        )?;
        let more = page.get("hasMore").filter(|more| !more.is_null());
        expect(more.is_none_or(Value::is_boolean), "a `hasMore` that is `true` or `false`, or none")?;
        Ok(Self { items, cursor: text, more: more.and_then(Value::as_bool) })
    }
}

/// The cursor after a page without one: the newest time among its items, unless that is of a clock that is wrong. A cursor that is
/// no time was the server's own, and a time would mean nothing to it.
fn by_time(client: &Client, said: &Said, items: &[Value], before: Option<&str>) -> Option<String> {
    if before.is_some_and(|before| DateTime::parse_from_rfc3339(before).is_err()) {
        return before.map(ToOwned::to_owned);
    }
    let latest = said.date().map(|date| date + AHEAD);
    let times = items.iter().filter_map(|item| client.template.changed_at(item));
    let newest: Option<DateTime<Utc>> =
        times.filter(|time| latest.is_none_or(|latest| *time <= latest)).max();
    newest.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

impl List {
    fn take(&mut self, client: &Client, item: &Value) -> Checked {
        let Some(id) = client.template.id_of(item) else {
            return Err(Trouble::Broken("an id in each item".to_owned()));
        };
        if client.has_made(&id) {
            self.own.insert(id.clone(), item.clone());
        }
        self.ids.push(id);
        Ok(())
    }

    /// Breaks the rule unless a record is listed as a request for it brings it: of most records the engine never sees anything else.
    async fn shows(&self, client: &Client, id: &str, which: &str) -> Checked {
        let Some(item) = self.own.get(id) else {
            return Err(Trouble::Broken(format!("a record that {which} in the list")));
        };
        let exists = matches!(item.get("deleted"), None | Some(Value::Null | Value::Bool(false)));
        expect(
            exists,
            format!("no `deleted`, or `\"deleted\": false`, in the item of a record that exists, not {item}"),
        )?;
        let record = client.fetch(id).await?.json().unwrap_or_default();
        let template = &client.template;
        expect(
            template.is_whole(item, &record) && template.agrees(item, &record),
            format!(
                "a record that {which} in the list as a request for it brings it, with all its members, not {item}"
            ),
        )
    }
}

pub(super) async fn repeated_create(client: &Client) -> Checked {
    let (id, key) = (fresh_id(), Uuid::now_v7());
    start(client).await?;
    client.create(client.record(&id, "once"), key).await?;
    let again = client.create(client.record(&id, "once"), key).await?;
    expect(again.is_done_again_with(CREATED), "200, 201 or 204: the same key is the same operation")?;
    let listed = list_new(client).await?.ids.into_iter().filter(|listed| *listed == id).count();
    expect(listed == 1, format!("the record once in the list, and not {listed} times"))
}

/// A record that was changed at another time than the one before, where a page ends by time: nothing is told of the grain of the
/// server's clock.
async fn made_at_another_time(client: &Client, last: &mut Option<DateTime<Utc>>) -> Result<String, Trouble> {
    const TRIES: usize = 100;
    let Made { id, mut version } = made(client, "paged").await?;
    for _ in 0..TRIES {
        let time = client.fetch(&id).await?.json().and_then(|record| client.template.changed_at(&record));
        if time.is_none() || time != *last {
            *last = time;
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        edited(client, &Made { id: id.clone(), version }).await?;
        version = version_of(client, &id).await?;
    }
    Ok(id)
}

pub(super) async fn pages(client: &Client) -> Checked {
    let Start { cursor, told } = start(client).await?;
    let mut since = list(client, cursor.clone()).await?.cursor;
    let mut last = since.as_deref().and_then(|since| since.parse().ok());
    if !told {
        // Several records may have been changed when the list ended: small pages begin with one that is alone there.
        made_at_another_time(client, &mut last).await?;
        since = list(client, since).await?.cursor;
    }
    let mut wanted = Vec::new();
    for _ in 0..5 {
        wanted.push(match told {
            true => made(client, "paged").await?.id,
            false => made_at_another_time(client, &mut last).await?,
        });
    }
    let list = walk(client, since, 2).await?;
    expect(list.largest <= 2, format!("at most 2 items a page, and not {}", list.largest))?;
    for id in &wanted {
        list.shows(client, id, "belongs into one of the pages").await?;
    }
    Ok(())
}

pub(super) async fn changes(client: &Client) -> Checked {
    start(client).await?;
    let old = made(client, "old").await?;
    let before = list_new(client).await?.cursor;
    expect(before.is_some(), "a cursor with the last page, or the time of each change as `updatedAt`")?;
    let new = made(client, "new").await?;
    edited(client, &old).await?;
    let put = overwritten(client).await?;
    let back = created_again(client).await?;
    let after = list(client, before).await?;
    after.shows(client, &new.id, "was created after the cursor").await?;
    after.shows(client, &old.id, "was changed after the cursor").await?;
    after.shows(client, &put, "was put in place of another after the cursor").await?;
    after.shows(client, &back, "was created again after the cursor").await
}

pub(super) async fn tombstones(client: &Client) -> Checked {
    start(client).await?;
    let made = made(client, "short-lived").await?;
    let before = list_new(client).await?.cursor;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    let after = list(client, before).await?;
    let item = after.own.get(&made.id);
    let deleted = item.and_then(|item| item.get("deleted")) == Some(&Value::Bool(true));
    expect(deleted, "`{\"id\": …, \"deleted\": true}` after the cursor")
}

pub(super) async fn nothing_new(client: &Client) -> Checked {
    const TRIES: usize = 5;
    start(client).await?;
    made(client, "last").await?;
    for _ in 0..TRIES {
        let end = list_new(client).await?;
        let after = list(client, end.cursor.clone()).await?;
        let known: BTreeSet<_> = end.ids.into_iter().collect();
        if after.ids.iter().any(|id| !known.contains(id) && !client.has_made(id)) {
            // Somebody else has written.
            continue;
        }
        return if end.told {
            expect(after.ids.is_empty(), "no item after the last cursor")
        } else {
            expect(after.ids.iter().all(|id| known.contains(id)), "nothing new after the newest time")
        };
    }
    Err(Trouble::Broken("nothing new after the last cursor, unless somebody else writes".to_owned()))
}

/// Some write while one reads: whatever is committed late, with however early a number, has to be listed after a cursor that
/// was given out before it.
pub(super) async fn concurrent_writers(client: &Client, writers: usize) -> Checked {
    const EACH: usize = 20;
    let limit = if start(client).await?.told { 7 } else { FULL };
    let begin = list_new(client).await?.cursor;
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
        let (mut cursor, mut seen, mut last) = (begin, BTreeSet::new(), false);
        loop {
            let page = walk(client, cursor, limit).await?;
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

pub(super) async fn versions(client: &Client) -> Checked {
    start(client).await?;
    let made = made(client, "first").await?;
    let written = edited(client, &made).await?.version();
    let fetched = version_of(client, &made.id).await?;
    let Some(fetched) = fetched else {
        return Err(Trouble::NotOffered("no `ETag` and no member `version`".to_owned()));
    };
    expect(written.is_none_or(|written| written == fetched), "the version that the update answered")?;
    let list = list_new(client).await?;
    let Some(item) = list.own.get(&made.id) else {
        return Err(Trouble::Broken("the record in the list".to_owned()));
    };
    let Some(pulled) = item.get("version").and_then(scalar) else {
        return Err(Trouble::NotOffered(
            "no `version` in the list: an edit that follows a pull is not protected".to_owned(),
        ));
    };
    expect(pulled == fetched, format!("the version `{fetched}` in the list, too, and not `{pulled}`"))
}
