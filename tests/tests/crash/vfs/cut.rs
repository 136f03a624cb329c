//! What is left on a disk after the power was cut.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::disk::{Event, FileId};

/// What a disk writes at once, in bytes. A sector that is being written when the power goes may be torn.
const SECTOR: usize = 512;

/// What a sync is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// What was written before it is there after a power cut.
    Kept,
    /// Nothing: the disk says that it is done, and is not.
    Lies,
}

/// The files of a folder, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug)]
enum Change<'a> {
    Bytes { offset: usize, bytes: &'a [u8] },
    Length(usize),
}

/// Names change in order; contents in whatever order the disk likes.
#[derive(Debug, Clone, Copy)]
enum Naming<'a> {
    Made(&'a str, FileId),
    Deleted(&'a str),
}

#[derive(Debug, Default)]
struct Platter<'a> {
    durable: BTreeMap<FileId, Vec<u8>>,
    pending: BTreeMap<FileId, Vec<Change<'a>>>,
    names: BTreeMap<&'a str, FileId>,
    pending_names: Vec<Naming<'a>>,
}

impl<'a> Platter<'a> {
    fn apply(&mut self, event: &'a Event, syncs: Syncs) {
        match event {
            Event::Found { file, name, content } => {
                self.durable.insert(*file, content.clone());
                // It was made under another name, which it no longer has.
                let unfinished = format!("{name}-new");
                self.settle_names();
                self.names.remove(unfinished.as_str());
                self.names.insert(name, *file);
            }
            Event::Made { file, name } => {
                self.durable.insert(*file, Vec::new());
                self.pending_names.push(Naming::Made(name, *file));
            }
            Event::Written { file, offset, bytes } => {
                self.pending.entry(*file).or_default().push(Change::Bytes { offset: *offset, bytes });
            }
            Event::Resized { file, length } => {
                self.pending.entry(*file).or_default().push(Change::Length(*length));
            }
            Event::Synced { .. } | Event::Deleted { synced: true, .. } if syncs == Syncs::Lies => {
                if let Event::Deleted { name, .. } = event {
                    self.pending_names.push(Naming::Deleted(name));
                }
            }
            Event::Synced { file } => {
                let content = self.durable.entry(*file).or_default();
                for change in self.pending.remove(file).unwrap_or_default() {
                    change.apply(content);
                }
                // SQLite syncs the folder with a file that it made.
                if self
                    .pending_names
                    .iter()
                    .any(|naming| matches!(naming, Naming::Made(_, made) if made == file))
                {
                    self.settle_names();
                }
            }
            Event::Deleted { name, synced } => {
                self.pending_names.push(Naming::Deleted(name));
                if *synced {
                    self.settle_names();
                }
            }
        }
    }

    fn settle_names(&mut self) {
        for naming in std::mem::take(&mut self.pending_names) {
            self.name(naming);
        }
    }

    fn name(&mut self, naming: Naming<'a>) {
        match naming {
            Naming::Made(name, file) => self.names.insert(name, file),
            Naming::Deleted(name) => self.names.remove(name),
        };
    }
}

impl Change<'_> {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => overwrite(content, *offset, bytes),
            Self::Length(length) => content.resize(*length, 0),
        }
    }

    /// Does what the disk got done of it: each sector, some of it, or nothing.
    fn apply_some(&self, content: &mut Vec<u8>, luck: f64, chance: &mut StdRng) {
        match self {
            Self::Length(length) => {
                if chance.random_bool(luck) {
                    content.resize(*length, 0);
                }
            }
            Self::Bytes { offset, bytes } => {
                let (mut offset, mut bytes) = (*offset, *bytes);
                while !bytes.is_empty() {
                    let (sector, rest) = bytes.split_at((SECTOR - offset % SECTOR).min(bytes.len()));
                    let torn = chance.random_bool(0.1);
                    if chance.random_bool(luck) {
                        let written = if torn { chance.random_range(0..=sector.len()) } else { sector.len() };
                        overwrite(content, offset, &sector[..written]);
                    }
                    offset += sector.len();
                    bytes = rest;
                }
            }
        }
    }
}

/// Writes bytes at an offset; what lies between the end and the offset becomes zeros.
fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// The files after a power cut when all of `events` had happened.
pub fn after(events: &[Event], syncs: Syncs, chance: &mut StdRng) -> Files {
    let mut platter = Platter::default();
    for event in events {
        platter.apply(event, syncs);
    }
    let luck = [0.0, 0.1, 0.5, 0.9, 1.0][chance.random_range(0..5_usize)];
    for (file, changes) in std::mem::take(&mut platter.pending) {
        let content = platter.durable.entry(file).or_default();
        for change in changes {
            change.apply_some(content, luck, chance);
        }
    }
    let kept = chance.random_range(0..=platter.pending_names.len());
    for naming in std::mem::take(&mut platter.pending_names).into_iter().take(kept) {
        platter.name(naming);
    }
    let Platter { mut durable, names, .. } = platter;
    let files = names.into_iter();
    files.map(|(name, file)| (name.to_owned(), durable.remove(&file).unwrap_or_default())).collect()
}

/// Puts files into an empty folder.
pub fn write(files: &Files, folder: &Path) {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("the folder can be written");
    }
}
