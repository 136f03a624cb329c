//! A strategy is a type: one of the user's own is named by its path, generic or not, also under a built-in's name.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, OnPull, Resolution, Schema, Strategy, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/counters", conflict = HigherWins)]
struct Counter {
    id: String,
    count: u64,
}

struct HigherWins;

impl<S> Strategy<S, Counter> for HigherWins {
    async fn resolve(_: &S, conflict: Conflict<Counter>) -> Result<Resolution<Counter>, BoxError> {
        let count = |side: &Option<Counter>| side.as_ref().map(|counter| counter.count);
        let higher = count(&conflict.local) > count(&conflict.remote);
        Ok(if higher { Resolution::KeepLocal } else { Resolution::TakeRemote })
    }
}

mod decide {
    use super::*;

    pub struct By<A, B>(PhantomData<(A, B)>);

    impl<S: Sync, T: Syncable> Strategy<S, T> for By<u8, Vec<(u8, u8)>> {
        async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
            Ok(Resolution::Delete)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(conflict = decide::By<u8, Vec<(u8, u8)>>, endpoint = "/drafts")]
struct Draft {
    id: String,
}

/// Not `sync`'s.
struct Merge;

impl<S: Sync> Strategy<S, Memo> for Merge {
    async fn resolve(_: &S, _: Conflict<Memo>) -> Result<Resolution<Memo>, BoxError> {
        Ok(Resolution::Defer)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/memos", conflict = self::Merge)]
struct Memo {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Counter, Draft, Memo))]
struct App;

impl OnPull<Counter> for App {}
impl OnPull<Draft> for App {}
impl OnPull<Memo> for App {}

/// Asks the strategy that an entity names.
fn decide<T: Syncable<Strategy: Strategy<App, T>>>(conflict: Conflict<T>) -> Resolution<T> {
    futures::executor::block_on(T::Strategy::resolve(&App, conflict)).unwrap()
}

fn main() {
    let counter = |count| Some(Counter { id: "a".into(), count });
    let conflict = |local, remote| Conflict::new("a".to_owned(), None, counter(local), counter(remote));
    assert_eq!(decide(conflict(2, 1)), Resolution::KeepLocal);
    assert_eq!(decide(conflict(1, 2)), Resolution::TakeRemote);
    assert_eq!(decide::<Draft>(Conflict::new("a".into(), None, None, None)), Resolution::Delete);
    assert_eq!(decide::<Memo>(Conflict::new("a".into(), None, None, None)), Resolution::Defer);
}
