//! What every written row has to be like.

use sync::record::{Record, Version, Write};

use super::super::entities::{Kind, Name};
use super::facts::{alike, gone_since, place_of};
use super::{Around, Book, Content, Intent, Last, Verdict, ensure, text};

/// What an edit of the user's made of the row, where it was one: only those bring a newer revision, or take back what waits
/// and leave the rest alone.
pub(crate) fn edited_to(before: &Record, after: &Record) -> Option<Content> {
    let revision = |record: &Record| record.newest().map(|newest| newest.revision);
    let vanished = before.queued.is_some()
        && after.queued.is_none()
        && after.parked.is_none()
        && (&before.flight, &before.base) == (&after.flight, &after.base);
    match after.newest() {
        Some(newest) if revision(after) > revision(before) => Some(text(newest)),
        _ => vanished.then_some(None),
    }
}

impl Book {
    pub(crate) fn edited(&mut self, name: &Name, value: Option<String>) {
        self.edits.entry(name.clone()).or_default().push(value.clone());
        // How a record of a replica looks is what its row says, and nobody's table.
        if name.kind.is_replica() {
            return;
        }
        match value {
            Some(value) => self.view.insert(name.clone(), value),
            None => self.view.remove(name),
        };
    }

    /// A row was committed.
    pub(crate) fn wrote(
        &mut self,
        around: &Around<'_>,
        intent: &Intent,
        name: &Name,
        before: &Record,
        after: &Record,
        last: bool,
    ) -> Verdict {
        let known = self.rows.get(name).cloned().unwrap_or_default();
        let same = (&known.base, &known.flight, &known.queued, &known.parked)
            == (&before.base, &before.flight, &before.queued, &before.parked);
        ensure!(same, "12: one engine owns the storage", "{name} was {known:?}, and is found as {before:?}");
        if after.is_empty() {
            self.rows.remove(name);
        } else {
            self.rows.insert(name.clone(), after.clone());
        }
        if name.kind.is_replica() {
            self.keeps(name, after);
        }
        let revisions: Vec<_> = [
            after.flight.as_ref().map(|flight| flight.intention.revision),
            after.queued.as_ref().map(|queued| queued.revision),
        ]
        .into_iter()
        .flatten()
        .collect();
        ensure!(revisions.is_sorted(), "2: no lost edit", "{name}: the flight is newer than what is queued");
        let alone = after.parked.is_none() || revisions.is_empty();
        ensure!(alone, "5: at most one flight and one queued", "{name}: parked beside others: {after:?}");
        match intent {
            Intent::Edit(wanted) => self.took(name, before, after, wanted),
            Intent::Retry => {
                let (parked, flight) = (before.parked.as_ref(), after.flight.as_ref());
                if let (Some(parked), Some(flight)) = (parked, flight) {
                    let (old, new) = (&parked.intention, &flight.intention);
                    let same = (old.id, old.revision, &old.write) == (new.id, new.revision, &new.write);
                    let kept = same && parked.if_match == flight.if_match;
                    ensure!(kept, "1: parked whole", "{name}: {parked:?} became {flight:?}");
                    if let Some(letter) = self.letters.get_mut(&parked.intention.id) {
                        letter.failed = 0;
                    }
                }
                Ok(())
            }
            Intent::GiveUp => {
                let flight = before.flight.iter().map(|flight| &flight.intention);
                let parked = before.parked.iter().map(|parked| &parked.intention);
                self.given_up.extend(flight.chain(parked).chain(&before.queued).map(|given_up| given_up.id));
                // So are those before it that never got a yes: what they left on the server is nobody's any more.
                let unanswered = self
                    .letters
                    .iter()
                    .filter(|(_, letter)| letter.name == *name && !matches!(letter.last, Last::Accepted(_)));
                self.given_up.extend(unanswered.map(|(id, _)| *id));
                Ok(())
            }
            Intent::Answer(merged) => {
                if merged.is_some() {
                    self.edits.entry(name.clone()).or_default().push(merged.clone());
                }
                self.stands_on_the_base(name, before, after);
                based(around, name, before, after)
            }
            Intent::Engine => {
                self.stands_on_the_base(name, before, after);
                based(around, name, before, after)?;
                launched(name, before, after)?;
                self.after_its_parents(name, before, after)?;
                self.after_its_children(name, before, after)?;
                self.explained(around, name, before, after)?;
                self.set_aside(around, name, before, after)?;
                self.acknowledged(around, name, before, after)?;
                if last { self.shown(around, name, before, after) } else { Ok(()) }
            }
        }
    }

