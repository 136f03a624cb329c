//! An application that keeps what it is told, and goes wrong when a story wants it to.
#![allow(missing_debug_implementations, reason = "nobody prints them")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sync::{BoxError, Change, Conflict, OnConflict, OnPull, Pulled, Resolution, Schema, Syncable};

use crate::entities::{Note, Task};

/// The application of the stories. Clones share their state.
#[derive(Clone, Default, Schema)]
#[sync(entities(Note, Task))]
pub struct App(Arc<Mutex<State>>);

/// What the application holds, and what it does next.
#[derive(Default)]
pub struct State {
    /// The notes as they look locally.
    pub notes: BTreeMap<String, Note>,
    /// The tasks as they look locally.
    pub tasks: BTreeMap<u64, Task>,
    /// Every page of notes, in order.
    pub note_pages: Vec<Vec<Change<Note>>>,
    /// Of each of them, whether more were to follow.
    pub more_follow: Vec<bool>,
    /// Every conflict that was asked about.
    pub conflicts: Vec<Conflict<Task>>,
    /// How the next conflicts are decided; `TakeRemote` after that.
    pub answers: VecDeque<Answer>,
    /// How the next pages of notes are received; well, after that.
    pub moods: VecDeque<Mood>,
    /// Called when a page of notes comes.
    pub on_page: Option<Hook>,
    /// Called when what was told of tasks is stored.
    pub after_tasks: Option<Hook>,
}

/// Something a story does while a handler runs.
pub type Hook = Box<dyn FnMut() -> futures::future::BoxFuture<'static, ()> + Send>;

/// What the conflict handler does.
pub enum Answer {
    /// It decides.
    Decide(Resolution<Task>),
    /// It returns an error.
    Fail,
    /// It panics.
    Panic,
}

/// How a page is received.
pub enum Mood {
    /// It is stored.
    Fine,
    /// The handler returns an error.
    Fail,
    /// The handler panics.
    Panic,
}

impl App {
    /// The state, to look at or to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides the next conflict.
    pub fn will(&self, answer: Answer) {
        self.state().answers.push_back(answer);
    }
}

fn store<T: Syncable<Id: Ord>>(records: &mut BTreeMap<T::Id, T>, changes: &[Change<T>]) {
    for change in changes {
        match change.local() {
            Some(record) => records.insert(change.id().clone(), record.clone()),
            None => records.remove(change.id()),
        };
    }
}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        let hook = self.state().on_page.take();
        if let Some(mut hook) = hook {
            hook().await;
        }
        let mut state = self.state();
        match state.moods.pop_front() {
            Some(Mood::Fail) => return Err("the application's database is locked".into()),
            Some(Mood::Panic) => panic!("the application has a bug"),
            Some(Mood::Fine) | None => {}
        }
        store(&mut state.notes, &pulled.changes);
        state.note_pages.push(pulled.changes);
        state.more_follow.push(pulled.has_more);
        Ok(())
    }
}

impl OnPull<Task> for App {
    async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
        let hook = {
            let mut state = self.state();
            store(&mut state.tasks, &pulled.changes);
            state.after_tasks.take()
        };
        if let Some(mut hook) = hook {
            hook().await;
        }
        Ok(())
    }
}

impl OnConflict<Task> for App {
    async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        let mut state = self.state();
        state.conflicts.push(conflict);
        match state.answers.pop_front() {
            Some(Answer::Decide(resolution)) => Ok(resolution),
            Some(Answer::Fail) => Err("nobody knows".into()),
            Some(Answer::Panic) => panic!("the handler has a bug"),
            None => Ok(Resolution::TakeRemote),
        }
    }
}
