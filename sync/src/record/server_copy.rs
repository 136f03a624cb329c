//! What the server was seen to have, and what that tells of this device's own operations.

use serde::{Deserialize, Serialize};

use super::{Base, Flight, Intention, Payload, Rules, Version, Write};

/// A record as the server was seen to have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerCopy {
    /// It exists.
    Present {
        /// Its version, when the server told one.
        version: Option<Version>,
        /// Its value.
        value: Payload,
    },
    /// It does not exist, or no longer.
    Deleted,
}

impl ServerCopy {
    /// The value; `None` when it does not exist.
    #[must_use]
    pub fn value(&self) -> Option<&Payload> {
        match self {
            Self::Present { value, .. } => Some(value),
            Self::Deleted => None,
        }
    }

    /// The version, when the server told one.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Present { version, .. } => version.as_ref(),
            Self::Deleted => None,
        }
    }

    pub(super) fn to_base(&self, rules: &Rules) -> Option<Base> {
        match self {
            Self::Present { version, value } => Some(Base::seen(version.clone(), value.clone(), rules)),
            Self::Deleted => None,
        }
    }

    /// The base after one that was known: what is shown as it was, without a version, has the version that it had. It may have been saved
    /// again since, at another `updated_at`.
    pub(super) fn to_base_after(&self, known: Option<&Base>, rules: &Rules) -> Option<Base> {
        match (self, known) {
            (Self::Present { version: None, value }, Some(known)) if self.is_base(Some(known), rules) => {
                Some(Base { version: known.version.clone(), value: Some(value.clone()) })
            }
            _ => self.to_base(rules),
        }
    }

    /// Whether this is what the server has once it took the write. Where it is just what the server was known to have before, by its version
    /// or to the last member, that takes all of it: `updated_at` is left out where the server may have set it, and it has set nothing since.
    pub(crate) fn is_result_of(&self, write: &Write, base: Option<&Base>, rules: &Rules) -> bool {
        let as_known =
            (self.version().is_some() && self.is_base(base, rules)) || self.is_value_of(base, rules);
        self.has(write.payload(), &if as_known { rules.everything() } else { *rules })
    }

    fn has(&self, value: Option<&Payload>, rules: &Rules) -> bool {
        match (self, value) {
            (Self::Present { value: theirs, .. }, Some(value)) => theirs.same_content(value, rules),
            (Self::Deleted, None) => true,
            _ => false,
        }
    }

    /// Whether the server still has what it was known to have.
    pub(crate) fn is_base(&self, base: Option<&Base>, rules: &Rules) -> bool {
        match (self, base) {
            (Self::Deleted, None) => true,
            (Self::Present { version, value }, Some(base)) => match (version, &base.version) {
                (Some(theirs), Some(known)) => theirs == known,
                _ => base.value.as_ref().is_some_and(|known| known.same_content(value, rules)),
            },
            _ => false,
        }
    }

    /// Whether nobody has changed what the server was known to have: it has another version of the same, as when it took an operation twice,
    /// or somebody changed something and changed it back.
    pub(crate) fn is_as_known(&self, base: Option<&Base>, rules: &Rules) -> bool {
        self.is_base(base, rules) || self.is_value_of(base, rules)
    }

    /// Whether it is to the last member what the server was known to have, whatever the version.
    fn is_value_of(&self, base: Option<&Base>, rules: &Rules) -> bool {
        let known = base.and_then(|base| base.value.as_ref());
        known.is_some_and(|known| self.has(Some(known), &rules.everything()))
    }

    /// Whether this is no reason to refuse a flight as a conflict: it is what the flight was made on, and was sent as that, and it is not
    /// what was sent. Then the server has a reason of its own, such as a value that has to be unique, or has not done yet what it said it would.
    pub(crate) fn is_no_ground(&self, flight: &Flight, base: Option<&Base>, rules: &Rules) -> bool {
        let as_sent = match (&flight.intention.write, self) {
            (Write::Create(_), Self::Deleted) => true,
            // What is there is written over, as an operation of another kind; and that something is gone, somebody has to decide.
            (Write::Create(_), Self::Present { .. }) | (_, Self::Deleted) => false,
            (_, Self::Present { version, .. }) => flight.if_match == *version,
        };
        as_sent && self.is_base(base, rules) && !self.is_result_of(&flight.intention.write, base, rules)
    }

    pub(super) fn is_echo(&self, intention: &Intention, rules: &Rules) -> bool {
        intention.echoes.iter().any(|echo| self.has(echo.as_ref(), rules))
    }
}
