//! The program of `docs/design.md`, section 2, unchanged: it compiles as it stands, and does what it says.

use std::path::Path;

type Failure = Box<dyn std::error::Error>;

/// The design's program, word for word between the two marks; only `note` and the URL and path are from outside.
mod design {
    #![cfg_attr(rustfmt, rustfmt_skip)]
    #![allow(unused_imports, unused_variables, missing_docs, unreachable_pub, dead_code, reason = "as the design wrote it")]

    // --- from here
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Serialize};
    use sync::{BoxError, Conflict, Engine, OnConflict, OnPull, Pulled, Resolution, RestRemote, Schema, SqliteStorage, Syncable};
    use uuid::Uuid;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/notes", conflict = LastWriteWins)]
    pub struct Note {
        pub id: Uuid,                       // a field named `id`, or any field marked #[sync(id)]
        pub title: String,
        #[serde(rename = "updatedAt")]
        pub updated_at: DateTime<Utc>,      // a field named `updated_at`, or one marked #[sync(updated_at)]
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = Manual)]
    pub struct Task {
        #[sync(id)] pub key: String,
        #[sync(references = Note)] pub note_id: Uuid,   // a task is not sent before its note exists on the server
        pub text: String,
    }

    #[derive(Schema)]
    #[sync(entities(Note, Task))]
    pub struct App { /* the user's own state: a database handle, a UI channel, nothing */ }

    impl OnPull<Note> for App {
        async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> { /* pulled.changes: Vec<Change<Note>> */ Ok(()) }
    }
    impl OnPull<Task> for App { /* ... */ }
    impl OnConflict<Task> for App {
        async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> { Ok(Resolution::TakeRemote) }
    }
    // --- to here

    pub(super) async fn as_it_stands(note: Note) -> Result<(), super::Failure> {
        // --- from here
        let engine: Engine<App> = Engine::builder(App {}, RestRemote::new("https://api.example.com/v1")?, SqliteStorage::open("app.db")?)
            .build().await?;
        let receipt = engine.push(&note).await?;     // durable when this returns, online or not
        engine.delete::<Note>(&note.id).await?;
        let report = engine.full_sync().await?;       // push, then pull
        receipt.synced().await?;                      // optional: waits until the server has it, or says why it never will
        // --- to here
        drop(report);
        Ok(())
    }

    /// The same calls against a server that is there.
    pub(super) async fn on_a_real_server(note: Note, url: &str, file: &super::Path) -> Result<(), super::Failure> {
        let engine: Engine<App> =
            Engine::builder(App {}, RestRemote::new(url)?, SqliteStorage::open(file)?).build().await?;
        let receipt = engine.push(&note).await?;
        let task = Task { key: "first".to_owned(), note_id: note.id, text: "water it".to_owned() };
        engine.push(&task).await?;
        let report = engine.full_sync().await?;
        assert!(report.is_clean(), "{:?}", report.errors);
        assert_eq!(report.pushed, 2);
        receipt.synced().await?;
        engine.delete::<Note>(&note.id).await?;
        assert_eq!(engine.full_sync().await?.pushed, 1);
        engine.shutdown().await;
        Ok(())
    }
}

fn note() -> design::Note {
    design::Note { id: uuid::Uuid::now_v7(), title: "beans".to_owned(), updated_at: chrono::Utc::now() }
}

#[tokio::test]
async fn the_program_of_the_design_runs_on_a_real_server() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let config = sync_examples::server::Config::new(["/notes"]).collection("/tasks", "key");
    let server = sync_examples::server::Server::start(config)?;
    design::on_a_real_server(note(), &server.base_url(), &folder.path().join("app.db")).await?;
    assert!(server.records("/notes").is_empty());
    assert_eq!(server.records("/tasks").len(), 1);
    let order: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.method != "GET")
        .map(|request| format!("{} {}", request.method, request.path.split('/').nth(1).unwrap_or_default()))
        .collect();
    assert_eq!(order, ["POST notes", "POST tasks", "DELETE notes"]);
    server.stop().await;
    Ok(())
}

/// It compiles, and its types fit together; nobody calls it, since its server is made up.
#[test]
fn the_program_of_the_design_compiles_as_it_stands() {
    let program = design::as_it_stands;
    drop(program(note()));
}
