//! Whether a record that is said not to be there is not there.
//!
//! Edits and deletions are given up for a 404. But a router says the same of every address while it has no route to the API, in the middle
//! of a deployment, say, and in whatever form: as text, as JSON, or with no body at all. So the word is taken where the collection
//! answers at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::RestRemote;
use super::answer::{failure, nothing_said};
use super::exchange::Answer;
use super::paging::Place;
use super::request;
use crate::entity::EntityInfo;
use crate::remote::{PullRequest, RemoteError};

/// How long a collection that has answered is not asked again: a listing may lack thousands of records, of which each is asked for.
const TRUST: Duration = Duration::from_secs(1);

/// When each collection has answered last.
#[derive(Debug, Default)]
pub(super) struct Collections(Mutex<HashMap<&'static str, Instant>>);

/// What is to be said of an answer by which a record is not there, should its collection not be there either.
pub(super) fn doubt(answer: &Answer) -> Option<RemoteError> {
    matches!(answer.status.as_u16(), 404 | 410).then(|| nothing_said(answer))
}

impl RestRemote {
    /// Asks for the first page of an entity's records. `doubt` is the error when there is no such list.
    ///
    /// A list that is refused in another way is there: not everybody may read it.
    pub(super) async fn look_for_the_collection(
        &self,
        entity: &'static EntityInfo,
        doubt: RemoteError,
    ) -> Result<(), RemoteError> {
        if self.collections.answered_just_now(entity) {
            return Ok(());
        }
        let page = PullRequest { entity, since: None, limit: 1, scope: None };
        // A dialect that has no way to ask for it leaves the server's word.
        let Ok(question) = request::pull(&self.base, &page, &Place::default(), &self.dialect) else {
            return Ok(());
        };
        let answer = self.exchange.run(question).await?;
        match answer.status.as_u16() {
            404 | 410 => return Err(doubt),
            401 | 408 | 425 | 429 | 500..=599 => return Err(failure(&answer)),
            _ => {}
        }
        self.collections.have_answered(entity);
        Ok(())
    }
}

impl Collections {
    fn answered_just_now(&self, entity: &EntityInfo) -> bool {
        let answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answered.get(entity.endpoint).is_some_and(|at| at.elapsed() < TRUST)
    }

    fn have_answered(&self, entity: &EntityInfo) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(entity.endpoint, Instant::now());
    }
}
