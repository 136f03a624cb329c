//! A function of the user's is found, whatever the generated code calls its parameters and variables.

use serde::{Deserialize, Serialize};
use sync::{BoxError, Mergeable, OnPull, Outdated, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = Merge, version = 2, upgrade = stored)]
struct Card {
    id: u64,
    #[sync(merge_with = merging)]
    first: u32,
    #[sync(merge_with = sides)]
    second: u32,
    #[sync(merge_with = group_0)]
    third: u32,
    #[sync(group = "address")]
    street: String,
    #[sync(group = "address")]
    town: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, version = 2, upgrade = upgrade)]
struct Note {
    id: u64,
}

#[derive(Schema)]
#[sync(entities(Card, Note))]
struct App;

impl OnPull<Card> for App {}
impl OnPull<Note> for App {}

fn merging(base: &u32, local: &u32, remote: &u32) -> u32 {
    base + local + remote
}

fn sides(_: &u32, local: &u32, _: &u32) -> u32 {
    *local
}

fn group_0(_: &u32, _: &u32, remote: &u32) -> u32 {
    *remote
}

fn stored(_: Outdated<'_>) -> Result<Card, BoxError> {
    Err("by `stored`".into())
}

fn upgrade(_: Outdated<'_>) -> Result<Note, BoxError> {
    Err("by `upgrade`".into())
}

fn card(number: u32) -> Card {
    Card { id: 1, first: number, second: number, third: number, street: String::new(), town: String::new() }
}

fn main() {
    let merged = Card::merge(Some(&card(1)), &card(2), &card(3)).value;
    assert_eq!((merged.first, merged.second, merged.third), (6, 2, 3));
}
