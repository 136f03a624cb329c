//! Raw identifiers: as the struct's name, as a field's, and as the names that have a meaning.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{Mergeable, Syncable};

#[allow(non_camel_case_types)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/types", conflict = Merge)]
struct r#type {
    r#id: u64,
    r#fn: String,
    r#updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/matches", conflict = ServerWins)]
struct Match {
    #[sync(id)]
    r#match: u64,
    #[sync(references = r#type)]
    r#type: u64,
}

fn main() {
    assert_eq!(r#type::ENTITY.name, "type");
    assert_eq!(r#type::ENTITY.id_member, "id");
    assert_eq!(r#type::ENTITY.updated_at_member, Some("updated_at"));
    assert_eq!(Match::ENTITY.id_member, "match");
    assert_eq!(Match::ENTITY.references, ["type"]);

    let local = r#type { id: 1, r#fn: "f".into(), updated_at: DateTime::UNIX_EPOCH };
    let remote = r#type { r#fn: "g".into(), ..local.clone() };
    assert_eq!(r#type::merge(Some(&remote), &local, &remote).value.r#fn, "f");
}
