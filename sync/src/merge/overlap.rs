//! What both sides changed to different things.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The value of a field on one side. Fields have all types, and nothing is asked of them that a merge does not need.
type Value = Arc<dyn Any + Send + Sync>;

pub(super) fn side<F: Clone + Any + Send + Sync>(value: Option<&F>) -> Option<Value> {
    value.map(|value| Arc::new(value.clone()) as Value)
}

/// A field that both sides changed to different things, with all three values.
///
/// It is shown as a person would name it: `title`, `address.street`, `stock["apples"]`. These are the names of the Rust
/// fields, without `r#`: what serde calls them on the wire makes no difference here.
#[derive(Clone)]
pub struct Overlap {
    path: Vec<Step>,
    kept: Kept,
    base: Option<Value>,
    local: Option<Value>,
    remote: Option<Value>,
}

impl Overlap {
    pub(super) fn new(
        path: Vec<Step>,
        kept: Kept,
        base: Option<Value>,
        local: Option<Value>,
        remote: Option<Value>,
    ) -> Self {
        Self { path, kept, base, local, remote }
    }

    /// The way to it from the struct that was merged: the field, and inside of it, fields of nested structs and keys of
    /// maps.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// Whose change the merged value has.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// The value that both sides knew; `None` when there was none, or when it is of another type than `F`.
    #[must_use]
    pub fn base<F: 'static>(&self) -> Option<&F> {
        self.base.as_deref()?.downcast_ref()
    }

    /// This device's value; `None` when it was removed here from its map, or when it is of another type than `F`.
    #[must_use]
    pub fn local<F: 'static>(&self) -> Option<&F> {
        self.local.as_deref()?.downcast_ref()
    }

    /// The server's value; `None` when it was removed there from its map, or when it is of another type than `F`.
    #[must_use]
    pub fn remote<F: 'static>(&self) -> Option<&F> {
        self.remote.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.path.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// Without the values: they are the user's, and a log is no place for them.
impl fmt::Debug for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {:?}", self.kept)
    }
}

/// Whose change a merged field has, of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Both sides' changes are in it.
    Both,
    /// This device's; the server's was dropped.
    Local,
    /// The server's; this device's was dropped.
    Remote,
    /// Something of both; the server's where they clashed.
    Partly,
}

/// The three values of a field that both sides changed to different things: [`Merged::overlap`](super::Merged::overlap).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Both<F> {
    /// What both sides knew; `None` when there was none.
    pub base: Option<F>,
    /// This device's.
    pub local: F,
    /// The server's.
    pub remote: F,
}

/// One step on the way to a value that overlaps.
#[derive(Debug, Clone)]
pub enum Step {
    /// Into the field of a struct, by its name in Rust, without `r#`.
    Field(&'static str),
    /// To an entry of a map.
    Key(Key),
}

/// A key of a map, of whatever type.
#[derive(Clone)]
pub struct Key {
    key: Value,
    shown: String,
}

impl Key {
    /// A key as a step.
    #[must_use]
    pub fn new<K: Clone + fmt::Debug + Send + Sync + 'static>(key: &K) -> Self {
        Self { key: Arc::new(key.clone()), shown: format!("{key:?}") }
    }

    /// The key; `None` when it is of another type than `K`.
    #[must_use]
    pub fn get<K: 'static>(&self) -> Option<&K> {
        self.key.downcast_ref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
