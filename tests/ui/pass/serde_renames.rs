//! The members are named as serde names them: each rule is compared with what serde writes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::Syncable;

/// An entity under one of serde's rules.
macro_rules! renamed {
    ($($entity:ident: [$($rule:tt)*],)*) => {$(
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[serde($($rule)*)]
        #[sync(endpoint = "/notes", conflict = LastWriteWins)]
        struct $entity {
            #[sync(id)]
            note_key: String,
            #[sync(updated_at)]
            last_edit_at: DateTime<Utc>,
        }

        impl $entity {
            fn is_named_as_serde_names_it() {
                let record = Self { note_key: "a".into(), last_edit_at: DateTime::UNIX_EPOCH };
                let json = serde_json::to_value(&record).unwrap();
                assert_eq!(json[Self::ENTITY.id_member], "a", "{json}");
                let updated_at = Self::ENTITY.updated_at_member.unwrap();
                assert_eq!(json[updated_at], "1970-01-01T00:00:00Z", "{json}");
            }
        }
    )*};
}

renamed! {
    Lower: [rename_all = "lowercase"],
    Upper: [rename_all = "UPPERCASE"],
    Pascal: [rename_all = "PascalCase"],
    Camel: [rename_all = "camelCase"],
    Snake: [rename_all = "snake_case"],
    ScreamingSnake: [rename_all = "SCREAMING_SNAKE_CASE"],
    Kebab: [rename_all = "kebab-case"],
    ScreamingKebab: [rename_all = "SCREAMING-KEBAB-CASE"],
    Denied: [deny_unknown_fields],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all = "camelCase")]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
struct Own {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default, rename(serialize = "changed", deserialize = "changed"), alias = "edited")]
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
struct TwoSided {
    #[sync(id)]
    #[serde(alias = "noteKey")]
    note_key: String,
    #[sync(updated_at)]
    #[serde(alias = "lastEditAt")]
    last_edit_at: DateTime<Utc>,
}

fn two_sided() -> TwoSided {
    TwoSided { note_key: "a".into(), last_edit_at: DateTime::UNIX_EPOCH }
}

fn main() {
    Lower::is_named_as_serde_names_it();
    Upper::is_named_as_serde_names_it();
    Pascal::is_named_as_serde_names_it();
    Camel::is_named_as_serde_names_it();
    Snake::is_named_as_serde_names_it();
    ScreamingSnake::is_named_as_serde_names_it();
    Kebab::is_named_as_serde_names_it();
    ScreamingKebab::is_named_as_serde_names_it();
    Denied::is_named_as_serde_names_it();
    assert_eq!(serde_json::to_value(two_sided()).unwrap()["noteKey"], "a");

    assert_eq!(Camel::ENTITY.id_member, "noteKey");
    assert_eq!(ScreamingKebab::ENTITY.updated_at_member, Some("LAST-EDIT-AT"));
    assert_eq!(TwoSided::ENTITY.id_member, "noteKey");
    assert_eq!(TwoSided::ENTITY.updated_at_member, Some("lastEditAt"));
    assert_eq!(Own::ENTITY.id_member, "_id");
    assert_eq!(Own::ENTITY.updated_at_member, Some("changed"));
}
