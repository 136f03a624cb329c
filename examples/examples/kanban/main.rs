//! A board in the terminal that works offline: three columns of cards, a second device that changes them as well, marks for what
//! waits and what is in conflict, and a key to go offline. Run it with `cargo run --example kanban`.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a program to read, not a library"
)]

mod card;
mod device;
mod draw;
mod keys;
mod neighbour;
mod screen;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt;
use ratatui::DefaultTerminal;
use sync::{BoxError, Query, Resolution, SqliteStorage, SyncState};
use sync_examples::server::{Config, Server};

use crate::card::{Card, Column};
use crate::device::Device;
use crate::keys::Command;
use crate::neighbour::Neighbour;
use crate::screen::Screen;

/// A kanban board for a garden. Pull the plug with `o`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Keep the board in this file, and the server's in one beside it, and find it there the next time.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How many seconds the neighbour waits before doing the next thing; 0 for a neighbour who waits to be asked (`r`).
    #[arg(long, default_value_t = 8)]
    neighbour: u64,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let file = arguments.file.unwrap_or_else(|| folder.path().join("board.db"));
    // The server is kept with the board: one that had forgotten the cards would take them away again.
    let kept = beside(&file, "server.db");
    let is_new = !kept.exists();
    let server = Server::start(Config::new(["/cards"]).file(kept))?;
    let neighbour = Neighbour::start(&server.base_url()).await?;
    if is_new {
        neighbour.set_up().await?;
    }
    let device = Device::start(&server.base_url(), SqliteStorage::open(file)?).await?;
    if arguments.neighbour > 0 {
        tokio::spawn(neighbour.clone().work(Duration::from_secs(arguments.neighbour)));
    }
    let mut terminal = ratatui::try_init()?;
    let result = run(&mut terminal, &device, &neighbour).await;
    ratatui::try_restore()?;
    device.engine.shutdown().await;
    result
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    file.with_file_name(name)
}

/// Shows the board until the user leaves. Nothing is asked for twice: the watch tells what changes, whoever changes it.
async fn run(terminal: &mut DefaultTerminal, device: &Device, neighbour: &Neighbour) -> Result<(), BoxError> {
    let mut screen = Screen::new(device.engine.status());
    let mut cards = device.engine.watch(Query::new());
    let mut status = device.engine.watch_status();
    let mut keys = EventStream::new();
    loop {
        screen.online = device.is_online();
        screen.status = device.engine.status();
        screen.conflict = conflict(device, &screen).await?;
        terminal.draw(|frame| draw::draw(frame, &screen))?;
        tokio::select! {
            event = cards.next() => match event {
                Some(event) => screen.apply(event?),
                None => return Ok(()),
            },
            changed = status.changed() => changed?,
            event = keys.next() => {
                let Some(event) = event else { return Ok(()) };
                // Some terminals tell when a key is released, too.
                let Event::Key(key) = event? else { continue };
                if key.kind == KeyEventKind::Release {
                    continue;
                }
                match keys::press(&mut screen, key) {
                    None => {}
                    Some(Command::Quit) => return Ok(()),
                    Some(command) => {
                        let done = perform(device, neighbour, &mut screen, command).await;
                        screen.trouble = done.err().map(|error| error.to_string());
                    }
                }
            }
        }
    }
}

/// The conflict about the selected card, for the user to see both sides.
async fn conflict(device: &Device, screen: &Screen) -> Result<Option<sync::Deferred<Card>>, BoxError> {
    match screen.selected() {
        Some(watched) if matches!(watched.state, SyncState::InConflict { .. }) => {
            let conflicts = device.engine.conflicts::<Card>().await?;
            Ok(conflicts.into_iter().find(|deferred| deferred.conflict.id == watched.record.id))
        }
        _ => Ok(None),
    }
}

async fn perform(
    device: &Device,
    neighbour: &Neighbour,
    screen: &mut Screen,
    command: Command,
) -> Result<(), BoxError> {
    if let Command::Add(title) = &command {
        screen.selected = Some(device.add(title, Column::Todo).await?);
        return Ok(());
    }
    if let Command::ToggleNetwork = command {
        device.toggle_network();
        return Ok(());
    }
    // The card whose title was typed, wherever the selection has gone meanwhile.
    if let Command::Rename { card, title } = command {
        return device.rename(card, title).await;
    }
    let Some(card) = screen.selected().map(|watched| watched.record.clone()) else { return Ok(()) };
    match command {
        Command::Move { right } => {
            let number = card.column.number();
            let wanted = if right { number.checked_add(1) } else { number.checked_sub(1) };
            match wanted.and_then(|number| Column::ALL.get(number)) {
                Some(column) => device.put(card.id, *column).await,
                None => Ok(()),
            }
        }
        Command::Delete => device.remove(card.id).await,
        Command::KeepMine => answer(device, screen, Resolution::KeepLocal).await,
        Command::TakeTheirs => answer(device, screen, Resolution::TakeRemote).await,
        Command::AskTheNeighbour => neighbour.rename(card.id).await,
        Command::Add(_) | Command::Rename { .. } | Command::ToggleNetwork | Command::Quit => Ok(()),
    }
}

async fn answer(device: &Device, screen: &Screen, resolution: Resolution<Card>) -> Result<(), BoxError> {
    match &screen.conflict {
        Some(deferred) => Ok(device.engine.answer::<Card>(deferred.operation, resolution).await?),
        None => Ok(()),
    }
}
