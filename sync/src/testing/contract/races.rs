//! The rules about writes that arrive at once: what is looked at before a write has to hold when it is made.

use futures::future::join_all;
use reqwest::Method;
use uuid::Uuid;

use super::client::{Ask, Client, NoAnswer, Said, fresh_id};
use super::rules::{CREATED, Checked, DONE, Trouble, expect, says};
use super::writes::versioned;

/// How many write at once.
const RACERS: usize = 8;

/// What one of them writes.
fn text(racer: usize) -> String {
    format!("raced {racer}")
}

pub(super) async fn racing_updates(client: &Client) -> Checked {
    let (made, version) = versioned(client).await?;
    let update = async |racer| {
        let body = Some(client.record(&made.id, &text(racer)));
        let ask = Ask { body, if_match: Some(version.clone()), ..Ask::default() };
        client.write(Method::PATCH, &made.id, ask).await
    };
    let answers = join_all((0..RACERS).map(update)).await;
    let how = "compare `If-Match` where the record is locked, or in the statement that writes it";
    one_is_taken(client, &made.id, answers, DONE, how).await
}

pub(super) async fn racing_creations(client: &Client) -> Checked {
    let id = fresh_id();
    let create = async |racer| client.create(client.record(&id, &text(racer)), Uuid::now_v7()).await;
    let answers = join_all((0..RACERS).map(create)).await;
    let how = "insert the record where its id has to be unique";
    one_is_taken(client, &id, answers, CREATED, how).await
}

/// Whoever is told that it was taken shows it to the user.
async fn one_is_taken(
    client: &Client,
    id: &str,
    answers: Vec<Result<Said, NoAnswer>>,
    done: &[u16],
    how: &str,
) -> Checked {
    let mut taken = Vec::new();
    for (racer, answer) in answers.into_iter().enumerate() {
        if answer?.is_done_again_with(done) {
            taken.push(text(racer));
        }
    }
    let [winner] = &*taken else {
        return Err(Trouble::Broken(format!(
            "a success for one of {RACERS} that write at once, and not for {}: {how}",
            taken.len()
        )));
    };
    expect(says(client, id, winner).await?, "the record as the one that was taken says")
}
