//! What a check came to.

use std::fmt;

use super::Rule;

/// What became of every rule.
#[derive(Debug, Clone)]
pub struct Report {
    /// One row for each rule, in their order.
    pub rows: Vec<Row>,
    /// The ids of the records that may still be there, since the server has not said that they are gone.
    pub left_behind: Vec<String>,
}

/// One rule, and what became of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The rule.
    pub rule: Rule,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a rule.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The server keeps it.
    Passed,
    /// It does not.
    Failed(Failure),
    /// It does not offer this, which it need not.
    NotOffered {
        /// How that was seen.
        reason: String,
    },
}

/// How a rule was broken.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was expected.
    pub expected: String,
    /// The last requests as `curl` commands, each with its answer. A token is shown as `$TOKEN`.
    pub said: Vec<String>,
}

impl Report {
    /// Whether nothing that is required failed.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.rows.iter().all(|row| !row.rule.is_required() || !matches!(row.outcome, Outcome::Failed(_)))
    }

    /// What became of a rule.
    #[must_use]
    pub fn outcome(&self, rule: Rule) -> Option<&Outcome> {
        self.rows.iter().find(|row| row.rule == rule).map(|row| &row.outcome)
    }
}

impl fmt::Display for Report {
    /// A table, and below it the requests and answers of each failure, and what is left behind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { rule, outcome } in &self.rows {
            let result = match outcome {
                Outcome::Passed => "passed",
                Outcome::Failed(_) if rule.is_required() => "FAILED",
                Outcome::Failed(_) => "failed, not required",
                Outcome::NotOffered { .. } => "not offered",
            };
            writeln!(f, "{:<22} {}", result, rule.text())?;
        }
        for Row { rule, outcome } in &self.rows {
            match outcome {
                Outcome::Passed => {}
                Outcome::NotOffered { reason } => writeln!(f, "\n{}: not offered, {reason}", rule.text())?,
                Outcome::Failed(Failure { expected, said }) => {
                    writeln!(f, "\n{}\nexpected {expected}", rule.text())?;
                    for line in said {
                        writeln!(f, "    {line}")?;
                    }
                }
            }
        }
        if !self.left_behind.is_empty() {
            writeln!(
                f,
                "\nleft behind, since the server has not said that they are gone: {}",
                self.left_behind.join(", ")
            )?;
        }
        Ok(())
    }
}
