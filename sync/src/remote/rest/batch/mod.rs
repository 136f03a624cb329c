//! Several operations in one request, where the dialect has such a thing.
//!
//! [`Batches`] collects what waits while a batch is under way; `requests` and `records` say what a batch looks like.

mod records;
mod requests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, Semaphore, oneshot};

use super::RestRemote;
use super::dialect::{BatchDialect, BatchOutcomes};
use crate::record::Write;
use crate::remote::{RemoteError, Reply, WriteAnswer, WriteRequest};

type Outcome = Result<Reply<WriteAnswer>, RemoteError>;

/// An operation that waits for the next batch.
struct Waiting {
    request: WriteRequest,
    answer: oneshot::Sender<Outcome>,
}

/// What the server said to a batch.
enum Answered {
    /// To each operation, in their order; `None` where its answer by itself says more.
    Each(Vec<Option<Outcome>>),
    /// That it is too large.
    TooLarge,
    /// Nothing that could be told apart: each operation is sent by itself.
    Unclear,
}

/// Collects operations into batches.
pub(super) struct Batches {
    waiting: Mutex<VecDeque<Waiting>>,
    /// One batch is under way at a time.
    turn: Semaphore,
    /// As many operations as the server is known to take at once.
    limit: AtomicUsize,
    /// Filled once it was asked how many it takes.
    asked: OnceCell<()>,
}

impl Batches {
    /// `None` for a dialect without batches.
    pub(super) fn of(dialect: &BatchDialect) -> Option<Self> {
        let limit = match dialect {
            BatchDialect::Nothing => return None,
            BatchDialect::Requests(batch) => batch.limit,
            BatchDialect::Records(batch) => batch.limit,
        };
        Some(Self {
            waiting: Mutex::default(),
            turn: Semaphore::new(1),
            limit: AtomicUsize::new(limit),
            asked: OnceCell::new(),
        })
    }

