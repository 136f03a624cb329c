//! Texts that both sides write in.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::regions::{BASE, LOCAL, REMOTE, Region, regions};
use super::{Merging, Outcome, Policy, Sides};

/// `#[sync(merge = Text)]`: line by line, and where both sides changed the same lines, word by word. Where both changed the
/// same words, the server's stand, and the field is listed as an overlap that was kept [partly](super::Kept::Partly). No
/// markers are left in the text.
///
/// Two insertions at the same place overlap as well: nothing says which is to come first. The order of the writes makes no
/// difference except at such places. Without an ancestor the server's text stands.
///
/// So that no text holds up what waits for the merge, 200,000 pieces are compared at most, of all three texts together: their lines, and
/// the words, spaces and other signs in the lines that both sides changed. That is enough for texts of 60,000 lines, and for 30,000 words
/// that both sides wrote anew. What comes on top of it is taken for one word: the server's stands, and it is listed as above.
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

/// How many pieces are compared in one merge, lines and words together: a number and no time, so that every device comes to the same text.
/// The worst of such texts take some tenths of a second.
const COMPARED: usize = 200_000;

/// What three texts came to so far.
struct MergedText {
    text: String,
    clashed: bool,
    /// How many more pieces are compared.
    left: usize,
}

impl MergedText {
    /// The server's stands.
    fn clash(&mut self, texts: [&str; 3]) {
        self.text.push_str(texts[REMOTE]);
        self.clashed = true;
    }
}

fn merged(base: &str, local: &str, remote: &str) -> MergedText {
    let mut merged = MergedText { text: String::new(), clashed: false, left: COMPARED };
    three_way([base, local, remote], lines, &mut merged, |texts, merged| {
        three_way(texts, words, merged, |texts, merged| merged.clash(texts));
    });
    merged
}

/// Cuts three texts into pieces, adds to the merged text what needs no decision, and has the rest decided. Too many pieces
/// are not compared.
fn three_way(
    texts: [&str; 3],
    cut: fn(&str) -> Vec<&str>,
    merged: &mut MergedText,
    mut decide: impl FnMut([&str; 3], &mut MergedText),
) {
    let pieces = texts.map(cut);
    let Some(left) = merged.left.checked_sub(pieces.iter().map(Vec::len).sum()) else {
        merged.clash(texts);
        return;
    };
    merged.left = left;
    let mut known = HashMap::new();
    let numbers = pieces.each_ref().map(|pieces| numbered(pieces, &mut known));
    let stretch = |text: usize, range: Range<usize>| pieces[text][range].concat();
    let mut place = 0;
    for Region { ranges, is_changed } in regions(&numbers) {
        merged.text.push_str(&stretch(REMOTE, place..ranges[REMOTE].start));
        place = ranges[REMOTE].end;
        let [before, here, there] = [BASE, LOCAL, REMOTE].map(|text| stretch(text, ranges[text].clone()));
        match is_changed {
            [_, true, false] => merged.text.push_str(&here),
            [_, true, true] if here != there => decide([&before, &here, &there], merged),
            _ => merged.text.push_str(&there),
        }
    }
    merged.text.push_str(&stretch(REMOTE, place..pieces[REMOTE].len()));
}

/// A number for each piece, which is compared faster: the same for the same.
fn numbered<'a>(pieces: &[&'a str], known: &mut HashMap<&'a str, usize>) -> Vec<usize> {
    let number = |piece: &&'a str| {
        let next = known.len();
        *known.entry(*piece).or_insert(next)
    };
    pieces.iter().map(number).collect()
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
