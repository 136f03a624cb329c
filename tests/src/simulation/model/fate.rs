//! What became of the edits in a row.

use sync::record::{ParkReason, Record};

use super::super::entities::{Doc, Kind, Name, Note};
use super::super::plan::Answer;
use super::facts::{gone_since, place_of, same_on_server};
use super::{Around, Book, Content, Last, MAX_ATTEMPTS, Verdict, ensure, text};

impl Book {
    /// The newest edit is still there, or there is a reason why it is not.
    pub(super) fn explained(
        &self,
        around: &Around<'_>,
        name: &Name,
        before: &Record,
        after: &Record,
    ) -> Verdict {
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
                let merged =
                    || name.kind == Kind::Doc && merges_of(around, before, after, &edit).contains(&now);
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
        edit: &Content,
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
        if let (Some(_), None) = (&before.base, &after.base)
            && let Some(last) = around.server.history(around.account, name).last()
        {
            let given_up = last.operation.is_some_and(|operation| self.given_up.contains(&operation));
            let own = last.value.is_none() && last.device == Some(around.device) && !given_up;
            ensure!(
                !own || around.server.era > 0,
                "6: our own write is no conflict",
                "{name}: {edit:?} lost against our own deletion"
            );
        }
        let remote = moment.and_then(|moment| moment.value.as_ref());
        // Where the process may end, or the page come again, between what the handler was told and its being written, nobody knows that
        // the edit was made on it.
        let made_on = self.made_on.get(&(name.clone(), edit.clone())).filter(|_| around.strict_view);
        ensure!(
            made_on.is_none_or(|made_on| made_on.as_ref() != remote),
            "9: an edit is no conflict with what it was made on",
            "{name}: {edit:?} lost against {remote:?}, which the handler had been told"
        );
        let allowed = match (name.kind, edit, remote) {
            (Kind::Folder, ..) | (Kind::Doc | Kind::Note, None, _) => true,
            (Kind::Note, Some(local), Some(remote)) => {
                let time = |text: &str| serde_json::from_str::<Note>(text).map(|note| note.updated_at).ok();
                time(local) <= time(remote)
            }
            (Kind::Doc, Some(_), Some(remote)) => {
                merges_of(around, before, after, edit).contains(&Some(remote.clone()))
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

    fn decisions(&self, name: &Name, edit: &Content) -> impl Iterator<Item = &(Answer, Content)> {
        self.decided.get(&(name.clone(), edit.clone())).into_iter().flatten()
    }

    /// What is parked is whole, and there is a reason.
    pub(super) fn set_aside(
        &self,
        around: &Around<'_>,
        name: &Name,
        before: &Record,
        after: &Record,
    ) -> Verdict {
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
}

/// What the merge of a document may come to: the ancestor is the base, or what has just been acknowledged and is the base
/// already, although the row did not say so yet.
fn merges_of(around: &Around<'_>, before: &Record, after: &Record, edit: &Content) -> Vec<Content> {
    let base = before.base.as_ref().and_then(|base| Some(base.value.as_ref()?.as_str()));
    let flight = before.flight.as_ref().filter(|_| before.queued.is_some());
    let acknowledged =
        flight.map(|flight| flight.intention.write.payload().map(sync::record::Payload::as_str));
    let merge = |ancestor| merge_of(around, after, edit, ancestor);
    [Some(base), acknowledged].into_iter().flatten().map(merge).collect()
}

fn merge_of(around: &Around<'_>, after: &Record, edit: &Content, ancestor: Option<&str>) -> Content {
    let doc = |text: &str| serde_json::from_str::<Doc>(text).ok();
    let local = doc(edit.as_deref()?)?;
    let name = Name { kind: Kind::Doc, key: local.id.clone() };
    let history = around.server.history(around.account, &name);
    let remote = doc(history[place_of(around, &name, after.base.as_ref()?)?].value.as_deref()?)?;
    let base = ancestor.and_then(doc);
    serde_json::to_string(&Doc::merged(base.as_ref(), &local, &remote)).ok()
}
