//! Why a server refused an operation.

use serde::{Deserialize, Serialize};

/// A refusal, as the server put it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status, or what a remote that is no HTTP uses in its place.
    pub status: u16,
    /// Problem details (RFC 9457), when the answer had any.
    pub problem: Option<Box<Problem>>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.status)?;
        match &self.problem {
            Some(problem) if problem.words().next().is_some() => write!(f, ": {problem}"),
            _ => Ok(()),
        }
    }
}

/// Problem details of an HTTP answer (RFC 9457, section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A short summary of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A URI that names this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Problem {
    fn words(&self) -> impl Iterator<Item = &str> {
        [&self.title, &self.detail].into_iter().flatten().map(String::as_str)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, text) in self.words().enumerate() {
            let between = if index == 0 { "" } else { ": " };
            write!(f, "{between}{text}")?;
        }
        Ok(())
    }
}
