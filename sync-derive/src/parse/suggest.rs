//! "Did you mean …?"

/// The known name that is nearest to a mistyped one, if any is near.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |candidate: &&&str| edits(&name, &candidate.to_lowercase());
    known
        .iter()
        .min_by_key(distance)
        .filter(|candidate| distance(candidate) <= 1 + candidate.len() / 4)
        .copied()
}

/// The known type that was meant where a type of the user's may stand as well: one in other letters, or a name of `long` letters or more
/// with `slips` wrong ones. A shorter one that is a little like it is taken for the user's, which the compiler knows better.
pub(super) fn meant<'a>(name: &str, known: &[&'a str], long: usize, slips: usize) -> Option<&'a str> {
    let letters = |name: &str| name.replace('_', "").to_lowercase();
    let same = known.iter().copied().find(|known| letters(known) == letters(name));
    let slip =
        |known: &&str| known.len() >= long && edits(&name.to_lowercase(), &known.to_lowercase()) <= slips;
    same.or_else(|| nearest(name, known).filter(slip))
}

/// A list for people to read, with a word before the last one, if any.
pub(super) fn list(known: &[&str], word: &str) -> String {
    let quoted: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    match &quoted[..] {
        [] => String::new(),
        [only] => only.clone(),
        all if word.is_empty() => all.join(", "),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// How many letters have to be put in, taken out or changed (Levenshtein, 1965).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (index, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["endpoint", "conflict", "name", "crate"];
        assert_eq!(nearest("endpiont", &known), Some("endpoint"));
        assert_eq!(nearest("Conflicts", &known), Some("conflict"));
        assert_eq!(nearest("table", &known), None);
    }

    #[test]
    fn names_are_listed_for_people() {
        assert_eq!(list(&["a", "b", "c"], "and"), "`a`, `b` and `c`");
        assert_eq!(list(&["a", "b", "c"], ""), "`a`, `b`, `c`");
        assert_eq!(list(&["a"], "and"), "`a`");
    }
}
