//! Many histories, on all cores.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::faults::Tally;
use super::history::play;
use super::model::Defect;
use super::plan::Plan;
use super::trace::Keep;

/// What many histories came to.
#[derive(Debug, Clone, Default)]
pub struct Campaign {
    /// How many were played.
    pub histories: u64,
    /// How many steps they had together.
    pub steps: u64,
    /// What went wrong on purpose.
    pub tally: Tally,
    /// The seeds that broke a rule, and which one, by seed.
    pub defects: Vec<(u64, Defect)>,
    /// A number that stands for all traces together, when they were kept.
    pub hash: u64,
    /// How long it took.
    pub took: Duration,
}

impl Campaign {
    /// Plays the histories of `count` seeds from `first` on, on so many threads. Stops at the tenth defect.
    ///
    /// # Panics
    /// When the simulation itself does.
    #[must_use]
    pub fn run(first: u64, count: u64, threads: usize, keep: Keep) -> Self {
        let start = Instant::now();
        let (next, found) = (AtomicU64::new(0), AtomicU64::new(0));
        let part = || {
            let mut part = Self::default();
            while found.load(Ordering::Relaxed) < 10 {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let seed = first.wrapping_add(number);
                let outcome = play(&Plan::of(seed), keep);
                part.histories += 1;
                part.steps += outcome.steps as u64;
                part.tally.add(&outcome.tally);
                // A sum, so that it does not matter which thread was first.
                part.hash = part.hash.wrapping_add(outcome.hash);
                if let Some(defect) = outcome.defect {
                    found.fetch_add(1, Ordering::Relaxed);
                    part.defects.push((seed, defect));
                }
            }
            part
        };
        let mut all = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(part)).collect();
            let parts =
                workers.into_iter().map(|worker| worker.join().expect("the simulation does not panic"));
            parts.fold(Self::default(), Self::and)
        });
        all.defects.sort_by_key(|(seed, _)| *seed);
        all.took = start.elapsed();
        all
    }

    fn and(mut self, other: Self) -> Self {
        self.histories += other.histories;
        self.steps += other.steps;
        self.tally.add(&other.tally);
        self.defects.extend(other.defects);
        self.hash = self.hash.wrapping_add(other.hash);
        self
    }
}

impl fmt::Display for Campaign {
    /// As a table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let injected: u64 = self.tally.iter().map(|(_, count)| count).sum();
        writeln!(f, "| histories | steps | faults injected | broken rules | time |")?;
        writeln!(f, "| ---: | ---: | ---: | ---: | ---: |")?;
        let [histories, steps, injected] = [self.histories, self.steps, injected].map(grouped);
        let (defects, seconds) = (self.defects.len(), self.took.as_secs());
        writeln!(f, "| {histories} | {steps} | {injected} | {defects} | {seconds} s |")?;
        writeln!(f, "\n| fault | injected |\n| --- | ---: |")?;
        for (fault, count) in self.tally.iter() {
            writeln!(f, "| {fault} | {} |", grouped(count))?;
        }
        Ok(())
    }
}

/// A number with a comma after every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
