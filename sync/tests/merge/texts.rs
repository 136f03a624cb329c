//! Texts: line by line, then word by word, and the server's words where they overlap.

use sync::merge::{Merging, Outcome, Policy, Sides, Text};

use super::{by, text};

fn merged(base: &str, local: &str, remote: &str) -> String {
    by::<Text, String>(Some(&text(base)), &text(local), &text(remote))
}

fn outcome(base: &str, local: &str, remote: &str) -> Outcome<String> {
    let (base, local, remote) = (text(base), text(local), text(remote));
    Text::merge(Sides::new(Some(&base), &local, &remote), &mut Merging::default())
}

#[test]
fn lines_that_one_side_changed_are_taken_from_that_side() {
    let merged = outcome("one\ntwo\nthree\nfour\n", "ONE\ntwo\nthree\nfour\n", "one\ntwo\nfour\nfive\n");
    assert_eq!(merged, Outcome::Both(text("ONE\ntwo\nfour\nfive\n")));
}

#[test]
fn words_of_the_same_line_are_taken_from_the_side_that_changed_them() {
    assert_eq!(outcome("the cat sat", "the dog sat", "the cat slept"), Outcome::Both(text("the dog slept")));
    assert_eq!(merged("buy milk, eggs", "buy oat milk, eggs", "buy milk, 12 eggs"), "buy oat milk, 12 eggs");
}

#[test]
fn neighbouring_lines_do_not_disturb_each_other() {
    assert_eq!(merged("a one\nb two\n", "a 1\nb two\n", "a one\nb 2\n"), "a 1\nb 2\n");
}

#[test]
fn where_both_changed_the_same_words_the_servers_stand_and_the_rest_is_merged() {
    let merged = outcome("red car\nbig house\n", "blue car\nbig barn\n", "green car\nbig house\n");
    assert_eq!(merged, Outcome::Partly(text("green car\nbig barn\n")), "and it is reported");
}

#[test]
fn no_markers_are_left_in_the_text() {
    for merged in [merged("", "mine", "theirs"), merged("a\n", "b\n", "c\n")] {
        assert!(!merged.contains(['<', '=', '>', '|']), "{merged}");
    }
}

#[test]
fn insertions_at_the_same_place_overlap() {
    assert_eq!(outcome("list:\n", "list:\nmilk\n", "list:\nrice\n"), Outcome::Partly(text("list:\nrice\n")));
}

#[test]
fn the_same_change_on_both_sides_is_made_once() {
    assert_eq!(outcome("a\nb\nc\n", "A\nb\nC\n", "A\nB\nc\n"), Outcome::Both(text("A\nB\nC\n")));
}

#[test]
fn a_last_line_without_its_end_is_a_line_like_another() {
    assert_eq!(merged("a\nb", "a\nb\nc", "A\nb"), "A\nb\nc");
    assert_eq!(merged("a\r\nb\r\n", "x\r\nb\r\n", "a\r\ny\r\n"), "x\r\ny\r\n");
}

#[test]
fn without_an_ancestor_the_servers_text_stands() {
    assert_eq!(by::<Text, _>(None, &text("mine"), &text("theirs")), "theirs");
}

#[test]
fn a_text_that_one_side_removed_and_the_other_edited_stays() {
    let some = |words: &str| Some(text(words));
    assert_eq!(by::<Text, _>(Some(&some("a b")), &None, &some("a c")), some("a c"));
    assert_eq!(by::<Text, _>(Some(&some("a b")), &some("a c"), &None), some("a c"));
    assert_eq!(by::<Text, _>(Some(&some("a b")), &some("a c"), &some("d b")), some("d c"));
}

type Ends = [&'static str; 2];

/// Many different words between two.
fn many(words: usize, ends: Ends) -> String {
    let middle = (0..words).map(|word| format!("{word} ")).collect::<Vec<_>>().concat();
    format!("{} {middle}{}", ends[0], ends[1])
}

/// What becomes of a text whose first word is changed here, and whose last word is changed on the server: whose words stand then.
fn ends(text: impl Fn(Ends) -> String) -> &'static str {
    let [both, remote] = [["b", "y"], ["a", "y"]].map(&text);
    match outcome(&text(["a", "z"]), &text(["b", "z"]), &remote) {
        Outcome::Both(merged) if merged == both => "of both",
        Outcome::Partly(merged) if merged == remote => "the server's, and it is reported",
        _ => "others",
    }
}

#[test]
fn of_more_words_than_are_compared_the_servers_stand() {
    assert_eq!(ends(|ends| many(30_000, ends)), "of both");
    assert_eq!(ends(|ends| many(40_000, ends)), "the server's, and it is reported");
}

#[test]
fn of_more_lines_than_are_compared_the_servers_stand() {
    let lines = |count, ends| many(count, ends).replace(' ', "\n");
    assert_eq!(ends(|ends| lines(60_000, ends)), "of both");
    assert_eq!(ends(|ends| lines(70_000, ends)), "the server's, and it is reported");
}

#[test]
fn where_too_many_words_are_the_servers_the_rest_is_merged() {
    let text = |title: &str, ends| format!("{title}\n\n{}\n", many(40_000, ends));
    let merged = outcome(&text("one", ["a", "z"]), &text("ONE", ["b", "z"]), &text("one", ["a", "y"]));
    assert!(merged == Outcome::Partly(text("ONE", ["a", "y"])));
}

#[test]
fn long_texts_without_anything_in_common_are_merged() {
    let long = |word: &str| (0..3_000).map(|at| format!("{word}{at} ")).collect::<Vec<_>>().concat();
    assert_eq!(outcome(&long("a"), &long("b"), &long("c")), Outcome::Partly(long("c")));
}
