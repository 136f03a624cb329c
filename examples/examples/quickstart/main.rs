//! Two devices work on the same records, offline and online, through conflicts, an outage and a crash, and end with the
//! same records as the server. Run it with `cargo run --example quickstart`.

#![allow(missing_docs, unreachable_pub, reason = "a program to read, not a library")]

mod app;
mod device;
mod entities;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Two devices, one server, and everything that can go wrong between them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Keep the databases in this folder, to look at them afterwards (with `cargo run --example inspect`).
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Used by the program itself: be the device that crashes.
    #[arg(long, hide = true)]
    crash_with: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (&arguments.crash_with, &arguments.folder) {
        (Some(url), Some(folder)) => story::crash(folder, url).await,
        (_, folder) => story::tell(folder.clone()).await,
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the quickstart failed: {error}");
            ExitCode::FAILURE
        }
    }
}
