//! The rules of the contract, and how each is checked.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::client::{Ask, Client, NoAnswer, Said, content_type, fresh_id};
use super::template::scalar;
use super::{Failure, Outcome, lists, races, writes};

/// How long an event may take.
const SOON: Duration = Duration::from_secs(5);

/// How a creation or an overwrite is said to be done.
pub(super) const CREATED: &[u16] = &[200, 201, 204];
/// How an update or a deletion is.
pub(super) const DONE: &[u16] = &[200, 204];

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
    RepeatedCreateLater required "a creation that is repeated after somebody's edit or deletion undoes neither",
    CreateOfWhatIsThere required "a creation of what is there is refused with 409 or 412, and changes nothing",
    RepeatedUpdate required "an update that is repeated with its key, after a lost answer, is no conflict, and undoes no later edit",
    Update required "an update changes the record",
    PartialUpdate required "what an update does not name stays as it is",
    ClearingUpdate required "what is `null` in an update goes",
    StaleUpdate required "an update of another version is refused with 409 or 412, and changes nothing",
    ConflictBringsTheRecord optional "a conflict brings the server's record",
    UpdateOfNothing required "an update of a record that is not there says 404 or 410",
    UpdateOfWhatWasDeleted required "an update of a deleted record is refused with 404, 409, 410 or 412, and brings nothing back",
    RacingUpdates required "of several updates of one version at once, one is taken",
    RacingCreations required "of several creations of one record at once, one is taken",
    Overwrite required "a record can be put in place of another",
    StaleOverwrite required "an overwrite of another version is refused, and changes or brings back nothing",
    RepeatedOverwrite required "an overwrite that is repeated with its key is no conflict, and undoes no later edit",
    CreateOfWhatWasDeleted required "a deleted record can be created again, when an edit wins over a deletion",
    Delete required "a deleted record is gone, and deleting it again does no harm",
    RepeatedDelete required "a deletion that is repeated with its key deletes nothing that was created since",
    StaleDelete required "a deletion of another version is refused with 409 or 412, and deletes nothing",
    OddIds required "ids are percent-encoded as one segment, whatever is in those that are taken",
    Versions required "answers and pulled records tell a version, and the same one",
    Pages required "a list comes in pages, complete and no larger than asked for",
    Changes required "what changed after a cursor comes after it, each record whole and as it is",
    Tombstones required "a deletion is listed as a tombstone",
    NothingNew required "a cursor at the end brings nothing",
    ConcurrentWriters required "no record is missed while others write",
    BadRecord required "what is no record is refused with 4xx, and does not harm",
    ProblemDetails optional "a refusal says why, as problem details (RFC 9457)",
    LiveChanges optional "changes are told as server-sent events",
}

/// Why a rule is not kept.
pub(super) enum Trouble {
    Broken(String),
    NotOffered(String),
}

impl From<NoAnswer> for Trouble {
    fn from(NoAnswer(reason): NoAnswer) -> Self {
        Self::Broken(format!("an answer: {reason}"))
    }
}

pub(super) type Checked = Result<(), Trouble>;

/// Breaks the rule unless something holds.
pub(super) fn expect(holds: bool, expected: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Trouble::Broken(expected.into())) }
}