    /// Sends an operation with the next batch. Whoever waits and finds no batch under way sends one for all.
    pub(super) async fn send(&self, remote: &RestRemote, request: WriteRequest) -> Outcome {
        let url = format!("{}{}", remote.base, request.entity.endpoint);
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push_back(Waiting { request, answer });
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => return answer.unwrap_or_else(|_| Err(given_up(url))),
                turn = self.turn.acquire() => {
                    let batch = self.next();
                    if turn.is_err() || batch.is_empty() {
                        // Another one has taken it and brought it to its end.
                        return answered.await.unwrap_or_else(|_| Err(given_up(url)));
                    }
                    self.run(remote, batch).await;
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operations of the entity that has waited longest.
    fn next(&self) -> Vec<Waiting> {
        let limit = self.limit.load(Ordering::Relaxed).max(1);
        let mut waiting = self.waiting();
        let Some(entity) = waiting.front().map(|first| first.request.entity.name) else { return Vec::new() };
        let (mut batch, mut others) = (Vec::new(), VecDeque::new());
        for one in waiting.drain(..) {
            if one.request.entity.name == entity && batch.len() < limit {
                batch.push(one);
            } else {
                others.push_back(one);
            }
        }
        *waiting = others;
        batch
    }

    async fn run(&self, remote: &RestRemote, batch: Vec<Waiting>) {
        if batch.len() > 1 {
            self.asked.get_or_init(|| self.ask_for_the_limit(remote)).await;
        }
        let mut parts = VecDeque::from([batch]);
        while let Some(mut part) = parts.pop_front() {
            let limit = self.limit.load(Ordering::Relaxed).max(1);
            if part.len() > limit {
                parts.push_front(part.split_off(limit));
            }
            if part.len() == 1 {
                send_each(remote, part).await;
                continue;
            }
            match self.attempt(remote, &part).await {
                Ok(Answered::Each(outcomes)) if outcomes.len() == part.len() => {
                    let mut alone = Vec::new();
                    for (one, outcome) in part.into_iter().zip(outcomes) {
                        match outcome {
                            Some(outcome) => told(one, outcome),
                            None => alone.push(one),
                        }
                    }
                    send_each(remote, alone).await;
                }
                Ok(Answered::TooLarge) => {
                    self.limit.fetch_min(part.len() / 2, Ordering::Relaxed);
                    parts.push_front(part);
                }
                Ok(_) => send_each(remote, part).await,
                Err(error) => part.into_iter().for_each(|one| told(one, Err(same(&error)))),
            }
        }
    }

    async fn attempt(&self, remote: &RestRemote, part: &[Waiting]) -> Result<Answered, RemoteError> {
        let operations: Vec<&WriteRequest> = part.iter().map(|one| &one.request).collect();
        match &remote.dialect.batch {
            BatchDialect::Nothing => Ok(Answered::Unclear),
            BatchDialect::Requests(dialect) => requests::send(remote, dialect, &operations).await,
            BatchDialect::Records(dialect) => records::send(remote, dialect, &operations).await,
        }
    }

    /// A server that does not say how many it takes is believed to take as many as the dialect says.
    async fn ask_for_the_limit(&self, remote: &RestRemote) {
        if let BatchDialect::Requests(batch) = &remote.dialect.batch
            && let Some(advertised) = &batch.advertised
            && let Some(limit) = requests::limit(remote, advertised).await
        {
            self.limit.fetch_min(limit.max(1), Ordering::Relaxed);
        }
    }
}

/// Whether such an operation may be in a batch.
pub(super) fn takes(dialect: &BatchDialect, write: &Write) -> bool {
    match dialect {
        BatchDialect::Nothing => false,
        BatchDialect::Requests(_) => true,
        BatchDialect::Records(batch) => match batch.outcomes {
            BatchOutcomes::Receipts { .. } => write.payload().is_some(),
            BatchOutcomes::AllOrNothing => matches!(write, Write::Create(_)),
        },
    }
}

/// Sends each operation by itself.
async fn send_each(remote: &RestRemote, all: Vec<Waiting>) {
    futures::future::join_all(all.into_iter().map(async |one| {
        let outcome = remote.send_alone(&one.request).await;
        told(one, outcome);
    }))
    .await;
}

/// Whoever has stopped waiting is not told.
fn told(one: Waiting, outcome: Outcome) {
    drop(one.answer.send(outcome));
}

fn given_up(url: String) -> RemoteError {
    let reason = "the batch was given up before it was answered".to_owned();
    RemoteError::Unreachable { url, reason, retry_after: None, in_doubt: true, source: None }
}

/// The same failure for another operation of the batch. What caused it is told in words.
fn same(error: &RemoteError) -> RemoteError {
    match error {
        RemoteError::Unreachable { url, reason, retry_after, in_doubt, .. } => RemoteError::Unreachable {
            url: url.clone(),
            reason: reason.clone(),
            retry_after: *retry_after,
            in_doubt: *in_doubt,
            source: None,
        },
        RemoteError::Protocol { url, reason, retry_after, .. } => RemoteError::Protocol {
            url: url.clone(),
            reason: reason.clone(),
            retry_after: *retry_after,
            source: None,
        },
        RemoteError::Throttled { url, status, retry_after } => {
            RemoteError::Throttled { url: url.clone(), status: *status, retry_after: *retry_after }
        }
        RemoteError::Transient { url, status, cause, problem, retry_after } => RemoteError::Transient {
            url: url.clone(),
            status: *status,
            cause: *cause,
            problem: problem.clone(),
            retry_after: *retry_after,
        },
        RemoteError::Unauthorized { url, reason, retry_after } => {
            RemoteError::Unauthorized { url: url.clone(), reason: reason.clone(), retry_after: *retry_after }
        }
        RemoteError::SignedOut { url, reason } => {
            RemoteError::SignedOut { url: url.clone(), reason: reason.clone() }
        }
        RemoteError::CredentialsUnavailable { url, reason, .. } => {
            RemoteError::CredentialsUnavailable { url: url.clone(), reason: reason.clone(), source: None }
        }
        RemoteError::Refused { url, refusal, retry_after } => {
            RemoteError::Refused { url: url.clone(), refusal: refusal.clone(), retry_after: *retry_after }
        }
        RemoteError::CursorGone { url, retry_after } => {
            RemoteError::CursorGone { url: url.clone(), retry_after: *retry_after }
        }
    }
}