    /// An edit of the user's was taken in.
    fn took(&mut self, name: &Name, before: &Record, after: &Record, wanted: &Content) -> Verdict {
        ensure!(after.flight == before.flight, "2: no lost edit", "{name}: an edit changed the flight");
        self.moves(name, before, after);
        let newest = after.newest();
        if let Some(newest) = newest
            && before.newest().is_none_or(|before| before.revision < newest.revision)
        {
            ensure!(text(newest) == *wanted, "1: durable", "{name}: the edit was kept as {newest:?}");
            self.numbers.insert(newest.id, (newest.revision, newest.write == Write::Delete));
            return Ok(());
        }
        // The edit left no operation of its own: it is a deletion of what was never sent, or is being deleted.
        ensure!(wanted.is_none(), "1: durable", "{name}: the edit left no operation");
        if let Some(queued) = &before.queued {
            let leaving =
                before.flight.as_ref().is_some_and(|flight| flight.intention.write == Write::Delete);
            let sent = self.letters.contains_key(&queued.id) || (before.base.is_some() && !leaving);
            ensure!(!sent, "5: create+delete vanishes only when never sent", "{name}: {before:?}");
        }
        let leaving = after.newest().is_none_or(|newest| newest.write == Write::Delete);
        ensure!(leaving, "2: no lost edit", "{name}: deleted here, and {after:?} is to be sent");
        Ok(())
    }

    /// After an acknowledgement, the version that it brought is what the next operation is made on.
    fn acknowledged(&self, around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
        let Some(flight) = before.flight.as_ref().filter(|_| after.flight.is_none()) else { return Ok(()) };
        let Some(Last::Accepted(Some(version))) =
            self.letters.get(&flight.intention.id).map(|sent| &sent.last)
        else {
            return Ok(());
        };
        let history = around.server.history(around.account, name);
        let place = |version: &Version| history.iter().position(|moment| moment.version == *version);
        let known = after.base.as_ref().and_then(|base| base.version.as_ref()).and_then(place);
        let gone = after.base.is_none();
        // Where what came with the answer could not be written, a list may have told of the write first, and not of its version.
        let unlisted = !around.habits.listed;
        ensure!(
            gone || unlisted || around.server.era > 0 || known >= place(version),
            "2: on top of the version that the acknowledgement brought",
            "{name}: {version} was acknowledged, and the base is {:?}",
            after.base
        );
        Ok(())
    }

    /// The application shows what the row says, at each change of what that is.
    fn shown(&self, around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
        let newest = |record: &Record| record.newest().map(text);
        if !around.strict_view || (before.base == after.base && newest(before) == newest(after)) {
            return Ok(());
        }
        let expected = match (after.newest(), &after.base) {
            (Some(newest), _) => text(newest),
            (None, None) => None,
            (None, Some(base)) => {
                let history = around.server.history(around.account, name);
                place_of(around, name, base).and_then(|place| history[place].value.clone())
            }
        };
        let view = self.view.get(name).cloned();
        ensure!(
            alike(around, name, view.as_deref(), expected.as_deref()),
            "9: the application shows the record",
            "{name}: it shows {view:?}, and the record is {expected:?}"
        );
        Ok(())
    }

    pub(crate) fn moved(
        &self,
        around: &Around<'_>,
        kind: Kind,
        cursor: Option<&str>,
        aside: &[String],
    ) -> Verdict {
        let Some(cursor) = cursor else { return Ok(()) };
        let Some(page) = self.pages.get(&(kind, cursor.to_owned())) else {
            return Err(("8: cursors come from the server", format!("{}: {cursor}", kind.name())));
        };
        if kind.is_replica() {
            self.has_kept(around, cursor, page)?;
        }
        for (name, value) in page {
            if value.as_ref().is_some_and(|value| value.contains("broken")) {
                ensure!(aside.contains(&name.key), "11: a bad record is kept aside", "{name} is lost");
                continue;
            }
            let told = self.told.get(name);
            ensure!(
                told == Some(value) || kind.is_replica(),
                "8: the cursor moves after the handler",
                "{name}: the page before {cursor} has {value:?}, and the handler was last told {told:?}"
            );
        }
        Ok(())
    }
}

/// What the server is known to have is something that it had.
fn based(around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
    if before.base == after.base {
        return Ok(());
    }
    let Some(base) = &after.base else {
        ensure!(
            gone_since(around, name, before),
            "8: the base is the server's",
            "{name} never was gone on the server"
        );
        return Ok(());
    };
    let needs_value = name.kind.keeps_base() || base.version.is_none();
    ensure!(!needs_value || base.value.is_some(), "9: the base is kept", "{name}: {base:?} has no value");
    let Some(place) = place_of(around, name, base) else {
        return Err(("8: the base is the server's", format!("{name}: the server never had {base:?}")));
    };
    let calm = around.server.era == 0 && around.habits.versions && around.habits.listed;
    let earlier = before.base.as_ref().and_then(|base| place_of(around, name, base));
    ensure!(
        !calm || earlier.is_none_or(|earlier| earlier <= place),
        "9: the base goes on",
        "{name}: the base went back from {earlier:?} to {place}"
    );
    Ok(())
}

/// What is frozen is what was queued, on top of the version that was known.
fn launched(name: &Name, before: &Record, after: &Record) -> Verdict {
    let (None, Some(flight), Some(queued)) = (&before.flight, &after.flight, &before.queued) else {
        return Ok(());
    };
    ensure!(flight.intention == *queued, "1: durable", "{name}: {queued:?} left as {flight:?}");
    let version = before.base.as_ref().and_then(|base| base.version.clone());
    ensure!(
        flight.if_match == version,
        "2: on top of the version that is known",
        "{name}: made on {:?}, while {version:?} is known",
        flight.if_match
    );
    Ok(())
}
