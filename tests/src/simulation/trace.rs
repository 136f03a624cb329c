//! What happened, line by line: as a number that tells two runs apart, or as text to read.

use std::fmt;

/// How much of a trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the fastest.
    Nothing,
    /// A number that stands for every line.
    Hash,
    /// Every line.
    Lines,
}

#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    hash: u64,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        // FNV-1a: the same in every process, which the standard library's hasher does not promise.
        Self { keep, hash: 0xcbf2_9ce4_8422_2325, lines: Vec::new() }
    }

    pub(crate) fn note(&mut self, millis: u128, who: Option<usize>, what: fmt::Arguments<'_>) {
        if self.keep == Keep::Nothing {
            return;
        }
        let who = who.map_or_else(|| "  ".to_owned(), |device| format!("d{device}"));
        let line = format!("{:>9}.{:03} {who} {what}", millis / 1000, millis % 1000);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.keep == Keep::Lines {
            self.lines.push(line);
        }
    }

    pub(crate) fn into_parts(self) -> (u64, Vec<String>) {
        (self.hash, self.lines)
    }
}
