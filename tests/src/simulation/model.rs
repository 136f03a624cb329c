//! The model of what a device owes its user. It never coalesces: every edit is a fact of its own, known by its number,
//! until it is known what became of it.

use std::collections::{BTreeMap, BTreeSet};

use sync::record::{Base, Intention, OperationId, ParkReason, Record, Version, Write};
use sync::remote::WriteRequest;
use sync::{Mergeable, NotSynced};

use super::app::Told;
use super::entities::{Doc, Kind, Name, Note};
use super::plan::Answer;
use super::server::Server;

/// What the user is doing while a transaction runs.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Nothing: the engine works by itself.
    Engine,
    /// These records are to look like that.
    Edit(Vec<(Name, Option<String>)>),
    /// A parked operation is sent again.
    Retry,
    /// Edits are given up.
    GiveUp,
    /// A conflict is answered, with this record if it is a merged one.
    Answer(Option<String>),
}

/// A rule was broken: which one, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The rule, as the design numbers the invariants.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
    /// The first step of the history after which it was so.
    pub step: usize,
}

pub(crate) type Verdict = Result<(), (&'static str, String)>;

macro_rules! ensure {
    ($holds:expr, $rule:expr, $($what:tt)*) => {
        if !$holds {
            return Err(($rule, format!($($what)*)));
        }
    };
}

/// How the last attempt of an operation ended, as far as the device knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Last {
    Unknown,
    Accepted(Option<Version>),
    /// The server has another version, or none: it did not take the operation.
    Conflict,
    Refused,
    /// It failed in a way that counts.
    Failed,
}

/// An operation that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) name: Name,
    pub(crate) revision: u64,
    pub(crate) write: Write,
    pub(crate) if_match: Option<Version>,
    pub(crate) last: Last,
    /// Attempts that counted since it was first sent, or sent again by the user.
    pub(crate) failed: u32,
    /// In which life it is on its way.
    pub(crate) out: Option<u32>,
}

/// What is known of one account on one device.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Every row, as it was last committed.
    rows: BTreeMap<Name, Record>,
    /// The records as the application shows them.
    pub(crate) view: BTreeMap<Name, String>,
    letters: BTreeMap<OperationId, Letter>,
    /// What a handler decided about an edit.
    decided: BTreeMap<(Name, Option<String>), Vec<(Answer, Option<String>)>>,
    /// What every page that came held, by the cursor after it.
    pages: BTreeMap<(Kind, String), Vec<(Name, Option<String>)>>,
    /// What the handler was last told that the server has.
    told: BTreeMap<Name, Option<String>>,
    /// The newest edit of each record that took effect on the server, and when.
    arrived: BTreeMap<Name, (u64, u64)>,
    /// Operations that the user gave up.
    given_up: BTreeSet<OperationId>,
    /// The number of each edit, by the id that its receipt has.
    numbers: BTreeMap<OperationId, u64>,
    /// The texts of all edits of this device's user.
    pub(crate) edits: BTreeMap<Name, Vec<Option<String>>>,
}

/// What is around a check.
pub(crate) struct Around<'a> {
    pub(crate) server: &'a Server,
    pub(crate) device: usize,
    pub(crate) account: usize,
    pub(crate) versions: bool,
    /// The server remembers idempotency keys.
    pub(crate) keys: bool,
    pub(crate) repeats: bool,
    /// Nothing in this history makes the application's table run ahead of the engine's.
    pub(crate) strict_view: bool,
    /// The server stamps `updated_at`.
    pub(crate) stamps: bool,
}

fn text(intention: &Intention) -> Option<String> {
    intention.write.payload().map(|payload| payload.as_str().to_owned())
}

impl Book {
    pub(crate) fn row(&self, name: &Name) -> Option<&Record> {
        self.rows.get(name)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Name, &Record)> {
        self.rows.iter()
    }

