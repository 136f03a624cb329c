//! The examples as programs, used as a newcomer uses them.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "these are tests")]

mod folder;
#[cfg(unix)]
mod import;
mod inspect;
mod kanban;
mod quickstart;

use std::path::PathBuf;
use std::process::Command;

/// An example, built by whoever builds the tests, or else now.
fn example(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let built = deps.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    if !built.exists() {
        let cargo = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", name]).status();
        assert!(cargo.unwrap().success());
    }
    built
}
