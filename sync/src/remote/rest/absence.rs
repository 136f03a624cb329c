//! Whether a record that is said not to be there is not there.
//!
//! Edits and deletions are given up for a 404. But a server also says it of a method that it has no route for, and to somebody who may read
//! a record and not write it. So after a write the record is asked for: if it is there, the 404 was about the write.
//!
//! And a router says it of every address while it has no route to the API, in the middle of a deployment, say, and in whatever form: as
//! text, as JSON, or with no body at all. So the word is taken where the collection answers at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::RestRemote;
use super::answer::{failure, transient};
use super::exchange::Answer;
use super::paging::Place;
use super::request;
use super::speaker::Speaker;
use crate::entity::EntityInfo;
use crate::record::Problem;
use crate::remote::{Fetched, PullRequest, RemoteError, Reply, TransientCause, WriteAnswer, WriteRequest};

/// How long a collection that has answered is not asked again: a listing may lack thousands of records, of which each is asked for.
const TRUST: Duration = Duration::from_secs(1);

/// When each collection has answered last.
#[derive(Debug, Default)]
pub(super) struct Collections(Mutex<HashMap<&'static str, Instant>>);

/// An answer by which something is not there.
pub(super) struct Absence {
    /// What is to be said of it, should the collection not be there either.
    pub(super) doubt: RemoteError,
    status: StatusCode,
    problem: Option<Problem>,
}

impl Absence {
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let status = answer.status;
        matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE).then(|| Self {
            doubt: transient(answer, TransientCause::NoCollection),
            status,
            problem: answer.problem(),
        })
    }

    /// What is to be said of it, should the record be there.
    fn of_a_record_that_is_there(self) -> Problem {
        let told = format!(
            "status {}, and the record is there: does the server have a route for this method, and may this user write?",
            self.status.as_u16()
        );
        let mut problem = self.problem.unwrap_or_default();
        problem.detail = Some(match problem.detail {
            Some(detail) => format!("{detail}; {told}"),
            None => told,
        });
        problem
    }
}

impl RestRemote {
    /// Asks for the record that an answer to a write says is not there. `reply` is what the write came to if that is so.
    ///
    /// Where records cannot be read one by one, the server's word stands.
    pub(super) async fn look_for_the_record(
        &self,
        request: &WriteRequest,
        absence: Absence,
        reply: Reply<WriteAnswer>,
    ) -> Result<Reply<WriteAnswer>, RemoteError> {
        let question = request::fetch(&self.base, request.entity, &request.key, &self.dialect)?;
        let answer = self.exchange.run(question).await?;
        let mut retry_after = reply.retry_after.max(answer.retry_after());
        if Speaker::of(&answer).says_not_now() {
            return Err(failure(&answer).waiting(retry_after));
        }
        let is_refused = answer.status.is_client_error();
        let answer = match self.reader().fetched(request.entity, answer).map(|reply| reply.answer) {
            Ok(Fetched::Present { version, body }) => {
                let problem = Some(Box::new(absence.of_a_record_that_is_there()));
                WriteAnswer::Conflict { version, body: Some(body), problem }
            }
            Ok(Fetched::Missing) if !is_refused => reply.answer,
            Err(error) if !is_refused && !matches!(error, RemoteError::Protocol { .. }) => {
                return Err(error.waiting(retry_after));
            }
            // There is no record in it: it was refused, or is an application's page for every address, say.
            _ => {
                let wish = self.look_for_the_collection(request.entity, absence.doubt).await;
                retry_after = retry_after.max(wish.map_err(|error| error.waiting(retry_after))?);
                reply.answer
            }
        };
        Ok(Reply { answer, retry_after })
    }

    /// Asks for the first page of an entity's records, and answers for how long the server wants to be left alone after that. `doubt` is the
    /// error when there is no such list.
    ///
    /// It is there where it answers with a page of the dialect's, and where the API refuses it in another way: not everybody may read it. An
    /// application's page for every address proves nothing, whatever its status.
    pub(super) async fn look_for_the_collection(
        &self,
        entity: &'static EntityInfo,
        doubt: RemoteError,
    ) -> Result<Option<Duration>, RemoteError> {
        if self.collections.answered_just_now(entity) {
            return Ok(None);
        }
        let page = PullRequest { entity, since: None, limit: 1, scope: None };
        // A dialect that has no way to ask for it leaves the server's word.
        let Ok(question) = request::pull(&self.base, &page, &Place::default(), &self.dialect) else {
            return Ok(None);
        };
        let answer = self.exchange.run(question).await?;
        let wish = answer.retry_after();
        let is_there = match (Speaker::of(&answer), answer.status.as_u16()) {
            (Speaker::GoBetween | Speaker::Moment, _) => return Err(failure(&answer)),
            (Speaker::Page, _) | (Speaker::Api, 404 | 410) => false,
            (Speaker::Api, 400..=499) => true,
            (Speaker::Api, _) => match self.reader().pulled(&page, answer) {
                Ok(_) => true,
                Err(RemoteError::Protocol { .. }) => false,
                Err(error) => return Err(error),
            },
        };
        if !is_there {
            return Err(doubt.waiting(wish));
        }
        self.collections.have_answered(entity);
        Ok(wish)
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
