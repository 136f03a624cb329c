//! Three-way merges: what two sides made of a common ancestor becomes one value, field by field.
//!
//! The derive of [`Syncable`](crate::Syncable) implements [`Mergeable`] for an entity with `conflict = Merge`, and for one
//! whose conflicts a handler of yours decides, as soon as one of its fields says how it merges. `#[derive(Mergeable)]`
//! does so for the types of their fields.
//!
//! What one side changed is taken from that side. What both changed to the same value is that value. Only what both
//! changed to different values follows the policy of the field:
//!
//! | attribute | needs | both changed it | without an ancestor |
//! | --- | --- | --- | --- |
//! | none, `#[sync(merge = Remote)]` | `PartialEq + Clone` | the server's | the server's |
//! | `#[sync(merge = Local)]` | | this device's | this device's |
//! | `#[sync(merge = Latest)]` | an `updated_at` on the struct | that of the side with the later `updated_at`; on a tie, the server's | the same |
//! | `#[sync(merge = Max)]`, `Min` | [`Ord`] | the greater, the smaller | the same |
//! | `#[sync(merge = Counter)]` | [`+` and `-`](Countable) | ancestor + local change + remote change, saturating | the server's |
//! | `#[sync(merge = Set)]` | a [set](MergeSet) | what neither side removed, and what either added | all of both |
//! | `#[sync(merge = Map)]` | a [map](MergeMap) | per key; `Map(Counter)` merges the values as counters | per key |
//! | `#[sync(merge = Text)]` | a [text](MergeText) | line by line, then word by word; the server's words where they overlap | the server's |
//! | `#[sync(merge = Nested)]` | [`Mergeable`] | field by field in turn | field by field |
//! | `#[sync(merge_with = path)]` | `fn(&T, &T, &T) -> T` | what the function makes of ancestor, local and remote | the server's |
//! | `#[sync(group = "name")]` | another field of the group | all fields of the group from one side | all from the server's |
//! | `#[sync(merge = path::Own)]` | [`Policy`] | what the policy says | what it says |
//!
//! An ancestor is absent when both sides made the record by themselves, and inside a record when both added the same key of
//! a map or filled in the same `Option`. It is then unknown who changed what, so everything that differs counts as
//! changed by both.
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use serde::{Deserialize, Serialize};
//! use sync::{Mergeable, Syncable};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
//! #[sync(endpoint = "/notes", conflict = Merge)]
//! struct Note {
//!     id: u64,
//!     title: String, // the server's, where both changed it
//!     #[sync(merge = Text)]
//!     body: String,
//!     #[sync(merge = Set)]
//!     tags: BTreeSet<String>,
//!     #[sync(merge = Counter)]
//!     likes: u32,
//! }
//!
//! let base = Note { id: 1, title: "list".into(), body: "milk and bread".into(), tags: [].into(), likes: 3 };
//! let local = Note { body: "oat milk and bread".into(), tags: ["food".into()].into(), likes: 4, ..base.clone() };
//! let remote = Note { body: "milk and rye bread".into(), tags: ["shop".into()].into(), likes: 5, ..base.clone() };
//!
//! let merged = Note::merge(Some(&base), &local, &remote);
//! assert_eq!(merged.value.body, "oat milk and rye bread");
//! assert_eq!(merged.value.tags, ["food".into(), "shop".into()].into());
//! assert_eq!(merged.value.likes, 6);
//! assert!(!merged.is_lossy(), "both sides' changes are in it");
//! ```
//!
//! # What the merge promises
//!
//! With an ancestor `b`, for every policy and every derived struct: `merge(b, x, b) = x`, `merge(b, b, y) = y` and
//! `merge(b, x, x) = x`. The last one means that two devices that count the same event from 3 to 4 come to 4, not to 5: it is
//! what lets a device recognise its own write when it comes back.
//!
//! Two devices that merge each other's edits end with equal records whichever write reached the server first, since the
//! second one merges and sends what came out, and the first one takes that. Whether the *same* record comes out in either
//! order depends on the policy. It does for `Max` and `Min`, for `Set` up to the order of a `Vec`, for `Latest` except on a
//! tie, for `Counter` where there is an ancestor, and for a `Map` or a `Nested` of such. It cannot for a policy that prefers
//! a side, since the sides are swapped when the order is: none, `Remote`, `Local`, a `group`, `Text` where both wrote at
//! the same place, and `Counter` and `Text` without an ancestor. What a function or a policy of your own promises is up
//! to it.
//!
//! The ancestor is the last state that the engine has recorded. An application that shows what [`OnPull`](crate::OnPull) was
//! told, and pushes an edit of it although the process died, the handler failed or the storage refused before that was
//! recorded, pushes an edit of something newer: what was pulled then looks like its own change. Most policies come to the
//! same; a counter counts it twice. So does a server that does not remember idempotency keys, when an answer was lost and
//! another device has built upon the edit since.
//!
//! The laws compare with `PartialEq`, and hold as far as that does: a `NaN` equals nothing, itself included, and so counts
//! as changed by both.

mod counter;
mod extremes;
mod field;
mod group;
mod map;
mod mergeable;
mod nested;
mod overlap;
mod policy;
mod regions;
mod set;
mod side;
mod text;

pub use counter::{Countable, Counter};
pub use extremes::{Max, Min, Ordered};
pub use field::{Field, Holds};
#[doc(hidden)]
pub use group::Group;
pub use map::{Map, MergeMap};
pub use mergeable::{Mergeable, Merged, Merging, OnDelete};
pub use nested::Nested;
pub use overlap::{Both, Kept, Key, Overlap, Step};
pub use policy::{Outcome, Policy, Sides};
pub use set::{MergeSet, Set};
pub use side::{Latest, Local, Remote, Side};
pub use text::{MergeText, Text};
