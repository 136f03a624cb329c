//! The documents name files, tests and rooms: each is there, and the rooms are built as the plan says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    found.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    found
}

/// What stands between two marks, one after the other.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

#[test]
fn every_file_that_a_document_links_to_is_there() {
    for document in documents() {
        let text = read(&document);
        for target in between(&text, "](", ")") {
            let path = target.split('#').next().unwrap();
            if !path.is_empty() && !path.contains("://") {
                let file = document.parent().unwrap().join(path);
                assert!(file.exists(), "{} links to {target}", document.display());
            }
        }
    }
}

#[test]
fn every_file_and_test_that_a_document_names_is_there() {
    let mut tests = 0;
    for document in documents() {
        let text = read(&document);
        let prose = text.split("```").step_by(2).collect::<String>();
        for name in prose.split('`').skip(1).step_by(2) {
            let in_the_repository = ["sync/", "sync-derive/", "tests/", "examples/", "docs/", "fuzz/"]
                .iter()
                .any(|room| name.starts_with(room));
            if !in_the_repository || name.contains(' ') {
                continue;
            }
            let (file, test) = name.split_once("::").map_or((name, None), |(file, test)| (file, Some(test)));
            let path = root().join(file);
            assert!(path.exists(), "{} names {file}", document.display());
            if let Some(test) = test {
                tests += 1;
                assert!(read(&path).contains(&format!("fn {test}(")), "{} names {name}", document.display());
            }
        }
    }
    assert!(tests > 20, "the invariants name their tests: {tests}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules of the crate that a file uses, without what its unit tests use.
fn used(file: &Path) -> BTreeSet<String> {
    let text = read(file);
    let code = text.split("#[cfg(test)]").next().unwrap().split("#[cfg(all(test").next().unwrap();
    let uses = code.lines().filter_map(|line| line.trim_start().strip_prefix("use crate::"));
    uses.map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_room_uses_only_what_the_design_says() {
    let design = read(&root().join("docs/design.md"));
    let mut plan = BTreeMap::new();
    for line in design.lines().filter_map(|line| line.strip_prefix("| `sync/src/")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let room = cells[0].trim_end_matches("/`").to_owned();
        let may_use: BTreeSet<_> = between(cells[2], "`", "`").step_by(2).map(str::to_owned).collect();
        plan.insert(room, may_use);
    }
    assert!(plan.len() >= 8, "{plan:?}");
    let mut seen = 0;
    for (room, may_use) in &plan {
        let mut files = Vec::new();
        sources(&root().join("sync/src").join(room), &mut files);
        for file in files {
            let used = used(&file);
            for other in plan.keys().filter(|other| *other != room && used.contains(*other)) {
                seen += 1;
                assert!(may_use.contains(other), "{} uses {other}", file.display());
            }
        }
    }
    assert!(seen > 50, "{seen} uses of another room");
}
