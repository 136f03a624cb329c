//! The program that a newcomer reads first.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{
    BoxError, Conflict, Engine, OnConflict, OnPull, Pulled, Resolution, RestRemote, Schema, SqliteStorage, Syncable,
};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
pub struct Note {
    pub id: Uuid,
    pub title: String,
    #[serde(rename = "updatedAt")]
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
pub struct Task {
    #[sync(id)]
    pub key: String,
    #[sync(references = Note)]
    pub note_id: Uuid,
    pub text: String,
}

#[derive(Schema)]
#[sync(entities(Note, Task))]
pub struct App {}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        drop(pulled.changes);
        Ok(())
    }
}

impl OnPull<Task> for App {
    async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
        drop(pulled.changes);
        Ok(())
    }
}

impl OnConflict<Task> for App {
    async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

async fn program(note: Note) -> Result<(), BoxError> {
    let engine: Engine<App> = Engine::builder(
        App {},
        RestRemote::new("https://api.example.com/v1")?,
        SqliteStorage::open("app.db")?,
    )
    .build()
    .await?;
    let receipt = engine.push(&note).await?;
    engine.delete::<Note>(&note.id).await?;
    let _report = engine.full_sync().await?;
    receipt.synced().await?;
    Ok(())
}

fn main() {
    let _ = program;
    assert_eq!(Note::ENTITY.updated_at_member, Some("updatedAt"));
    assert_eq!(Task::ENTITY.id_member, "key");
    let task = Task { key: "t".into(), note_id: Uuid::nil(), text: String::new() };
    assert_eq!(task.references().unwrap().len(), 1);
}
