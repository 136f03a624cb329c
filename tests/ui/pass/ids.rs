//! Strings, UUIDs, integers and newtypes of them are ids.

use serde::{Deserialize, Serialize};
use sync::Syncable;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoteId(Uuid);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct TagId {
    text: String,
}

macro_rules! entity {
    ($($entity:ident: $id:ty),* $(,)?) => {$(
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/records", conflict = ServerWins)]
        struct $entity {
            id: $id,
        }
    )*};
}

entity!(Text: String, Universal: Uuid, Unsigned: u64, Signed: i32, Newtype: NoteId, Named: TagId);

fn id<T: Syncable>(record: &T) -> T::Id {
    record.id().clone()
}

fn main() {
    assert_eq!(id(&Text { id: "a/b".into() }), "a/b");
    assert_eq!(id(&Universal { id: Uuid::nil() }), Uuid::nil());
    assert_eq!(id(&Unsigned { id: u64::MAX }), u64::MAX);
    assert_eq!(id(&Signed { id: -1 }), -1);
    assert_eq!(id(&Newtype { id: NoteId(Uuid::nil()) }), NoteId(Uuid::nil()));
    assert_eq!(id(&Named { id: TagId { text: "urgent".into() } }), TagId { text: "urgent".into() });
}
