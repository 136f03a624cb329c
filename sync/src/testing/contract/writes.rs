//! The rules about writes.

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::client::{Ask, Client, Said, fresh_id};
use super::rules::{
    CREATED, Checked, DONE, Made, Trouble, edited, expect, made, made_under, says, version_of,
};

/// Why nothing can be said of updates that leave out members, or clear some.
const NO_OTHER_MEMBER: &str = "the template has no member besides the one that is edited and times";

pub(super) async fn create(client: &Client) -> Checked {
    let made = made(client, "new").await?;
    expect(says(client, &made.id, "new").await?, "the record that was created")
}

/// What was accepted is not made true again, whatever has become of it since.
pub(super) async fn repeated_create_later(client: &Client) -> Checked {
    let key = Uuid::now_v7();
    let made = made_under(client, "first", key).await?;
    edited(client, &made).await?;
    let again = client.create(client.record(&made.id, "first"), key).await?;
    expect(
        again.is_done_again_with(CREATED),
        "200, 201 or 204: the same key is the same operation, also after an edit",
    )?;
    expect(says(client, &made.id, "edited").await?, "the record as somebody has edited it since")?;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    let again = client.create(client.record(&made.id, "first"), key).await?;
    expect(
        again.is_done_again_with(CREATED),
        "200, 201 or 204: the same key is the same operation, also after a deletion",
    )?;
    expect(client.fetch(&made.id).await?.is_gone(), "the record still deleted")
}

/// An answer with the record that is there would be taken for the one that was sent.
pub(super) async fn create_of_what_is_there(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    let said = client.create(client.record(&made.id, "second"), Uuid::now_v7()).await?;
    expect(
        said.is_conflict(),
        "409 or 412 to a creation, under a key of its own, of a record that is there",
    )?;
    expect(says(client, &made.id, "first").await?, "the record unchanged")
}

pub(super) async fn repeated_update(client: &Client) -> Checked {
    repeated(client, Method::PATCH, DONE).await
}

pub(super) async fn repeated_overwrite(client: &Client) -> Checked {
    repeated(client, Method::PUT, CREATED).await
}

/// A write whose answer is lost may come again at once, or after somebody else has edited the record.
async fn repeated(client: &Client, method: Method, done: &[u16]) -> Checked {
    let made = made(client, "first").await?;
    let body = Some(client.record(&made.id, "second"));
    let ask = Ask { key: Some(Uuid::now_v7()), if_match: made.version.clone(), body };
    let write = async || client.write(method.clone(), &made.id, ask.clone()).await;
    let told = if done == CREATED { "200, 201 or 204" } else { "200 or 204" };
    let said = write().await?;
    expect(
        said.is_done_with(done),
        format!("{told}, with the record as it is then or nothing, to a `{method}` over the current version"),
    )?;
    let again = write().await?;
    expect(again.is_done_again_with(done), format!("{told}: the same key is the same operation"))?;
    let version = version_of(client, &made.id).await?;
    edited(client, &Made { version, id: made.id.clone() }).await?;
    let again = write().await?;
    expect(
        again.is_done_again_with(done),
        format!("{told}: the same key is the same operation, also after an edit under another key"),
    )?;
    expect(says(client, &made.id, "edited").await?, "the record as somebody has edited it since")
}

pub(super) async fn update(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    edited(client, &made).await?;
    expect(says(client, &made.id, "edited").await?, "the record as it was edited")
}

/// Programs of an older version do not know every member.
pub(super) async fn partial_update(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    if client.template.others().next().is_none() {
        return Err(Trouble::NotOffered(NO_OTHER_MEMBER.to_owned()));
    }
    let mut update = client.record(&made.id, "edited");
    for name in client.template.others() {
        update.as_object_mut().and_then(|update| update.remove(name));
    }
    let ask = Ask { body: Some(update), if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::PATCH, &made.id, ask).await?;
    if said.is_refused() {
        let reason = format!("an update without all members is refused with {}", said.status);
        return Err(Trouble::NotOffered(reason));
    }
    expect(
        said.is_done_with(DONE),
        "200 or 204, with the record as it is then or nothing, to an update that leaves members out, or a refusal with 4xx",
    )?;
    expect(says(client, &made.id, "edited").await?, "the members that the update left out as they were")
}

