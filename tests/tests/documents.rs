//! The documents name files, tests and rooms: each is there, and the rooms are built as the plan says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, Meta, UseTree};

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

/// The modules of the crate that a file names, wherever it does, but for its unit tests.
#[derive(Default)]
struct Used(BTreeSet<String>);

impl Used {
    fn by(file: &Path) -> BTreeSet<String> {
        let parsed =
            syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut used = Self::default();
        used.visit_file(&parsed);
        used.0
    }

    /// What comes after `crate::` in a `use`.
    fn first(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            UseTree::Rename(rename) => drop(self.0.insert(rename.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.first(tree)),
            UseTree::Glob(_) => {}
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test") || condition.starts_with("all(test")
        }
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Used {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_use_tree(&mut self, tree: &'ast UseTree) {
        match tree {
            UseTree::Path(path) if path.ident == "crate" => self.first(&path.tree),
            _ => syn::visit::visit_use_tree(self, tree),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter().map(|segment| segment.ident.to_string());
        if segments.next().is_some_and(|first| first == "crate") {
            self.0.extend(segments.next());
        }
        syn::visit::visit_path(self, path);
    }

    /// What is in a macro need not be an expression: it is read as text.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let text = called.tokens.to_string().replace(' ', "");
        let ends = |c: char| !c.is_alphanumeric() && c != '_';
        self.0.extend(
            text.split("crate::").skip(1).filter_map(|rest| rest.split(ends).next()).map(str::to_owned),
        );
        syn::visit::visit_macro(self, called);
    }
}

#[test]
fn what_a_file_uses_is_seen_wherever_it_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.rs");
    let text = r#"
        #[cfg(test)]
        mod tests { use crate::only_in_tests; }
        pub use crate::{first::A, second};
        fn one(b: &crate::third::B) { assert!(crate::fourth::C == crate::fifth(b), "{}", super::crate_less()) }
        #[cfg(all(test, feature = "x"))]
        fn two() { crate::only_in_tests::D }
        fn three() { use crate::sixth::E; crate::seventh::<crate::eighth::F>() }
    "#;
    fs::write(&file, text).unwrap();
    let wanted = ["eighth", "fifth", "first", "fourth", "second", "seventh", "sixth", "third"];
    assert_eq!(Used::by(&file).into_iter().collect::<Vec<_>>(), wanted);
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
            let used = Used::by(&file);
            for other in plan.keys().filter(|other| *other != room && used.contains(*other)) {
                seen += 1;
                assert!(may_use.contains(other), "{} uses {other}", file.display());
            }
        }
    }
    assert!(seen > 50, "{seen} uses of another room");
}
