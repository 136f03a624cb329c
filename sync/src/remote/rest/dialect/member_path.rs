//! Where something is in a JSON value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The way to a value inside JSON: names of members, and indexes of lists. An empty path is the whole value.
///
/// ```
/// use sync::remote::rest::MemberPath;
///
/// let path = MemberPath::from("details.existing");
/// assert_eq!(path.steps(), ["details", "existing"]);
/// // A name that has a dot in it:
/// assert_eq!(MemberPath::of(["a.b"]).steps(), ["a.b"]);
/// ```
///
/// As JSON it is a list of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberPath(Vec<String>);

impl MemberPath {
    /// The whole value.
    #[must_use]
    pub const fn whole() -> Self {
        Self(Vec::new())
    }

    /// A path of these steps.
    pub fn of<S: Into<String>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self(steps.into_iter().map(Into::into).collect())
    }

    /// The steps, from the outside in.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the whole value.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for MemberPath {
    /// Cuts the text at its dots; an empty one is the whole value.
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::whole() } else { Self::of(text.split('.')) }
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
