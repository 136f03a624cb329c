//! Requests that come to nothing while others are answered.
//!
//! A gateway may give up on one request, and always on that one: the record is too large for what is behind it, or makes that crash. It
//! looks as if the server could not be reached, so everything would wait for that record for ever. Of an operation that is found out by
//! what else is sent; a list, or a record that is asked for, may be all that is asked, so then the server is [probed](Core::fails_alone).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::core::Core;
use crate::record::OperationId;
use crate::remote::RemoteError;
use crate::storage::StorageError;

/// How many operations are remembered: more have not failed by themselves.
const REMEMBERED: usize = 1024;

/// What is known of them, for as long as the engine lives.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// How many requests were begun.
    begun: AtomicU64,
    /// The last of them that was answered.
    answered: AtomicU64,
    /// How many had been begun when the request of an operation came to nothing.
    failed: Mutex<HashMap<OperationId, u64>>,
}

impl Suspects {
    /// A request is about to be made. Answers its number.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The request with this number was answered.
    pub(crate) fn answered(&self, number: u64) {
        self.answered.fetch_max(number, Ordering::Relaxed);
    }

    /// The request of this operation came to nothing. Answers whether it did so before, and others that were made since then were
    /// answered: those that were under way at the same time say nothing of the time after.
    pub(crate) fn fails_alone(&self, operation: OperationId) -> bool {
        let (begun, answered) = (self.begun.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed));
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= REMEMBERED && !failed.contains_key(&operation) {
            failed.clear();
        }
        failed.insert(operation, begun).is_some_and(|before| before < answered)
    }

    /// The request of this operation was answered.
    pub(crate) fn clear(&self, operation: OperationId) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(&operation);
    }
}

impl Core {
    /// Whether a question came to nothing while the server can be reached: then it is the trouble of what was asked about, and nothing
    /// else has to wait. Finding that out takes one more request.
    pub(crate) async fn fails_alone(&self, source: &RemoteError) -> Result<bool, StorageError> {
        let says_nothing_else = matches!(source, RemoteError::Unreachable { retry_after: None, .. });
        if !says_nothing_else || self.throttled().is_some() || self.is_closing() {
            return Ok(false);
        }
        match self.remote.probe().await {
            Ok(()) => {
                self.is_reached().await?;
                Ok(true)
            }
            Err(error) => {
                self.obey(error.retry_after()).await?;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(number: u128) -> OperationId {
        OperationId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn it_fails_alone_when_others_are_answered_in_between() {
        let suspects = Suspects::default();
        let beside = suspects.begin();
        assert!(!suspects.fails_alone(operation(1)), "nothing is known yet");
        assert!(!suspects.fails_alone(operation(1)), "nobody else was answered");
        suspects.answered(beside);
        assert!(!suspects.fails_alone(operation(1)), "that was under way at the same time");
        suspects.answered(suspects.begin());
        assert!(suspects.fails_alone(operation(1)));
        assert!(!suspects.fails_alone(operation(1)), "and nobody since then");
        assert!(!suspects.fails_alone(operation(2)));
        suspects.clear(operation(1));
        suspects.answered(suspects.begin());
        assert!(!suspects.fails_alone(operation(1)), "it was answered itself");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let suspects = Suspects::default();
        for number in 0..5000 {
            suspects.fails_alone(operation(number));
        }
        assert!(suspects.failed.lock().expect("nobody panicked").len() <= REMEMBERED);
    }
}
