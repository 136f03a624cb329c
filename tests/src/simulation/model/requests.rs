//! What is sent, and what comes back.

use sync::NotSynced;
use sync::record::{Intention, OperationId, Write};
use sync::remote::{Fetched, WriteRequest};

use super::super::entities::Name;
use super::{Around, Book, Last, Letter, Verdict, ensure};

impl Book {
    /// Whether the device has had an answer that says so.
    pub(crate) fn knows_that_it_got_through(&self, operation: OperationId) -> bool {
        self.letters.get(&operation).is_some_and(|letter| matches!(letter.last, Last::Accepted(_)))
    }

    /// What could be sent at once: nothing of it was ever sent, and it waits for nothing.
    pub(crate) fn ready(&self) -> Vec<(Name, OperationId)> {
        let ready = self.rows.iter().filter_map(|(name, row)| {
            let queued = row.queued.as_ref()?;
            let free = row.flight.is_none() && row.blocked_on.is_none() && queued.not_before.is_none();
            (free && queued.references.is_empty()).then(|| (name.clone(), queued.id))
        });
        ready.collect()
    }

    /// A flush that nothing stopped has sent all that was ready before.
    pub(crate) fn all_were_sent(&self, ready: &[(Name, OperationId)]) -> Verdict {
        for (name, id) in ready {
            let waits = self.rows.get(name).is_some_and(|row| {
                let same = row.queued.as_ref().is_some_and(|queued| queued.id == *id);
                same && row.blocked_on.is_none() && row.flight.is_none()
            });
            ensure!(!waits, "4: a record holds back itself alone", "{name} was not sent");
        }
        Ok(())
    }

    pub(crate) fn sending(
        &mut self,
        around: &Around<'_>,
        life: u32,
        most: usize,
        name: &Name,
        request: &WriteRequest,
    ) -> Verdict {
        let out = self.letters.values().filter(|letter| letter.out == Some(life)).count();
        ensure!(out < most, "14: bounded", "{out} requests are out, of {most} at most");
        let row = self.rows.get(name);
        let flight =
            row.and_then(|row| row.flight.as_ref()).filter(|flight| flight.intention.id == request.id);
        let Some(flight) = flight else {
            return Err((
                "6: fixed on disk before it is sent, under the right account",
                format!("{name}: {} is sent, and the row is {row:?}", request.id),
            ));
        };
        let same = flight.intention.write == request.write && flight.if_match == request.if_match;
        ensure!(same, "6: every attempt is the same", "{name}: {request:?} is not {flight:?}");
        let revision = flight.intention.revision;
        for (id, letter) in self.letters.iter().filter(|(_, letter)| letter.name == *name) {
            let out = letter.out == Some(life);
            ensure!(!out, "3: at most one at a time", "{name}: {} is sent beside {id}", request.id);
            // Without a memory of keys, the server itself says that it has what was sent. What was refused may be sent on top of what
            // the server has by then.
            let settled = matches!(letter.last, Last::Conflict | Last::Refused) || !around.habits.keys;
            // Where it carried no version, it is looked at what somebody else has written, and decided about that.
            let settled = settled || letter.is_looked_past();
            let twin = letter.revision == revision && *id != request.id;
            ensure!(
                !twin || settled,
                "6: the key stays until the outcome is known",
                "{name}: edit {revision} was sent as {id} ({:?}), and is sent as {}",
                letter.last,
                request.id
            );
        }
        let letter = self.letters.entry(request.id).or_insert_with(|| Letter {
            name: name.clone(),
            revision,
            write: request.write.clone(),
            if_match: request.if_match.clone(),
            last: Last::Unknown,
            failed: 0,
            looked: false,
            out: None,
        });
        let same = letter.write == request.write && letter.if_match == request.if_match;
        ensure!(same, "6: every attempt is the same", "{name}: {request:?} was sent as {letter:?}");
        letter.out = Some(life);
        Ok(())
    }