/// What the user has emptied would be back with the next pull.
pub(super) async fn clearing_update(client: &Client) -> Checked {
    let mut why = NO_OTHER_MEMBER.to_owned();
    for name in client.template.others() {
        let made = made(client, "first").await?;
        let mut update = client.record(&made.id, "edited");
        update[name] = Value::Null;
        let ask = Ask { body: Some(update), if_match: made.version.clone(), ..Ask::default() };
        let said = client.write(Method::PATCH, &made.id, ask).await?;
        if said.is_refused() {
            why = format!("an update with `null` for `{name}` is refused with {}", said.status);
            continue;
        }
        expect(
            said.is_done_with(DONE),
            format!(
                "200 or 204, with the record as it is then or nothing, to an update with `null` for `{name}`, or a refusal with 4xx"
            ),
        )?;
        let record = client.fetch(&made.id).await?.json().unwrap_or_default();
        return expect(
            record.get(name).is_none_or(Value::is_null),
            format!("no `{name}` after an update with `null` for it, or `null`"),
        );
    }
    Err(Trouble::NotOffered(why))
}

/// A record and its version.
pub(super) async fn versioned(client: &Client) -> Result<(Made, String), Trouble> {
    let made = made(client, "first").await?;
    let Some(version) = made.version.clone() else {
        return Err(Trouble::Broken(
            "a version of the record, as a strong `ETag` or as the member `version`".to_owned(),
        ));
    };
    Ok((made, version))
}

/// A record that was edited since, and its version before that.
async fn outdated(client: &Client) -> Result<(Made, String), Trouble> {
    let (made, version) = versioned(client).await?;
    edited(client, &made).await?;
    Ok((made, version))
}

/// An update on a version that is no longer the newest.
async fn stale(client: &Client) -> Result<(Made, Said), Trouble> {
    let (made, version) = outdated(client).await?;
    let body = Some(client.record(&made.id, "stale"));
    let ask = Ask { body, if_match: Some(version), ..Ask::default() };
    let said = client.write(Method::PATCH, &made.id, ask).await?;
    expect(said.is_conflict(), "409 or 412 to an update of another version than the current one")?;
    Ok((made, said))
}

pub(super) async fn stale_update(client: &Client) -> Checked {
    let (made, _) = stale(client).await?;
    expect(says(client, &made.id, "edited").await?, "the record unchanged")
}

pub(super) async fn conflict_brings_the_record(client: &Client) -> Checked {
    let (made, said) = stale(client).await?;
    let body = said.json().unwrap_or_default();
    let is = |record: &Value| client.template.id_of(record).as_ref() == Some(&made.id);
    expect(is(&body) || body.get("current").is_some_and(is), "the server's record, bare or under `current`")
}

pub(super) async fn update_of_nothing(client: &Client) -> Checked {
    let id = fresh_id();
    let ask = Ask { body: Some(client.record(&id, "nowhere")), ..Ask::default() };
    let said = client.write(Method::PATCH, &id, ask).await?;
    expect(
        said.is_gone(),
        "404 or 410, without a page of HTML, to an update of a record that was never there",
    )
}

/// Also as a success that brings the tombstone it would be taken for an edit of what is not there.
pub(super) async fn update_of_what_was_deleted(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    let body = Some(client.record(&made.id, "too late"));
    let said = client.write(Method::PATCH, &made.id, Ask { body, ..Ask::default() }).await?;
    expect(
        said.is_gone() || said.is_conflict(),
        "404, 409, 410 or 412, without a page of HTML, to an update of a record that was deleted",
    )?;
    expect(client.fetch(&made.id).await?.is_gone(), "the record still deleted")
}

pub(super) async fn overwrite(client: &Client) -> Checked {
    let put = overwritten(client).await?;
    expect(says(client, &put, "put").await?, "the record that was put")
}

/// A record that was put in place of another.
pub(super) async fn overwritten(client: &Client) -> Result<String, Trouble> {
    let made = made(client, "first").await?;
    let body = Some(client.record(&made.id, "put"));
    let ask = Ask { body, if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::PUT, &made.id, ask).await?;
    expect(
        said.is_done_with(CREATED),
        "200, 201 or 204, with the record as it is then or nothing, to a `PUT`",
    )?;
    Ok(made.id)
}

