//! What is sent before what.

use std::collections::BTreeSet;

use serde_json::Value;
use sync::record::{Intention, Record, RecordRef, Write};

use super::super::entities::{Kind, Name};
use super::{Book, Verdict, ensure};

impl Book {
    /// Remembers the records that one referred to on the server, or in what was sent, before its user's edit.
    pub(super) fn moves(&mut self, name: &Name, before: &Record, after: &Record) {
        // A deletion may leave nothing: what was never sent, the server never had.
        let Some(newest) = &after.queued else { return };
        let flight = before.flight.as_ref().map(|flight| &flight.intention);
        let parked = before.parked.as_ref().map(|parked| &parked.intention);
        let sent = flight.into_iter().chain(parked);
        let mut left: BTreeSet<_> = sent
            .clone()
            .chain(&before.queued)
            .filter_map(|one| self.left.get(&(name.clone(), one.seq)))
            .flatten()
            .cloned()
            .collect();
        let base = before.base.as_ref().and_then(|base| base.value.as_ref());
        let values = sent.filter_map(|one| one.write.payload()).chain(base);
        left.extend(values.filter_map(|value| parent(name.kind, value.as_str())));
        if let Some(stays) = newest.write.payload().and_then(|value| parent(name.kind, value.as_str())) {
            left.remove(&stays);
        }
        self.left.insert((name.clone(), newest.seq), left);
    }

    /// An edit was put on top of what the server has, with nothing of the record under way: what it leaves is what it has there.
    pub(super) fn stands_on_the_base(&mut self, name: &Name, before: &Record, after: &Record) {
        if let Some(queued) = &after.queued
            && before.newest().is_some_and(|newest| newest.id != queued.id)
        {
            self.left.remove(&(name.clone(), queued.seq));
        }
    }

    /// What refers to a record that the server does not have yet is not about to be sent.
    pub(super) fn after_its_parents(&self, name: &Name, before: &Record, after: &Record) -> Verdict {
        let Some(flight) = after.flight.as_ref().filter(|_| before.flight.is_none()) else { return Ok(()) };
        for parent in references(&flight.intention) {
            let coming = self.rows.get(&parent).is_some_and(|row| {
                let seen = row.parked.as_ref().and_then(|parked| parked.reason.seen()?.value());
                let saved = |intention: &Intention| intention.write != Write::Delete;
                let sent = row.flight.as_ref().is_some_and(|flight| saved(&flight.intention));
                row.base.is_none() && seen.is_none() && (sent || row.newest().is_some_and(saved))
            });
            ensure!(
                !coming || self.refers(&parent, name),
                "3: never before its parent",
                "{name} is sent before {parent}"
            );
        }
        Ok(())
    }

    /// A record is not deleted before what was done earlier to those that refer to it, or referred to it before that.
    pub(super) fn after_its_children(&self, name: &Name, before: &Record, after: &Record) -> Verdict {
        let flight = after.flight.as_ref().filter(|_| before.flight.is_none());
        let Some(deletion) =
            flight.map(|flight| &flight.intention).filter(|sent| sent.write == Write::Delete)
        else {
            return Ok(());
        };
        for (child, row) in self.rows.iter().filter(|(child, _)| *child != name) {
            let waiting = row.flight.iter().map(|flight| &flight.intention).chain(&row.queued);
            let mut earlier =
                waiting.filter(|waiting| waiting.seq < deletion.decided.unwrap_or(deletion.revision));
            let there = row.base.as_ref().and_then(|base| base.value.as_ref());
            let is_under_it =
                there.and_then(|value| parent(child.kind, value.as_str())).as_ref() == Some(name);
            let is_of = |waiting: &Intention| {
                let left = self.left.get(&(child.clone(), waiting.seq));
                let was_under_it = left.is_some_and(|left| left.contains(name));
                is_under_it || was_under_it || references(waiting).contains(name)
            };
            ensure!(
                !earlier.any(is_of) || self.waits_for(child, name),
                "3: a deletion waits for the earlier operations of the children",
                "{name} is deleted before {child}: {row:?}"
            );
        }
        Ok(())
    }

    /// Whether a record waits for another by however many steps.
    fn waits_for(&self, from: &Name, to: &Name) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), Some(from.clone()));
        while let Some(name) = next.filter(|name| seen.insert(name.clone())) {
            next = self.rows.get(&name).and_then(|row| row.blocked_on.as_ref()).map(name_of);
            if next.as_ref() == Some(to) {
                return true;
            }
        }
        false
    }

    /// Whether a record refers to another by however many steps: of a circle, one has to be the first.
    fn refers(&self, from: &Name, to: &Name) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(name) = next.pop() {
            if name == *to {
                return true;
            }
            let row = self.rows.get(&name);
            let written = row
                .into_iter()
                .flat_map(|row| row.flight.iter().map(|flight| &flight.intention).chain(row.newest()));
            let further: Vec<_> = written.flat_map(references).collect();
            if seen.insert(name) {
                next.extend(further);
            }
        }
        false
    }
}

/// The record that one refers to, as its text says.
fn parent(kind: Kind, text: &str) -> Option<Name> {
    let (member, of) = match kind {
        Kind::Folder => ("parent", Kind::Folder),
        Kind::Doc => ("folder", Kind::Folder),
        Kind::Task => ("note", Kind::Note),
        Kind::Note | Kind::Setting => return None,
    };
    let record: Value = serde_json::from_str(text).ok()?;
    Some(Name { kind: of, key: record.get(member)?.as_str()?.to_owned() })
}

fn references(intention: &Intention) -> Vec<Name> {
    intention.references.iter().map(name_of).collect()
}

fn name_of(record: &RecordRef) -> Name {
    super::super::server::name_of(record.entity.as_str(), &record.key)
}
