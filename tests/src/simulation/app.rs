//! The application on a device: a table of records that it keeps as it is told, and handlers that go wrong.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sync::{BoxError, Change, Conflict, EntityOf, OnConflict, OnPull, Pulled, Resolution, Schema, Syncable};

use super::device::draft;
use super::entities::{Doc, Folder, Name, Note, Sample, Setting, Task};
use super::faults::Fault;
use super::life::Life;
use super::plan::Answer;

/// What every planned panic says, so that nothing is printed of it.
pub(crate) const PLANNED: &str = "planned by the simulation";

/// The schema of every history.
#[derive(Schema)]
#[sync(entities(Folder, Note, Task, Doc, Setting))]
pub(crate) struct App(pub(crate) Arc<Life>);

/// While it is there, no other handler of the process may run.
struct Alone(Arc<Life>);

impl Alone {
    fn begin(life: &Arc<Life>) -> Self {
        let first = !life.in_handler.swap(true, Ordering::Relaxed);
        let verdict = if first { Ok(()) } else { Err(("10: one handler at a time", "two run".to_owned())) };
        life.world.state().judge(Some(life.device), verdict);
        Self(Arc::clone(life))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.in_handler.store(false, Ordering::Relaxed);
    }
}

fn panic_if_struck(life: &Life) {
    assert!(!life.strikes(Fault::HandlerPanics), "{PLANNED}");
}

/// A change in text.
pub(crate) struct Told {
    pub(crate) name: Name,
    pub(crate) local: Option<String>,
    pub(crate) remote: Option<String>,
}

fn json<T: Syncable>(record: &T) -> String {
    serde_json::to_string(record).expect("the records of the histories are JSON")
}

pub(crate) fn name_of<T: Sample>(id: &T::Id) -> Name {
    let key = sync::record::RecordKey::of(id).expect("the ids of the histories name records");
    Name { kind: T::KIND, key: key.to_string() }
}

fn told<T: Sample>(change: &Change<T>) -> Told {
    let remote = match change {
        Change::Upserted(record) => Some(json(record)),
        Change::Deleted(_) => None,
        Change::Rebased { remote, .. } => remote.as_ref().map(json),
    };
    Told { name: name_of::<T>(change.id()), local: change.local().map(json), remote }
}

impl App {
    async fn receive<T: Sample + EntityOf<Self>>(&self, pulled: Pulled<T>) -> Result<(), BoxError> {
        let life = &self.0;
        life.place("before a handler").await;
        let _alone = Alone::begin(life);
        panic_if_struck(life);
        if life.strikes(Fault::SlowHandler) {
            life.pass(1, 4_000).await;
        }
        let changes: Vec<_> = pulled.changes.iter().map(told).collect();
        let fails = life.strikes(Fault::HandlerFails);
        life.world.state().told(life, &changes, !fails);
        if fails {
            return Err("the application's database is locked".into());
        }
        for change in &changes {
            if change.local.is_some() && life.strikes_by(Fault::HandlerEdits, Life::later_dice) {
                let edited = self.edit::<T>(change).await;
                if edited.is_err() {
                    // The engine is shutting down. What was told is shown, and is told again before it is recorded.
                    life.world.state().strict_view = false;
                }
                edited?;
            }
        }
        life.place("after a handler").await;
        Ok(())
    }

    /// Writes a record that the handler is told of, in one of the two ways.
    async fn edit<T: Sample + EntityOf<Self>>(&self, change: &Told) -> Result<(), BoxError> {
        let life = &self.0;
        let (Some(engine), Ok(key)) = (life.engine(), change.name.key.parse()) else { return Ok(()) };
        let (record, name, text) = draft::<T>(life, key, false);
        life.note(format_args!("  the handler saves {text} ({})", name.kind.name()));
        if change.local == change.remote {
            let book = &mut life.world.state().books[life.device][life.account];
            book.made_on.insert((name.clone(), Some(text.clone())), change.remote.clone());
        }
        let in_one = life.later_dice().per_mille(500);
        let edits = vec![(name, Some(text))];
        let push = async {
            if in_one {
                engine.transaction(move |tx| tx.push(&record)).await
            } else {
                engine.push(&record).await
            }
        };
        life.edit(edits, push).await?;
        Ok(())
    }
}

macro_rules! receives {
    ($($T:ident),*) => {
        $(impl OnPull<$T> for App {
            async fn on_pull(&self, pulled: Pulled<$T>) -> Result<(), BoxError> {
                self.receive(pulled).await
            }
        })*
    };
}

receives!(Folder, Note, Task);

impl OnConflict<Task> for App {
    async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        let life = &self.0;
        life.place("before a conflict is decided").await;
        let _alone = Alone::begin(life);
        let name = name_of::<Task>(&conflict.id);
        let sides = [&conflict.base, &conflict.local, &conflict.remote].map(|side| side.as_ref().map(json));
        life.world.state().asked(life, &name, &sides);
        panic_if_struck(life);
        if life.strikes(Fault::SlowHandler) {
            life.pass(1, 4_000).await;
        }
        if life.strikes(Fault::HandlerFails) {
            return Err("nobody knows".into());
        }
        let answer = *life.dice().one_of(&Answer::ALL);
        let tag = life.world.state().fresh_tag();
        let (resolution, merged) = resolution(&conflict, answer, tag);
        life.world.state().decided(life, &name, sides[1].clone(), answer, merged);
        life.place("after a conflict is decided").await;
        Ok(resolution)
    }
}

/// The answer as the engine takes it, and the merged record.
pub(crate) fn resolution<T: Sample + Merged>(
    conflict: &Conflict<T>,
    answer: Answer,
    tag: u64,
) -> (Resolution<T>, Option<String>) {
    match answer {
        Answer::TakeRemote => (Resolution::TakeRemote, None),
        Answer::KeepLocal => (Resolution::KeepLocal, None),
        Answer::Delete => (Resolution::Delete, None),
        Answer::Defer => (Resolution::Defer, None),
        Answer::Merged => match conflict.local.as_ref().or(conflict.remote.as_ref()) {
            Some(side) => {
                let merged = side.merged(tag);
                let text = json(&merged);
                (Resolution::Merged(merged), Some(text))
            }
            None => (Resolution::TakeRemote, None),
        },
    }
}

/// A record that a handler can make of two others.
pub(crate) trait Merged {
    fn merged(&self, tag: u64) -> Self;
}

impl Merged for Task {
    fn merged(&self, tag: u64) -> Self {
        Self { tag, bad: false, ..self.clone() }
    }
}
