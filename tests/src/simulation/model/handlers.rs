//! What the application is told and asked.

use super::super::app::Told;
use super::super::entities::{Kind, Name};
use super::super::plan::Answer;
use super::facts::{gone_since, same_on_server};
use super::{Around, Book, Content, Last, Verdict, ensure, text};

impl Book {
    pub(crate) fn told(&mut self, changes: &[Told], well: bool) {
        for change in changes {
            match &change.local {
                Some(local) => self.view.insert(change.name.clone(), local.clone()),
                None => self.view.remove(&change.name),
            };
            if well {
                self.told.insert(change.name.clone(), change.remote.clone());
            }
        }
    }

    /// A conflict came to the handler.
    pub(crate) fn asked(&self, around: &Around<'_>, name: &Name, sides: &[Content; 3]) -> Verdict {
        let [base, local, remote] = sides;
        let row = self.rows.get(name);
        let kept = row.and_then(|row| row.base.as_ref()).and_then(|base| base.value.as_ref());
        let kept = kept.map(sync::record::Payload::as_str);
        // What has just been acknowledged is the base already, although the row does not say so yet.
        let flight = row.and_then(|row| row.flight.as_ref()).filter(|flight| {
            let letter = self.letters.get(&flight.intention.id);
            letter.is_some_and(|letter| matches!(letter.last, Last::Accepted(_)))
        });
        let acknowledged = flight.and_then(|flight| text(&flight.intention));
        ensure!(
            kept == base.as_deref() || acknowledged == *base,
            "9: conflicts come with the base",
            "{name}: {base:?} is not {kept:?}"
        );
        let edits = self.edits.get(name).map_or(&[][..], Vec::as_slice);
        let merged = self.decided.values().flatten().any(|(_, merged)| merged == local);
        ensure!(
            edits.contains(local) || merged,
            "9: conflicts come with the local side",
            "{name}: {local:?} is no edit"
        );
        let known = match remote {
            Some(remote) => same_on_server(around, name, remote),
            None => row.is_none_or(|row| gone_since(around, name, row)),
        };
        ensure!(known, "9: conflicts come with the server's side", "{name}: the server never had {remote:?}");
        Ok(())
    }

    pub(crate) fn decided(
        &mut self,
        name: &Name,
        edit: Option<String>,
        answer: Answer,
        merged: Option<String>,
    ) {
        self.decided.entry((name.clone(), edit)).or_default().push((answer, merged));
    }

    pub(crate) fn paged(&mut self, kind: Kind, cursor: &str, items: Vec<(Name, Content)>) {
        self.pages.insert((kind, cursor.to_owned()), items);
    }
}
