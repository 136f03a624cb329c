//! What the engine keeps of the records: the row says it, the index follows it, and whoever reads or watches is told it.

use std::collections::BTreeMap;

use sync::Syncable;
use sync::record::{Payload, Record};
use sync::storage::IndexEntry;

use super::super::entities::{Doc, Folder, Note, Setting, Task};
use super::super::entities::{Kind, Name, for_kind};
use super::facts::alike;
use super::{Around, Book, Content, Items, Verdict, ensure};

impl Book {
    /// A row of a replica was committed: that is what the record looks like from now on.
    pub(super) fn keeps(&mut self, name: &Name, after: &Record) {
        match after.view() {
            Some(view) => self.view.insert(name.clone(), view.as_str().to_owned()),
            None => self.view.remove(name),
        };
    }

    pub(crate) fn indexed(&mut self, name: &Name, entries: &[IndexEntry]) {
        if entries.is_empty() {
            self.index.remove(name);
        } else {
            self.index.insert(name.clone(), entries.to_vec());
        }
    }

    /// After a transaction, the record is found by what it looks like.
    pub(crate) fn is_found(&self, name: &Name) -> Verdict {
        if !name.kind.is_replica() {
            return Ok(());
        }
        let view = self.view.get(name).map(String::as_str);
        let expected = view.map(|view| index_of(name.kind, view)).unwrap_or_default();
        let found = self.index.get(name).map(Vec::as_slice).unwrap_or_default();
        ensure!(
            found == expected,
            "9: a query finds what is shown",
            "{name} is found by {found:?}, and looks like {view:?}"
        );
        Ok(())
    }

    /// A page was written with its cursor: each of its records is here as the server has it, or under an edit that waits.
    pub(super) fn has_kept(&self, around: &Around<'_>, cursor: &str, page: &Items) -> Verdict {
        for (name, value) in
            page.iter().filter(|(_, value)| value.as_ref().is_none_or(|value| !value.contains("broken")))
        {
            let row = self.rows.get(name);
            if row.is_some_and(Record::is_pending) {
                continue;
            }
            let kept = row.and_then(Record::view).map(Payload::as_str);
            ensure!(
                alike(around, name, kept, value.as_deref()),
                "8: the cursor moves with what it covers",
                "{name}: the page before {cursor} has {value:?}, and {kept:?} was kept"
            );
        }
        Ok(())
    }

    /// Somebody read every record of a replica, in one transaction.
    pub(crate) fn read(&self, kind: Kind, found: &BTreeMap<String, String>) -> Verdict {
        let shown = self.view.iter().filter(|(name, _)| name.kind == kind);
        let shown: BTreeMap<_, _> = shown.map(|(name, value)| (name.key.clone(), value.clone())).collect();
        ensure!(
            *found == shown,
            "9: what is read is the server's with the edits that wait",
            "{}: {found:?} was read, and {shown:?} is kept",
            kind.name()
        );
        Ok(())
    }

    /// A watch told of a record.
    pub(crate) fn watched(&mut self, name: Name, value: Content) {
        match value {
            Some(value) => self.watched.insert(name, value),
            None => self.watched.remove(&name),
        };
    }

    /// A watch began, and is told everything.
    pub(crate) fn watches_anew(&mut self, kind: Kind) {
        self.watched.retain(|name, _| name.kind != kind);
    }

    /// Nothing has happened for a while: whoever watches has seen everything.
    pub(crate) fn unseen(&self) -> Option<&Name> {
        let shown = self.view.iter().filter(|(name, _)| name.kind.is_replica());
        let shown: BTreeMap<_, _> = shown.collect();
        let watched: BTreeMap<_, _> = self.watched.iter().collect();
        let names = shown.keys().chain(watched.keys()).copied();
        names.into_iter().find(|name| shown.get(name) != watched.get(name))
    }
}

/// By what a record is to be found.
fn index_of(kind: Kind, view: &str) -> Vec<IndexEntry> {
    for_kind!(kind, T => serde_json::from_str::<T>(view).map(|record| record.index()).unwrap_or_default())
}
