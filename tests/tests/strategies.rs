//! The built-in strategies, each asked about every kind of conflict.

#![allow(clippy::unwrap_used, reason = "a test may")]

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::{
    ClientWins, Conflict, LastWriteWins, Merge, Mergeable, Resolution, ServerWins, Strategy, Syncable,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = Merge)]
struct Card {
    id: u32,
    front: String,
    back: String,
    updated_at: DateTime<Utc>,
}

fn card(front: &str, back: &str, minute: i64) -> Card {
    let updated_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    Card { id: 1, front: front.to_owned(), back: back.to_owned(), updated_at }
}

async fn ask<W: Strategy<(), Card>>(
    base: Option<Card>,
    local: Option<Card>,
    remote: Option<Card>,
) -> Resolution<Card> {
    W::resolve(&(), Conflict::new(1, base, local, remote)).await.unwrap()
}

#[tokio::test]
async fn server_wins_takes_the_servers_side_whatever_it_is() {
    let local = Some(card("mine", "", 9));
    assert_eq!(
        ask::<ServerWins>(None, local.clone(), Some(card("theirs", "", 1))).await,
        Resolution::TakeRemote
    );
    assert_eq!(ask::<ServerWins>(None, local, None).await, Resolution::TakeRemote);
}

#[tokio::test]
async fn client_wins_keeps_the_local_side_whatever_it_is() {
    let remote = Some(card("theirs", "", 9));
    assert_eq!(
        ask::<ClientWins>(None, Some(card("mine", "", 1)), remote.clone()).await,
        Resolution::KeepLocal
    );
    assert_eq!(ask::<ClientWins>(None, None, remote).await, Resolution::KeepLocal);
}

#[tokio::test]
async fn last_write_wins_compares_the_two_times_and_gives_ties_to_the_server() {
    let at = |minute| Some(card("", "", minute));
    assert_eq!(ask::<LastWriteWins>(None, at(2), at(1)).await, Resolution::KeepLocal);
    assert_eq!(ask::<LastWriteWins>(None, at(1), at(1)).await, Resolution::TakeRemote);
    assert_eq!(ask::<LastWriteWins>(None, at(1), at(2)).await, Resolution::TakeRemote);
    assert_eq!(
        ask::<LastWriteWins>(None, at(1), None).await,
        Resolution::KeepLocal,
        "an edit wins over a deletion"
    );
    assert_eq!(ask::<LastWriteWins>(None, None, at(1)).await, Resolution::TakeRemote, "on either side");
}

#[tokio::test]
async fn merge_takes_each_field_from_the_side_that_changed_it() {
    let base = card("front", "back", 0);
    let (local, remote) = (card("mine", "back", 1), card("front", "theirs", 2));
    let merged = ask::<Merge>(Some(base.clone()), Some(local.clone()), Some(remote.clone())).await;
    assert_eq!(
        merged,
        Resolution::Merged(card("mine", "theirs", 2)),
        "the time was changed by both: the server's"
    );
    assert_eq!(ask::<Merge>(Some(base.clone()), Some(local.clone()), None).await, Resolution::KeepLocal);
    assert_eq!(ask::<Merge>(Some(base.clone()), None, Some(remote.clone())).await, Resolution::TakeRemote);
    assert_eq!(
        Card::merge(None, &local, &remote).value,
        remote,
        "without an ancestor the server's side stands"
    );
    assert_eq!(Card::merge(Some(&base), &local, &base).value, local);
    assert_eq!(Card::merge(Some(&base), &base, &remote).value, remote);
}
