//! What the tests start from.

use bytes::Bytes;
use sync::entity::EntityInfo;
use sync::record::{OperationId, Payload, RecordKey, Version, Write};
use sync::remote::{PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::storage::Cursor;
use sync::{Remote, RemoteError, RestRemote};

use super::server::Server;

pub const NOTES: EntityInfo = EntityInfo {
    name: "Note",
    endpoint: "/notes",
    id_member: "id",
    updated_at_member: Some("updatedAt"),
    references: &[],
    unordered: &[],
};

/// The id is called `key`.
pub const TASKS: EntityInfo = EntityInfo {
    name: "Task",
    endpoint: "/tasks",
    id_member: "key",
    updated_at_member: None,
    references: &[],
    unordered: &[],
};

pub const RECORD: &str = r#"{"id":"n1","title":"Milk"}"#;
pub const OPERATION: &str = "018f3b6e-7d0c-7c3a-9a51-0123456789ab";

pub fn remote(server: &Server) -> RestRemote {
    RestRemote::new(server.url()).unwrap()
}

pub fn key(text: &str) -> RecordKey {
    RecordKey::new(text).unwrap()
}

pub fn payload() -> Payload {
    Payload::from_json(RECORD).unwrap()
}

pub fn create() -> Write {
    Write::Create(payload())
}

pub fn update() -> Write {
    Write::Update(payload())
}

pub fn overwrite() -> Write {
    Write::Overwrite(payload())
}

pub fn operation(write: Write) -> WriteRequest {
    let id: OperationId = OPERATION.parse().unwrap();
    WriteRequest {
        entity: &NOTES,
        key: key("n1"),
        id,
        write,
        if_match: None,
        base: None,
        cleared: Vec::new(),
        attempt: 0,
    }
}

pub fn on_version(write: Write, version: &str) -> WriteRequest {
    WriteRequest { if_match: Some(Version::new(version)), ..operation(write) }
}

pub async fn send(server: &Server, write: Write) -> Result<Reply<WriteAnswer>, RemoteError> {
    remote(server).send(operation(write)).await
}

/// What the server's answer to a write came to.
pub async fn answered(server: &Server, write: Write) -> WriteAnswer {
    send(server, write).await.unwrap().answer
}

pub fn page_of(limit: u32) -> PullRequest {
    PullRequest { entity: &NOTES, since: None, limit, scope: None }
}

pub fn page_after(cursor: &str) -> PullRequest {
    PullRequest { entity: &NOTES, since: Some(Cursor::new(cursor)), limit: 100, scope: None }
}

pub fn version(text: &str) -> Option<Version> {
    Some(Version::new(text))
}

pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// The error with all its causes, as a user would print it.
pub fn told(error: &RemoteError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
