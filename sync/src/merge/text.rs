//! Texts that both sides write in.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use similar::{MergeResolution, TextMerge};

use super::{Merging, Outcome, Policy, Sides};

/// `#[sync(merge = Text)]`: line by line, and where both sides changed the same lines, word by word. Where both changed the
/// same words, the server's stand, and the field is listed as an overlap that was kept [partly](super::Kept::Partly). No
/// markers are left in the text.
///
/// Two insertions at the same place overlap as well: nothing says which is to come first. The order of the writes makes no
/// difference except at such places. Without an ancestor the server's text stands.
#[derive(Debug, Clone, Copy)]
pub struct Text;

impl<F: MergeText> Policy<F> for Text {
    fn merge(sides: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
        let base = sides.base.and_then(F::text);
        match (base, sides.local.text(), sides.remote.text()) {
            (Some(base), Some(local), Some(remote)) => {
                let merged = merged(base, local, remote);
                let text = F::from_text(merged.text);
                if merged.clashed { Outcome::Partly(text) } else { Outcome::Both(text) }
            }
            (_, Some(_), None) => Outcome::Local,
            _ => Outcome::Remote,
        }
    }
}

/// A type that [`Text`] can merge: `String`, `Box<str>`, `Arc<str>`, and an `Option` of one, of which a text that was removed
/// on one side and edited on the other stays. Implement it for a newtype of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a text: `merge = Text` needs a `String`",
    label = "`{Self}` does not implement `MergeText`",
    note = "use a `String` or an `Option<String>`, implement `sync::merge::MergeText` for a newtype of your own, or choose another policy"
)]
pub trait MergeText: Sized {
    /// The text, if there is one.
    fn text(&self) -> Option<&str>;

    /// The value with this text.
    fn from_text(text: String) -> Self;
}

macro_rules! text {
    ($($T:ty),*) => {
        $(#[diagnostic::do_not_recommend]
        impl MergeText for $T {
            fn text(&self) -> Option<&str> {
                Some(self)
            }

            fn from_text(text: String) -> Self {
                text.into()
            }
        })*
    };
}

text!(String, Box<str>, Arc<str>);

#[diagnostic::do_not_recommend]
impl<T: MergeText> MergeText for Option<T> {
    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(T::text)
    }

    fn from_text(text: String) -> Self {
        Some(T::from_text(text))
    }
}

#[derive(Default)]
struct MergedText {
    text: String,
    clashed: bool,
}

fn merged(base: &str, local: &str, remote: &str) -> MergedText {
    let mut merged = MergedText::default();
    three_way([base, local, remote], lines, &mut merged, |[base, local, remote], merged| {
        three_way([base, local, remote], words, merged, |[_, _, remote], merged| {
            merged.text.push_str(remote);
            merged.clashed = true;
        });
    });
    merged
}

/// Cuts three texts into pieces, adds to the merged text what needs no decision, and has the rest decided.
fn three_way(
    texts: [&str; 3],
    cut: fn(&str) -> Vec<&str>,
    merged: &mut MergedText,
    mut decide: impl FnMut([&str; 3], &mut MergedText),
) {
    let pieces = texts.map(cut);
    let mut known = HashMap::new();
    let [base, local, remote] = pieces.each_ref().map(|pieces| numbered(pieces, &mut known));
    for region in TextMerge::from_lines(&base, &local, &remote).regions() {
        let ranges = [region.base_range(), region.ours_range(), region.theirs_range()];
        let mut place = 0;
        let [before, here, there] = ranges.map(|range| {
            place += 1;
            pieces[place - 1][range].concat()
        });
        match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Both | MergeResolution::Theirs => {
                merged.text.push_str(&there);
            }
            MergeResolution::Ours => merged.text.push_str(&here),
            _ => decide([&before, &here, &there], merged),
        }
    }
}

/// The merge of lines as a merge of any pieces: one line for each, with its number.
fn numbered<'a>(pieces: &[&'a str], known: &mut HashMap<&'a str, usize>) -> String {
    let mut lines = String::new();
    for piece in pieces {
        let next = known.len();
        let number = known.entry(piece).or_insert(next);
        // Writing into a string cannot fail.
        let _ = writeln!(lines, "{number}");
    }
    lines
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Words, the spaces between them, and each other sign by itself.
fn words(text: &str) -> Vec<&str> {
    let kind = |sign: char| match sign {
        '\n' => None,
        sign if sign.is_whitespace() => Some(false),
        sign if sign.is_alphanumeric() => Some(true),
        _ => None,
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (place, sign) in text.char_indices() {
        let now = kind(sign);
        if place > start && (now.is_none() || now != before) {
            words.push(&text[start..place]);
            start = place;
        }
        before = now;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}
