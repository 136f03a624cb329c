//! `conflict = Merge`: each field comes from the side that changed it, and from the server's where both did.

use serde::{Deserialize, Serialize};
use sync::{Mergeable, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: u64,
    title: String,
    body: Option<String>,
    base: Vec<u8>,
}

fn main() {
    let base = Note { id: 1, title: "a".into(), body: None, base: vec![] };
    let local = Note { title: "local".into(), body: Some("local".into()), ..base.clone() };
    let remote = Note { body: Some("remote".into()), base: vec![1], ..base.clone() };

    let merged = Note::merge(Some(&base), &local, &remote).value;
    assert_eq!(merged, Note { id: 1, title: "local".into(), body: Some("remote".into()), base: vec![1] });
    assert_eq!(Note::merge(None, &local, &remote).value, remote);
}
