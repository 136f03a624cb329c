//! Pushes the rows of a file to a server, with a progress bar that survives Ctrl-C: started again, it goes on where it
//! was. What the server has refused is tried again then, and a file that was changed is taken as a whole.
//!
//! `cargo run --example import -- examples/data/seeds.csv`

#![allow(missing_docs, unreachable_pub, reason = "a program to read, not a library")]

mod rows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sync::{BoxError, Engine, OnPull, RestRemote, Schema, SqliteStorage, State, Syncable};
use sync_examples::server::{Config, Server};

/// Pushes the rows of a CSV or JSON lines file to a server.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file: `sku,name,sow_in,price_cents`, as CSV with a header, or one JSON object a line.
    file: PathBuf,
    /// The server's base URL; without one, a server of its own is started.
    #[arg(long)]
    server: Option<String>,
    /// Sent as `Authorization: Bearer …`.
    #[arg(long)]
    token: Option<String>,
    /// Where the queue is kept; each server needs one of its own. Default: beside the file.
    #[arg(long)]
    storage: Option<PathBuf>,
    /// Rows taken into the queue in one transaction.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Stop after this many rows were sent, as Ctrl-C would; for trying it out.
    #[arg(long)]
    stop_after: Option<u64>,
}

/// A packet of seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/seeds", conflict = ClientWins)]
pub struct Seed {
    #[sync(id)]
    pub sku: String,
    pub name: String,
    pub sow_in: u8,
    pub price_cents: u32,
}

/// Nothing is pulled here.
#[derive(Debug, Schema)]
#[sync(entities(Seed))]
pub struct Import;

impl OnPull<Seed> for Import {}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a shell takes for an end by Ctrl-C: 128, and the number of the signal.
const INTERRUPTED: u8 = 130;

async fn run(arguments: Arguments) -> Result<ExitCode, BoxError> {
    let total = rows::count(&arguments.file)?;
    let path = arguments.storage.clone().unwrap_or_else(|| beside(&arguments.file, "import.db"));
    let storage = SqliteStorage::open(&path)?;
    // A server of its own has another address each time, and is known by its file.
    let (own_server, url, known_as) = if let Some(url) = &arguments.server {
        (None, url.clone(), url.clone())
    } else {
        // From whichever folder, and through whichever link, it is started.
        let file = beside(&path.canonicalize()?, "server.db");
        let known_as = format!("a server of its own, {}", file.display());
        let server = Server::start(Config::new([]).collection("/seeds", "sku").file(file))?;
        let url = server.base_url();
        (Some(server), url, known_as)
    };
    let remote = RestRemote::builder(&url);
    let remote = match &arguments.token {
        Some(token) => remote.bearer(token.clone()),
        None => remote,
    };
    let engine = Engine::builder(Import, remote.build()?, storage.clone()).build().await?;
    let style = ProgressStyle::with_template("{msg:>10} {bar:40} {pos}/{len}")?;
    let bar = ProgressBar::new(total).with_style(style);

    let finished = tokio::select! {
        result = import(&arguments, &known_as, &storage, &engine, &bar) => Some(result?),
        _ = tokio::signal::ctrl_c() => None,
    };
    engine.shutdown_within(Duration::from_secs(5)).await;
    bar.abandon();
    match finished {
        Some(true) => println!("\nAll {total} rows are on {url}."),
        Some(false) => {
            println!("\nStopped; start it again to go on with the {} rows that wait.", engine.queue_len());
        }
        None => println!("\nInterrupted; start it again to go on where it was."),
    }
    if let Some(server) = own_server {
        println!("The server had {} of them.", server.records("/seeds").len());
        server.stop().await;
    }
    Ok(if finished.is_none() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// Takes the rows into the queue and sends them; `false` when it stopped early.
async fn import(
    arguments: &Arguments,
    server: &str,
    storage: &SqliteStorage,
    engine: &Engine<Import>,
    bar: &ProgressBar,
) -> Result<bool, BoxError> {
    bar.set_message("reading");
    rows::enqueue(&arguments.file, server, storage, engine, arguments.batch, bar).await?;
    // Whoever starts it again may have mended what the server had against them.
    engine.retry_all().await?;
    bar.set_message("sending");
    let total = bar.length().unwrap_or_default();
    let mut status = engine.watch_status();
    let show = async {
        loop {
            let waiting = status.borrow_and_update().queue_len;
            bar.set_position(total.saturating_sub(waiting));
            if arguments.stop_after.is_some_and(|stop| total.saturating_sub(waiting) >= stop)
                || status.changed().await.is_err()
            {
                return;
            }
        }
    };
    let send = async {
        let mut told = String::new();
        loop {
            let report = engine.flush().await?;
            let status = engine.status();
            // Once, and not at each attempt.
            if let Some(error) = report.errors.first().map(ToString::to_string).filter(|error| *error != told)
            {
                bar.suspend(|| eprintln!("{error}"));
                told = error;
            }
            if report.remaining == 0 && status.parked > 0 {
                return Err(format!(
                    "the server refused {} rows; look at them with `cargo run --example inspect -- {}`",
                    status.parked,
                    storage.path().display()
                )
                .into());
            }
            if report.remaining == 0 {
                return Ok::<_, BoxError>(());
            }
            if status.state == State::Unauthorized {
                return Err("the server asks for other credentials: give it a --token".into());
            }
            bar.set_message(if status.state == State::Offline { "offline" } else { "sending" });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        result = send => result.map(|()| true),
        () = show => Ok(false),
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    file.with_file_name(name)
}
