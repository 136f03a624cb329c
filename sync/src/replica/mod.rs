//! A local copy of an entity's records, to read, query and watch.
//!
//! With `#[sync(replica)]` on a struct, the engine keeps its records in its own storage: what the server has, with the edits
//! that wait on top. Queue, cursor and records change in one transaction, so what is read never goes back to an older state while
//! an edit is on its way, and it is the same after a crash. Such an entity needs no [`OnPull`](crate::OnPull).
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! use sync::{Engine, MemoryStorage, Query, Schema, Syncable};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
//! #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
//! struct Card {
//!     id: String,
//!     #[sync(index)]
//!     column: String,
//!     #[sync(index)]
//!     rank: i64,
//! }
//!
//! #[derive(Schema)]
//! #[sync(entities(Card))]
//! struct App;
//!
//! # #[cfg(not(feature = "testing"))] fn main() {}
//! # #[cfg(feature = "testing")] #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder(App, sync::testing::ScriptedRemote::new(), MemoryStorage::new()).build().await?;
//! let card = Card { id: "a".into(), column: "todo".into(), rank: 1 };
//! engine.push(&card).await?;
//! assert_eq!(engine.get::<Card>(&"a".into()).await?, Some(card.clone()));
//!
//! let todo = Query::new().filter(Card::COLUMN.eq("todo")).order_by(Card::RANK).limit(20);
//! assert_eq!(engine.query(todo).await?, [card]);
//! # Ok(()) }
//! ```

mod column;
mod indexable;
mod keeping;
mod outdated;
mod query;

pub use self::column::{Column, ColumnValue, Filter, OrderBy};
pub use self::indexable::Indexable;
pub use self::keeping::{HandedOver, HandsOver, Keeping, Replica, Replicated};
pub use self::outdated::Outdated;
pub use self::query::Query;
