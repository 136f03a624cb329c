//! How long the server asked to be left alone, and whether it is (`docs/design.md`, section 6: everything to that server waits that long).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::Verdict;

/// What was on its way when the server asked comes to its end: an attempt, and the question that its answer may lead to.
const SLACK: Duration = Duration::from_secs(45);

/// Longer than that is obeyed to nobody, nor believed of the disk.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// What the engine notes of a pause, as far as it matters here.
#[derive(Deserialize)]
struct Note {
    reason: Reason,
    until: DateTime<Utc>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Throttled,
    #[serde(other)]
    Other,
}

/// When something happens on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Which life of its process it is in.
    pub(crate) life: u32,
    /// Since the start of the history.
    pub(crate) passed: Duration,
    /// What its clock says, and by how many seconds that is wrong.
    pub(crate) clock: DateTime<Utc>,
    pub(crate) skew: i64,
}

/// Until when a server is to be left alone, and since when.
#[derive(Debug, Clone, Copy)]
struct Pause {
    begun: Moment,
    until: DateTime<Utc>,
    slack: Duration,
}

impl Pause {
    /// Whether it lasts, and what was on its way when it began is through. A clock that is set meanwhile may have ended it, however
    /// late it says that it is now.
    fn forbids(&self, now: Moment) -> bool {
        let left = self.until - now.clock;
        now.skew == self.begun.skew
            && left > TimeDelta::zero()
            && left <= LONGEST
            && now.passed > self.begun.passed + self.slack
    }
}

/// What the server said of being left alone.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The longest that an answer asked for.
    asked: Option<Pause>,
    /// What the disk says, by which the next life is bound as well.
    noted: Option<Pause>,
}

impl Waiting {
    /// An answer asks for a pause.
    pub(crate) fn asked(&mut self, now: Moment, wish: Duration, at_once: bool) {
        let until = now.clock + TimeDelta::from_std(wish).unwrap_or(LONGEST).min(LONGEST);
        let longer = self.asked.is_some_and(|asked| {
            asked.begun.life == now.life && asked.begun.skew == now.skew && asked.until >= until
        });
        if !longer {
            let slack = if at_once { Duration::ZERO } else { SLACK };
            self.asked = Some(Pause { begun: now, until, slack });
        }
    }

    /// The engine's note about it was written.
    pub(crate) fn noted(&mut self, now: Moment, note: Option<&str>) {
        let note: Option<Note> = note.and_then(|note| serde_json::from_str(note).ok());
        let until = note.filter(|note| note.reason == Reason::Throttled).map(|note| note.until);
        let same = self.noted.filter(|noted| Some(noted.until) == until);
        self.noted = same.or_else(|| Some(Pause { begun: now, until: until?, slack: SLACK }));
    }

    /// A request goes out.
    pub(crate) fn admits_a_request(&self, now: Moment) -> Verdict {
        let of_this_life = |asked: &Pause| asked.begun.life == now.life;
        let pauses = [self.asked.filter(of_this_life), self.noted];
        match pauses.into_iter().flatten().find(|pause| pause.forbids(now)) {
            Some(Pause { until, .. }) => Err((
                "section 6: the server is left alone as long as it asks",
                format!("it asked for a pause until {until}, and a request goes out at {}", now.clock),
            )),
            None => Ok(()),
        }
    }
}
