//! What the derives accept, and what the compiler says about each mistake, word for word.
//!
//! A mistake gives one error, at the user's own line, and says what to write. `TRYBUILD=overwrite` writes the answers
//! anew: read them before they are committed.

#[test]
fn mistakes_are_compile_errors_that_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}

#[test]
fn what_is_right_compiles_and_means_what_it_says() {
    trybuild::TestCases::new().pass("pass/*.rs");
}