    /// The write of a device took effect on the server, for the first time in this era.
    pub(crate) fn took_effect(&mut self, around: &Around<'_>, era: u64, id: OperationId) -> Verdict {
        let Some(letter) = self.letters.get(&id) else { return Ok(()) };
        let (name, revision) = (letter.name.clone(), letter.revision);
        let of_the_edit = |other: &&Letter| other.name == name && other.revision == revision;
        let looked = self.letters.values().filter(of_the_edit).any(Letter::is_looked_past);
        let earlier = self.arrived.insert(name.clone(), (era, revision));
        if let Some((then, earlier)) = earlier
            && then == era
        {
            ensure!(
                earlier != revision || !around.habits.keys || looked,
                "6: one effect",
                "{name}: edit {revision} took effect twice"
            );
            ensure!(earlier <= revision, "3: in order", "{name}: edit {revision} came after {earlier}");
        }
        Ok(())
    }

    pub(crate) fn answered(&mut self, id: OperationId, last: Last) {
        if let Some(letter) = self.letters.get_mut(&id) {
            letter.failed += u32::from(last == Last::Failed);
            letter.last = last;
            letter.out = None;
        }
    }

    /// What a receipt says became of an edit is so.
    pub(crate) fn is_true(&self, name: &Name, id: OperationId, fate: &Result<(), NotSynced>) -> Verdict {
        let Some((edit, is_deletion)) = self.numbers.get(&id) else { return Ok(()) };
        let row = self.rows.get(name);
        let waiting = row.into_iter().flat_map(|row| {
            let flight = row.flight.as_ref().map(|flight| &flight.intention);
            flight.into_iter().chain(&row.queued)
        });
        let mut waiting = waiting.filter(|waiting| waiting.revision == *edit);
        // The deletion that a conflict was decided for goes out under the number of the edit, and so does the record in place of a deletion.
        let is_decided = |waiting: &Intention| {
            waiting.decided.is_some() && (waiting.write == Write::Delete) != *is_deletion
        };
        let wrong = match fate {
            Ok(()) | Err(NotSynced::TakenBack { .. }) => waiting.next().is_some(),
            Err(NotSynced::Overruled { .. }) => !waiting.all(is_decided),
            _ => false,
        };
        ensure!(
            !wrong,
            "1: a receipt tells the truth",
            "{name}: edit {edit} waits still, and was told {fate:?}"
        );
        Ok(())
    }

    /// A question after a record failed in a way that counts against its operation.
    pub(crate) fn question_failed(&mut self, name: &Name) {
        if let Some(letter) = self.letter_of(name) {
            letter.failed += 1;
        }
    }

    /// The device has seen that the server has something else than it knew and than it has sent, while it waits what becomes of that.
    pub(crate) fn looked(&mut self, name: &Name, fetched: &Fetched) {
        let base = self.rows.get(name).and_then(|row| row.base.as_ref());
        let known = base.and_then(|base| base.value.as_ref()).map(|value| value.as_str().to_owned());
        let there = match fetched {
            Fetched::Present { body, .. } => Some(String::from_utf8_lossy(body).into_owned()),
            Fetched::Missing => None,
        };
        if let Some(letter) = self.letter_of(name) {
            let sent = letter.write.payload().map(|payload| payload.as_str().to_owned());
            letter.looked |= there != known && there != sent;
        }
    }

    /// The server has no record by this name: a creation that it did not take for a conflict has failed for no reason that anybody sees.
    pub(crate) fn nothing_is_in_the_way(&mut self, name: &Name) {
        if let Some(letter) = self.letter_of(name)
            && letter.last == Last::Conflict
            && matches!(letter.write, Write::Create(_))
        {
            letter.failed += 1;
        }
    }

    fn letter_of(&mut self, name: &Name) -> Option<&mut Letter> {
        let flight = self.rows.get(name)?.flight.as_ref()?;
        self.letters.get_mut(&flight.intention.id)
    }
}
