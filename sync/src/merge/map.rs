//! Collections that are merged key by key.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use super::{Kept, Key, Merging, OnDelete, Outcome, Policy, Remote, Sides, Step};

/// `#[sync(merge = Map)]`: each entry by itself, as if it were a field; the server's value, where both sides changed the
/// same one.
///
/// `merge = Map(Counter)` merges the values by another policy, whichever it is: `Map(Nested)`, `Map(Map(Set))`. An entry
/// that one side removed and the other changed stays, and is listed as an overlap; unless the values are
/// [nested](super::Nested) and their type says `#[sync(on_delete = Delete)]`. The order of the writes makes no difference if
/// it makes none to the policy of the values.
#[derive(Debug, Clone, Copy)]
pub struct Map<V = Remote>(PhantomData<V>);

impl<M, V> Policy<M> for Map<V>
where
    M: MergeMap,
    V: Policy<M::Value>,
{
    fn merge(sides: Sides<'_, M>, merging: &mut Merging) -> Outcome<M> {
        let mut merged = sides.remote.clone();
        let mut keys: Vec<&M::Key> = sides.local.keys();
        keys.extend(sides.remote.keys().into_iter().filter(|key| sides.local.get(key).is_none()));
        keys.retain(|key| sides.local.get(key) != sides.remote.get(key));
        let mut steps: Vec<_> = keys.into_iter().map(|key| (Key::new(key), key)).collect();
        // A `HashMap` has no order, and what overlaps is to be listed in the same one each time.
        steps.sort_by_cached_key(|(step, _)| format!("{step:?}"));
        for (step, key) in steps {
            let value = merging.at(Step::Key(step), |merging| entry::<M, V>(sides, key, merging));
            merged.set(key, value);
        }
        Outcome::Parts(merged)
    }
}

/// What becomes of an entry; `None` when it is to go.
fn entry<M, V>(sides: Sides<'_, M>, key: &M::Key, merging: &mut Merging) -> Option<M::Value>
where
    M: MergeMap,
    V: Policy<M::Value>,
{
    let base = sides.base.and_then(|base| base.get(key));
    let (local, remote) = (sides.local.get(key), sides.remote.get(key));
    let (edited, kept, dropped) = match (local, remote) {
        (Some(local), Some(remote)) => {
            return Some(merging.decide(sides.with(base, local, remote), V::merge));
        }
        (Some(edited), None) => (edited, Kept::Local, Kept::Remote),
        (None, Some(edited)) => (edited, Kept::Remote, Kept::Local),
        (None, None) => return None,
    };
    if base.is_none() {
        return Some(edited.clone());
    }
    if base == Some(edited) {
        return None;
    }
    match V::ON_DELETE {
        OnDelete::KeepEdit => {
            merging.note(kept, base, local, remote);
            Some(edited.clone())
        }
        OnDelete::Delete => {
            merging.note(dropped, base, local, remote);
            None
        }
    }
}

/// A collection that can be merged key by key: a [`BTreeMap`] or a [`HashMap`], whose values are `PartialEq + Clone` and whose
/// keys are `Debug`, so that what overlaps can be named. Implement it for a collection of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a map: `merge = Map` needs a `BTreeMap` or a `HashMap` with `Clone + Debug` keys and `PartialEq + Clone` values",
    label = "`{Self}` does not implement `MergeMap`",
    note = "use one of these types (derive what its keys and values miss), implement `sync::merge::MergeMap` for your own, or choose another policy"
)]
pub trait MergeMap: Clone {
    /// The type of its keys.
    type Key: Clone + Debug + Send + Sync + 'static;
    /// The type of its values.
    type Value: PartialEq + Clone + Send + Sync + 'static;

    /// Its keys, each once.
    fn keys(&self) -> Vec<&Self::Key>;

    /// The value under a key.
    fn get(&self, key: &Self::Key) -> Option<&Self::Value>;

    /// Puts a value under a key, or removes it.
    fn set(&mut self, key: &Self::Key, value: Option<Self::Value>);
}

#[diagnostic::do_not_recommend]
impl<K, V> MergeMap for BTreeMap<K, V>
where
    K: Ord + Clone + Debug + Send + Sync + 'static,
    V: PartialEq + Clone + Send + Sync + 'static,
{
    type Key = K;
    type Value = V;

    fn keys(&self) -> Vec<&K> {
        self.keys().collect()
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.get(key)
    }

    fn set(&mut self, key: &K, value: Option<V>) {
        match value {
            Some(value) => self.insert(key.clone(), value),
            None => self.remove(key),
        };
    }
}

#[diagnostic::do_not_recommend]
impl<K, V, S> MergeMap for HashMap<K, V, S>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: PartialEq + Clone + Send + Sync + 'static,
    S: BuildHasher + Clone,
{
    type Key = K;
    type Value = V;

    fn keys(&self) -> Vec<&K> {
        self.keys().collect()
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.get(key)
    }

    fn set(&mut self, key: &K, value: Option<V>) {
        match value {
            Some(value) => self.insert(key.clone(), value),
            None => self.remove(key),
        };
    }
}
