//! How much longer a program with 50 entities compiles than one with a single entity: `cargo bench -p sync-tests`.
//!
//! Both are generated, and built again (debug, incremental) after a change of their only file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // `cargo test` runs benches as well, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?.to_path_buf();
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("target");
    let one = measure(&workspace, folder.path(), &target, 1, &PLAIN)?;
    let fifty = measure(&workspace, folder.path(), &target, 50, &PLAIN)?;
    let merged = measure(&workspace, folder.path(), &target, 50, &MERGED)?;
    println!("entities           incremental debug build");
    println!("       1           {:.2} s", one.as_secs_f64());
    println!("      50           {:.2} s", fifty.as_secs_f64());
    println!("      50, merged   {:.2} s", merged.as_secs_f64());
    println!("difference {:.2} s (goal: at most 5 s)", fifty.as_secs_f64() - one.as_secs_f64());
    Ok(())
}

/// What the entities of a program say.
struct Shape {
    name: &'static str,
    conflict: &'static str,
    title: &'static str,
    count: &'static str,
}

const PLAIN: Shape = Shape { name: "plain", conflict: "ServerWins", title: "", count: "" };
const MERGED: Shape = Shape {
    name: "merged",
    conflict: "Merge",
    title: "#[sync(merge = Text)]",
    count: "#[sync(merge = Counter)]",
};

fn measure(
    workspace: &Path,
    folder: &Path,
    target: &Path,
    entities: usize,
    shape: &Shape,
) -> Result<Duration, Failure> {
    let name = format!("entities_{entities}_{}", shape.name);
    let package = folder.join(&name);
    std::fs::create_dir_all(package.join("src"))?;
    std::fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         sync = {{ path = {:?}, default-features = false, features = [\"testing\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\
         tokio = {{ version = \"1\", features = [\"rt\", \"macros\"] }}\n",
        workspace.join("sync").display().to_string()
    );
    std::fs::write(package.join("Cargo.toml"), manifest)?;
    let mut times = Vec::new();
    for round in 0..4 {
        std::fs::write(package.join("src/main.rs"), program(entities, round, shape)?)?;
        let start = Instant::now();
        build(&package, target)?;
        times.push(start.elapsed());
    }
    // The first build is not incremental.
    times.remove(0);
    times.sort();
    Ok(times[times.len() / 2])
}

fn build(package: &PathBuf, target: &Path) -> Result<(), Failure> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target)
        .status()?;
    if status.success() { Ok(()) } else { Err("the generated program does not compile".into()) }
}

fn program(entities: usize, round: usize, shape: &Shape) -> Result<String, std::fmt::Error> {
    let Shape { conflict, title, count, .. } = shape;
    let mut text =
        String::from("use serde::{Deserialize, Serialize};\nuse sync::{OnPull, Schema, Syncable};\n");
    let mut names = String::new();
    for number in 0..entities {
        writeln!(
            text,
            "#[derive(Clone, Serialize, Deserialize, Syncable)]\n#[sync(endpoint = \"/e{number}\", conflict = {conflict})]\n\
             struct E{number} {{ id: String, {title} title: String, {count} count: u32, done: bool }}\nimpl OnPull<E{number}> for App {{}}"
        )?;
        write!(names, "E{number}, ")?;
    }
    writeln!(text, "#[derive(Schema)]\n#[sync(entities({names}))]\nstruct App;")?;
    writeln!(text, "#[tokio::main(flavor = \"current_thread\")]\nasync fn main() {{")?;
    writeln!(text, "let server = sync::testing::ScriptedRemote::new();")?;
    writeln!(
        text,
        "let engine = sync::Engine::builder(App, server, sync::MemoryStorage::new()).build().await.unwrap();"
    )?;
    for number in 0..entities {
        writeln!(
            text,
            "engine.push(&E{number} {{ id: \"a\".into(), title: \"{round}\".into(), count: {round}, done: false }}).await.unwrap();"
        )?;
    }
    writeln!(text, "}}")?;
    Ok(text)
}
