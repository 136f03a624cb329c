//! The quickstart: what it tells, and that it notices when that is not so.

use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use super::example;

/// How it ended, and what it printed.
fn told(folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(example("quickstart"));
    let output = command.arg("--folder").arg(folder).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn the_story_is_told_as_it_comes_to_be_also_when_it_is_told_again() {
    let folder = TempDir::new().unwrap();
    for _ in 0..2 {
        let (code, said) = told(folder.path());
        assert_eq!(code, Some(0), "{said}");
        for line in [
            "phone  has 2 records waiting, laptop 4",
            r#"the later edit wins          {"id":"shopping","title":"milk, bread, eggs","#,
            r#"the server wins              {"cents":129,"id":"milk"}"#,
            r#"the client wins              {"id":"milk","pieces":7}"#,
            r#"merged field by field        {"city":"Hillside","id":"dairy","phone":"555-0199"}"#,
            r#"a handler joined both texts  {"key":1,"note_id":"shopping","text":"go on Saturday / take the bicycle"}"#,
            "The phone shows Offline",
            "The server has 40 of the 40",
            "it finds 2 records waiting",
            "All three copies are the same.",
        ] {
            assert!(said.contains(line), "{line}\n\n{said}");
        }
    }
}

#[test]
fn a_copy_that_differs_is_shown_and_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(folder.path().join("laptop-app.db")).unwrap();
    connection
        .execute_batch(
            r#"create table app (entity text, id text, record text, primary key (entity, id));
            insert into app values ('Stock', 'stray', '{"id":"stray","pieces":1}');"#,
        )
        .unwrap();
    drop(connection);
    let (code, said) = told(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("The copies DIFFER.") && said.contains("stray"), "{said}");
    assert!(!said.contains("NOT AS EXPECTED"), "nothing else is wrong: {said}");
}

/// What the server has from elsewhere makes conflicts of what is told to be none.
#[test]
fn a_story_that_does_not_come_to_be_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let (code, said) = told(folder.path());
    assert_eq!(code, Some(0), "{said}");
    // The laptop has lost its queue, and what the server was known to have with it.
    std::fs::remove_file(folder.path().join("laptop-queue.db")).unwrap();
    let (code, said) = told(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("NOT AS EXPECTED"), "{said}");
}