pub(super) async fn stale_overwrite(client: &Client) -> Checked {
    let (made, version) = outdated(client).await?;
    let body = Some(client.record(&made.id, "stale"));
    let ask = Ask { body, if_match: Some(version), ..Ask::default() };
    let said = client.write(Method::PUT, &made.id, ask.clone()).await?;
    expect(said.is_conflict(), "409 or 412 to a `PUT` over another version than the current one")?;
    expect(says(client, &made.id, "edited").await?, "the record unchanged")?;
    // The version that goes is the only one that is not outdated by then anyway.
    let last = version_of(client, &made.id).await?;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    for version in [last, ask.if_match.clone()] {
        let said = client.write(Method::PUT, &made.id, Ask { if_match: version, ..ask.clone() }).await?;
        expect(
            said.is_conflict() || said.is_gone(),
            "404, 409, 410 or 412 to a `PUT` over a version that was deleted",
        )?;
        expect(client.fetch(&made.id).await?.is_gone(), "the record still deleted")?;
    }
    Ok(())
}

pub(super) async fn create_of_what_was_deleted(client: &Client) -> Checked {
    let back = created_again(client).await?;
    expect(says(client, &back, "back").await?, "the record that was created again")
}

/// A record that was deleted and is back: whose edit wins over a deletion creates the record anew, and has no version to name.
pub(super) async fn created_again(client: &Client) -> Result<String, Trouble> {
    let made = made(client, "first").await?;
    client.write(Method::DELETE, &made.id, Ask::default()).await?;
    expect(
        client.fetch(&made.id).await?.is_gone(),
        "404 or 410, without a page of HTML, to a request for a deleted record",
    )?;
    let said = client.create(client.record(&made.id, "back"), Uuid::now_v7()).await?;
    expect(
        said.is_done_with(CREATED),
        "200, 201 or 204, with the record as it is then or nothing, to a creation, under a key of its own, of a record that was deleted",
    )?;
    Ok(made.id)
}

pub(super) async fn delete(client: &Client) -> Checked {
    let made = made(client, "short-lived").await?;
    let ask = Ask { if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::DELETE, &made.id, ask).await?;
    expect(said.is_done_with(DONE), "200 or 204 to a deletion")?;
    expect(
        client.fetch(&made.id).await?.is_gone(),
        "404 or 410, without a page of HTML, to a request for a deleted record",
    )?;
    let again = client.write(Method::DELETE, &made.id, Ask::default()).await?;
    expect(
        again.is_gone() || again.is_done_with(DONE),
        "404 or 410, without a page of HTML, or 200 or 204, to a second deletion",
    )
}

pub(super) async fn repeated_delete(client: &Client) -> Checked {
    let made = made(client, "first").await?;
    let ask = Ask { key: Some(Uuid::now_v7()), if_match: made.version.clone(), body: None };
    client.write(Method::DELETE, &made.id, ask.clone()).await?;
    let said = client.create(client.record(&made.id, "back"), Uuid::now_v7()).await?;
    expect(said.is_done_with(CREATED), "200, 201 or 204 to a creation of a record that was deleted")?;
    let again = client.write(Method::DELETE, &made.id, ask).await?;
    expect(
        again.is_done_again_with(DONE),
        "200 or 204: the same key is the same operation, also after the record was created again",
    )?;
    expect(says(client, &made.id, "back").await?, "the record that was created since still there")
}

pub(super) async fn stale_delete(client: &Client) -> Checked {
    let (made, version) = outdated(client).await?;
    let ask = Ask { if_match: Some(version), ..Ask::default() };
    let said = client.write(Method::DELETE, &made.id, ask).await?;
    expect(said.is_conflict(), "409 or 412 to a deletion of another version than the current one")?;
    expect(client.fetch(&made.id).await?.status == 200, "the record still there")
}

/// A server that takes no such ids, but only UUIDs, say, is never asked about one.
pub(super) async fn odd_ids(client: &Client) -> Checked {
    let mut refused = None;
    for odd in ["a/b", "100%", "ä ö", "a?b#c", "a+b&c", "%2e%2e"] {
        let id = format!("{odd}-{}", fresh_id());
        let said = client.create(client.record(&id, "odd"), Uuid::now_v7()).await?;
        if said.is_refused() {
            refused.get_or_insert_with(|| format!("the id `{id}` is refused with {}", said.status));
            continue;
        }
        expect(
            said.is_done_with(CREATED),
            format!("200, 201 or 204 to a record with the id `{id}`, or a refusal of the id with 4xx"),
        )?;
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
    refused.map_or(Ok(()), |reason| Err(Trouble::NotOffered(reason)))
}