    /// How many records have edits that wait, and how many are parked.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |wanted: fn(&Record) -> bool| {
            u64::try_from(self.rows.values().filter(|row| wanted(row)).count()).unwrap_or(0)
        };
        (
            count(|row| row.oldest_waiting().is_some()),
            count(|row| row.parked.is_some() && row.oldest_waiting().is_none()),
        )
    }

    // --- commits ---

    pub(crate) fn edited(&mut self, name: &Name, value: Option<String>) {
        self.edits.entry(name.clone()).or_default().push(value.clone());
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
            Intent::Edit(edits) => {
                let wanted = edits.iter().find(|(edited, _)| edited == name).map(|(_, value)| value.clone());
                self.took(name, before, after, wanted)
            }
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
                Ok(())
            }
            Intent::Answer(merged) => {
                if merged.is_some() {
                    self.edits.entry(name.clone()).or_default().push(merged.clone());
                }
                self.based(around, name, before, after)
            }
            Intent::Engine => {
                self.based(around, name, before, after)?;
                self.launched(name, before, after)?;
                self.after_its_parents(name, before, after)?;
                self.explained(around, name, before, after)?;
                self.set_aside(around, name, before, after)?;
                self.acknowledged(around, name, before, after)?;
                if last { self.shown(around, name, before, after) } else { Ok(()) }
            }
        }
    }

    /// An edit of the user's was taken in.
    fn took(
        &mut self,
        name: &Name,
        before: &Record,
        after: &Record,
        wanted: Option<Option<String>>,
    ) -> Verdict {
        let Some(wanted) = wanted else {
            return Err(("12: one engine owns the storage", format!("{name} changed with another's edit")));
        };
        ensure!(after.flight == before.flight, "2: no lost edit", "{name}: an edit changed the flight");
        let newest = after.newest();
        if let Some(newest) = newest
            && before.newest().is_none_or(|before| before.revision < newest.revision)
        {
            ensure!(text(newest) == wanted, "1: durable", "{name}: the edit was kept as {newest:?}");
            self.numbers.insert(newest.id, newest.revision);
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

    /// What the server is known to have is something that it had.
    fn based(&self, around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
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
        let calm = around.server.era == 0 && around.versions && !around.repeats;
        let earlier = before.base.as_ref().and_then(|base| place_of(around, name, base));
        ensure!(
            !calm || earlier.is_none_or(|earlier| earlier <= place),
            "9: the base goes on",
            "{name}: the base went back from {earlier:?} to {place}"
        );
        Ok(())
    }

    /// What is frozen is what was queued, on top of the version that was known.
    fn launched(&self, name: &Name, before: &Record, after: &Record) -> Verdict {
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

    /// What refers to a record that the server does not have yet is not about to be sent.
    fn after_its_parents(&self, name: &Name, before: &Record, after: &Record) -> Verdict {
        let Some(flight) = after.flight.as_ref().filter(|_| before.flight.is_none()) else { return Ok(()) };
        for parent in &flight.intention.references {
            let parent = super::server::name_of(parent.entity.as_str(), &parent.key);
            let coming = self.rows.get(&parent).is_some_and(|row| {
                let seen = row.parked.as_ref().and_then(|parked| parked.reason.seen()?.value());
                let saved = row.newest().is_some_and(|newest| newest.write != Write::Delete);
                row.base.is_none() && seen.is_none() && saved
            });
            ensure!(!coming, "3: never before its parent", "{name} is sent before {parent}");
        }
        Ok(())
    }

    /// The newest edit is still there, or there is a reason why it is not.
    fn explained(&self, around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
        let Some(newest) = before.newest() else {
            ensure!(!after.is_pending(), "5: no operation out of nowhere", "{name}: {after:?}");
            return Ok(());
        };
        let edit = text(newest);
        match after.newest() {
            Some(kept) if kept.revision == newest.revision => {
                let now = text(kept);
                let by_hand = || {
                    self.decisions(name, &edit).any(|(answer, merged)| match answer {
                        Answer::Merged => *merged == now,
                        Answer::Delete => now.is_none(),
                        _ => false,
                    })
                };
                let merged = || name.kind == Kind::Doc && merge_of(around, before, after, &edit) == now;
                ensure!(
                    now == edit || merged() || by_hand(),
                    "2: no lost edit",
                    "{name}: {edit:?} became {now:?}"
                );
                Ok(())
            }
            Some(other) => Err((
                "2: no lost edit",
                format!("{name}: edit {} gave way to {}", newest.revision, other.revision),
            )),
            None => {
                let arrived =
                    self.arrived.get(name).is_some_and(|(_, revision)| *revision >= newest.revision);
                let accepted = self
                    .letters
                    .get(&newest.id)
                    .is_some_and(|letter| matches!(letter.last, Last::Accepted(_)));
                let arrived = arrived || accepted;
                let there = match &edit {
                    None => gone_since(around, name, before),
                    Some(edit) => same_on_server(around, name, edit),
                };
                if arrived || there {
                    return Ok(());
                }
                self.overruled(around, name, before, after, &edit)
            }
        }
    }

    /// The edit was given up in a conflict: there was one, and the strategy says so.
    fn overruled(
        &self,
        around: &Around<'_>,
        name: &Name,
        before: &Record,
        after: &Record,
        edit: &Option<String>,
    ) -> Verdict {
        const RULE: &str = "1: durable";
        let moment = after.base.as_ref().and_then(|base| {
            let history = around.server.history(around.account, name);
            place_of(around, name, base).map(|place| &history[place])
        });
        if let Some(moment) = moment {
            let given_up = moment.operation.is_some_and(|operation| self.given_up.contains(&operation));
            let own = moment.device == Some(around.device) && around.server.era == 0 && !given_up;
            ensure!(!own, "6: our own write is no conflict", "{name}: {edit:?} lost against {moment:?}");
        }
        let remote = moment.and_then(|moment| moment.value.as_ref());
        let allowed = match (name.kind, edit, remote) {
            (Kind::Folder, ..) | (Kind::Doc | Kind::Note, None, _) => true,
            (Kind::Note, Some(local), Some(remote)) => {
                let time = |text: &str| serde_json::from_str::<Note>(text).map(|note| note.updated_at).ok();
                time(local) <= time(remote)
            }
            (Kind::Doc, Some(_), Some(remote)) => {
                merge_of(around, before, after, edit).as_ref() == Some(remote)
            }
            (Kind::Task, ..) => self.decisions(name, edit).any(|(answer, merged)| match answer {
                Answer::TakeRemote => true,
                Answer::Delete => remote.is_none(),
                Answer::Merged => merged.as_ref() == remote,
                _ => false,
            }),
            (Kind::Setting | Kind::Note | Kind::Doc, ..) => false,
        };
        ensure!(
            allowed,
            RULE,
            "{name}: {edit:?} is gone, and nobody decided so; the server's side: {remote:?}"
        );
        Ok(())
    }

    fn decisions(
        &self,
        name: &Name,
        edit: &Option<String>,
    ) -> impl Iterator<Item = &(Answer, Option<String>)> {
        self.decided.get(&(name.clone(), edit.clone())).into_iter().flatten()
    }

    /// What is parked is whole, and there is a reason.
    fn set_aside(&self, around: &Around<'_>, name: &Name, before: &Record, after: &Record) -> Verdict {
        let Some(parked) = after.parked.as_ref().filter(|_| before.parked.is_none()) else { return Ok(()) };
        let newest = before.newest().ok_or(("1: parked whole", format!("{name}: out of nowhere")))?;
        ensure!(
            parked.intention.revision == newest.revision && text(&parked.intention) == text(newest),
            "1: parked whole",
            "{name}: {newest:?} was parked as {parked:?}"
        );
        let letter = self.letters.get(&parked.intention.id);
        let reason = match &parked.reason {
            ParkReason::Refused { .. } => letter.is_some_and(|letter| letter.last == Last::Refused),
            ParkReason::Exhausted { .. } => letter.is_some_and(|letter| letter.failed >= MAX_ATTEMPTS),
            ParkReason::Deferred { remote } => {
                let known = match remote.value() {
                    Some(value) => same_on_server(around, name, value.as_str()),
                    None => gone_since(around, name, before),
                };
                known && self.decisions(name, &text(newest)).any(|(answer, _)| *answer == Answer::Defer)
            }
        };
        ensure!(reason, "7: parked for a reason", "{name}: {:?}, after {letter:?}", parked.reason);
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
        ensure!(
            gone || around.server.era > 0 || known >= place(version),
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

    pub(crate) fn moved(&self, kind: Kind, cursor: Option<&str>, aside: &[String]) -> Verdict {
        let Some(cursor) = cursor else { return Ok(()) };
        let Some(page) = self.pages.get(&(kind, cursor.to_owned())) else {
            return Err(("8: cursors come from the server", format!("{}: {cursor}", kind.name())));
        };
        for (name, value) in page {
            if value.as_ref().is_some_and(|value| value.contains("broken")) {
                ensure!(aside.contains(&name.key), "11: a bad record is kept aside", "{name} is lost");
                continue;
            }
            let told = self.told.get(name);
            ensure!(
                told == Some(value),
                "8: the cursor moves after the handler",
                "{name}: the page before {cursor} has {value:?}, and the handler was last told {told:?}"
            );
        }
        Ok(())
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

    // --- requests ---

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
            // Without a memory of keys, the server itself says that it has what was sent.
            let settled = matches!(letter.last, Last::Conflict) || !around.keys;
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
        let earlier = self.arrived.insert(name.clone(), (era, revision));
        if let Some((then, earlier)) = earlier
            && then == era
        {
            ensure!(
                earlier != revision || !around.keys,
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
        let Some(edit) = self.numbers.get(&id) else { return Ok(()) };
        let row = self.rows.get(name);
        let waits = row.is_some_and(|row| {
            let flight = row.flight.as_ref().map(|flight| flight.intention.revision);
            flight == Some(*edit) || row.queued.as_ref().is_some_and(|queued| queued.revision == *edit)
        });
        let wrong = match fate {
            Ok(()) | Err(NotSynced::Overruled { .. } | NotSynced::TakenBack { .. }) => waits,
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
        let flight = self.rows.get(name).and_then(|row| row.flight.as_ref());
        if let Some(letter) = flight.and_then(|flight| self.letters.get_mut(&flight.intention.id)) {
            letter.failed += 1;
        }
    }

    pub(crate) fn paged(&mut self, kind: Kind, cursor: &str, items: Vec<(Name, Option<String>)>) {
        self.pages.insert((kind, cursor.to_owned()), items);
    }

    // --- handlers ---

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
    pub(crate) fn asked(&self, around: &Around<'_>, name: &Name, sides: &[Option<String>; 3]) -> Verdict {
        let [base, local, remote] = sides;
        let row = self.rows.get(name);
        let kept = row.and_then(|row| row.base.as_ref()).and_then(|base| base.value.as_ref());
        let kept = kept.map(|value| value.as_str());
        // What has just been acknowledged is the base already, although the row does not say so yet.
        let flight = row.and_then(|row| row.flight.as_ref()).filter(|flight| {
            let letter = self.letters.get(&flight.intention.id);
            letter.is_some_and(|letter| matches!(letter.last, Last::Accepted(_)))
        });
        let acknowledged = flight.and_then(|flight| text(&flight.intention));
        let in_history = base.as_ref().is_some_and(|base| same_on_server(around, name, base));
        let earlier_in_the_page = around.repeats && in_history;
        ensure!(
            kept == base.as_deref() || acknowledged == *base || earlier_in_the_page,
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
}

/// What the histories let a failing operation try at most.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// Whether the server did not have the record at some time after what is known of it.
fn gone_since(around: &Around<'_>, name: &Name, known: &Record) -> bool {
    let Some(base) = &known.base else { return true };
    let history = around.server.history(around.account, name);
    let since = place_of(around, name, base).unwrap_or(0);
    around.server.era > 0 || history[since..].iter().any(|moment| moment.value.is_none())
}

/// Where in the record's history the server had this.
fn place_of(around: &Around<'_>, name: &Name, base: &Base) -> Option<usize> {
    let history = around.server.history(around.account, name);
    let fits = |value: &Option<String>| match (&base.value, value) {
        (None, Some(_)) => true,
        (Some(kept), value) => alike(around, name, Some(kept.as_str()), value.as_deref()),
        (None, None) => false,
    };
    history.iter().rposition(|moment| {
        base.version.as_ref().is_none_or(|version| moment.version == *version) && fits(&moment.value)
    })
}

fn same_on_server(around: &Around<'_>, name: &Name, value: &str) -> bool {
    let history = around.server.history(around.account, name);
    history.iter().any(|moment| alike(around, name, Some(value), moment.value.as_deref()))
}

/// Whether two texts are the same record, but for an `updated_at` that the server sets.
pub(crate) fn alike(around: &Around<'_>, name: &Name, one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if around.stamps && name.kind == Kind::Note => {
            let note = |text| serde_json::from_str::<Note>(text).ok().map(|note| (note.tag, note.folder));
            note(one) == note(other)
        }
        (one, other) => one == other,
    }
}

/// What the merge of a document has to come to.
fn merge_of(around: &Around<'_>, before: &Record, after: &Record, edit: &Option<String>) -> Option<String> {
    let doc = |text: &str| serde_json::from_str::<Doc>(text).ok();
    let local = doc(edit.as_deref()?)?;
    let name = Name { kind: Kind::Doc, key: local.id.clone() };
    let history = around.server.history(around.account, &name);
    let remote = doc(history[place_of(around, &name, after.base.as_ref()?)?].value.as_deref()?)?;
    let base = before.base.as_ref().and_then(|base| doc(base.value.as_ref()?.as_str()));
    serde_json::to_string(&Doc::merge(base.as_ref(), &local, &remote)).ok()
}