pub(super) async fn check(rule: Rule, client: &Client, writers: usize) -> Outcome {
    let checked = match rule {
        Rule::Create => writes::create(client).await,
        Rule::RepeatedCreate => lists::repeated_create(client).await,
        Rule::RepeatedCreateLater => writes::repeated_create_later(client).await,
        Rule::CreateOfWhatIsThere => writes::create_of_what_is_there(client).await,
        Rule::RepeatedUpdate => writes::repeated_update(client).await,
        Rule::Update => writes::update(client).await,
        Rule::PartialUpdate => writes::partial_update(client).await,
        Rule::ClearingUpdate => writes::clearing_update(client).await,
        Rule::StaleUpdate => writes::stale_update(client).await,
        Rule::ConflictBringsTheRecord => writes::conflict_brings_the_record(client).await,
        Rule::UpdateOfNothing => writes::update_of_nothing(client).await,
        Rule::UpdateOfWhatWasDeleted => writes::update_of_what_was_deleted(client).await,
        Rule::RacingUpdates => races::racing_updates(client).await,
        Rule::RacingCreations => races::racing_creations(client).await,
        Rule::Overwrite => writes::overwrite(client).await,
        Rule::StaleOverwrite => writes::stale_overwrite(client).await,
        Rule::RepeatedOverwrite => writes::repeated_overwrite(client).await,
        Rule::CreateOfWhatWasDeleted => writes::create_of_what_was_deleted(client).await,
        Rule::Delete => writes::delete(client).await,
        Rule::RepeatedDelete => writes::repeated_delete(client).await,
        Rule::StaleDelete => writes::stale_delete(client).await,
        Rule::OddIds => writes::odd_ids(client).await,
        Rule::Versions => lists::versions(client).await,
        Rule::Pages => lists::pages(client).await,
        Rule::Changes => lists::changes(client).await,
        Rule::Tombstones => lists::tombstones(client).await,
        Rule::NothingNew => lists::nothing_new(client).await,
        Rule::ConcurrentWriters => lists::concurrent_writers(client, writers).await,
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
pub(super) struct Made {
    pub(super) id: String,
    pub(super) version: Option<String>,
}

pub(super) async fn made(client: &Client, text: &str) -> Result<Made, Trouble> {
    made_under(client, text, Uuid::now_v7()).await
}

/// A record whose creation had this key.
pub(super) async fn made_under(client: &Client, text: &str, key: Uuid) -> Result<Made, Trouble> {
    let id = fresh_id();
    let said = client.create(client.record(&id, text), key).await?;
    expect(
        said.is_done_with(CREATED),
        "200, 201 or 204, with the record as it is then or nothing, to a creation",
    )?;
    let version = match said.version() {
        Some(version) => Some(version),
        None => version_of(client, &id).await?,
    };
    Ok(Made { id, version })
}

/// The version that a request for the record tells, in its head or its body.
pub(super) async fn version_of(client: &Client, id: &str) -> Result<Option<String>, Trouble> {
    let said = client.fetch(id).await?;
    let member = said.json().and_then(|record| scalar(record.get("version")?));
    Ok(said.version().or(member))
}

/// Changes a record, and tells the version that it had before.
pub(super) async fn edited(client: &Client, made: &Made) -> Result<Said, Trouble> {
    let body = Some(client.record(&made.id, "edited"));
    let ask = Ask { body, if_match: made.version.clone(), ..Ask::default() };
    let said = client.write(Method::PATCH, &made.id, ask).await?;
    expect(
        said.is_done_with(DONE),
        "200 or 204, with the record as it is then or nothing, to an update of the current version",
    )?;
    Ok(said)
}

/// Whether the record says this.
pub(super) async fn says(client: &Client, id: &str, text: &str) -> Result<bool, Trouble> {
    let said = client.fetch(id).await?;
    expect(said.status == 200, "200 to a request for a record that exists")?;
    let record = said.json().ok_or_else(|| Trouble::Broken("a record as JSON".to_owned()))?;
    Ok(client.template.agrees(&record, &client.record(id, text)))
}

async fn bad_record(client: &Client) -> Checked {
    for body in [Value::Array(Vec::new()), Value::Null, Value::from("text")] {
        let said = client.create(body, Uuid::now_v7()).await?;
        expect(said.is_refused(), "4xx, without a page of HTML, to a creation of what is no record")?;
    }
    writes::create(client).await
}

async fn problem_details(client: &Client) -> Checked {
    let said = client.create(Value::Array(Vec::new()), Uuid::now_v7()).await?;
    let problem = said.json().unwrap_or_default();
    let says = ["title", "detail"].iter().any(|name| problem.get(name).is_some_and(Value::is_string));
    if says { Ok(()) } else { Err(Trouble::NotOffered("no `title` and no `detail` in the body".to_owned())) }
}

async fn live_changes(client: &Client) -> Checked {
    let mut events = client.events().await?;
    if events.status().as_u16() != 200 || !content_type(events.headers()).starts_with("text/event-stream") {
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
