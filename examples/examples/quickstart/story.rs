//! What happens, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use sync::{BoxError, EntityOf, Syncable};
use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};

use crate::app::App;
use crate::device::Device;
use crate::entities::{Contact, Note, Price, Stock, Task};

/// Whether everything has come to be as it is told.
struct Truth(bool);

impl Truth {
    /// Says what is not as it should be.
    fn expect<T: PartialEq + Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            println!("   NOT AS EXPECTED: {what}: {found:?} instead of {expected:?}");
            self.0 = false;
        }
    }
}

/// Tells the story; `false` when something of it did not come to be, or the copies differ in the end.
pub async fn tell(folder: Option<PathBuf>) -> Result<bool, BoxError> {
    let temporary = tempfile::tempdir()?;
    let folder = match &folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            folder.as_path()
        }
        None => temporary.path(),
    };
    let config = Config::new(["/notes", "/prices", "/stock", "/contacts"])
        .collection("/tasks", "key")
        .file(folder.join("server.db"));
    let server = Server::start(config.clone())?;
    println!("A server listens on {}.\n", server.base_url());
    let phone = Device::start("phone", folder, &server.base_url()).await?;
    let laptop = Device::start("laptop", folder, &server.base_url()).await?;

    let mut truth = Truth(true);
    offline(&mut truth, &phone, &laptop).await?;
    conflicts(&mut truth, &phone, &laptop).await?;
    let server = outage(&mut truth, &phone, server, &config).await?;
    let phone = crashed(&mut truth, phone, folder, &server).await?;

    println!("5. A last sync of both.");
    for device in [&laptop, &phone, &laptop] {
        device.sync().await?;
    }
    let same = compare(&phone, &laptop, &server)?;
    phone.engine.shutdown().await;
    laptop.engine.shutdown().await;
    server.stop().await;
    if !truth.0 {
        println!("Not everything above is as it should be.");
    }
    Ok(same && truth.0)
}

/// How many notes are on their way when the server goes down.
const BATCH: usize = 40;

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default() + TimeDelta::minutes(minute)
}

fn note(id: &str, title: &str, edited: i64) -> Note {
    Note { id: id.to_owned(), title: title.to_owned(), updated_at: minute(edited) }
}

async fn offline(truth: &mut Truth, phone: &Device, laptop: &Device) -> Result<(), BoxError> {
    println!("1. Both devices are offline, and are worked on.");
    phone.online(false);
    laptop.online(false);
    phone.save(&note("shopping", "milk, bread", 0)).await?;
    phone.save(&Task { key: 1, note_id: "shopping".to_owned(), text: "go on Friday".to_owned() }).await?;
    phone.save(&note("draft", "never to be seen", 0)).await?;
    phone.delete::<Note>(&"draft".to_owned()).await?;
    laptop.save(&note("garden", "plant the beans", 0)).await?;
    laptop.save(&Price { id: "milk".to_owned(), cents: 119 }).await?;
    laptop.save(&Stock { id: "milk".to_owned(), pieces: 12 }).await?;
    let contact =
        Contact { id: "dairy".to_owned(), phone: "555-0100".to_owned(), city: "Lakeside".to_owned() };
    laptop.save(&contact).await?;
    println!(
        "   phone  has {} records waiting, laptop {}",
        phone.engine.queue_len(),
        laptop.engine.queue_len()
    );
    truth.expect("waiting on the phone", &phone.engine.queue_len(), &2);
    truth.expect("waiting on the laptop", &laptop.engine.queue_len(), &4);
    println!("   Both come back online.");
    phone.online(true);
    laptop.online(true);
    phone.sync().await?;
    laptop.sync().await?;
    phone.sync().await?;
    println!();
    Ok(())
}

async fn conflicts(truth: &mut Truth, phone: &Device, laptop: &Device) -> Result<(), BoxError> {
    println!("2. Both edit the same five records offline, the laptop syncs first.");
    let contact =
        |phone: &str, city: &str| Contact { id: "dairy".into(), phone: phone.into(), city: city.into() };
    let task = |text: &str| Task { key: 1, note_id: "shopping".to_owned(), text: text.to_owned() };
    laptop.save(&note("shopping", "milk, bread, eggs", 10)).await?;
    laptop.save(&Price { id: "milk".to_owned(), cents: 129 }).await?;
    laptop.save(&Stock { id: "milk".to_owned(), pieces: 10 }).await?;
    laptop.save(&contact("555-0199", "Lakeside")).await?;
    laptop.save(&task("go on Saturday")).await?;
    phone.save(&note("shopping", "milk, butter", 5)).await?;
    phone.save(&Price { id: "milk".to_owned(), cents: 99 }).await?;
    phone.save(&Stock { id: "milk".to_owned(), pieces: 7 }).await?;
    phone.save(&contact("555-0100", "Hillside")).await?;
    phone.save(&task("take the bicycle")).await?;
    laptop.sync().await?;
    phone.sync().await?;
    laptop.sync().await?;
    let (at_ten, dairy) = (note("shopping", "milk, bread, eggs", 10), contact("555-0199", "Hillside"));
    let joined = task("go on Saturday / take the bicycle");
    let devices = (phone, laptop);
    decided(truth, devices, "note", "the later edit wins", "shopping", &at_ten)?;
    decided(
        truth,
        devices,
        "price",
        "the server wins",
        "milk",
        &Price { id: "milk".to_owned(), cents: 129 },
    )?;
    decided(truth, devices, "stock", "the client wins", "milk", &Stock { id: "milk".to_owned(), pieces: 7 })?;
    decided(truth, devices, "contact", "merged field by field", "dairy", &dairy)?;
    decided(truth, devices, "task", "a handler joined both texts", "1", &joined)?;
    println!();
    Ok(())
}

/// Shows what came of a conflict.
fn decided<T: Syncable>(
    truth: &mut Truth,
    (phone, laptop): (&Device, &Device),
    entity: &str,
    rule: &str,
    id: &str,
    expected: &T,
) -> Result<(), BoxError> {
    let expected = serde_json::to_value(expected)?;
    for device in [phone, laptop] {
        let found = device.app.records::<T>()?.remove(id).unwrap_or_default();
        if device.name == phone.name {
            println!("   {entity:<8} {rule:<28} {found}");
        }
        truth.expect(&format!("the {entity} on the {}", device.name), &found, &expected);
    }
    Ok(())
}

/// The server dies in the middle of a flush, and comes back on the same port with the same data.
async fn outage(
    truth: &mut Truth,
    phone: &Device,
    server: Server,
    config: &Config,
) -> Result<Server, BoxError> {
    println!("3. The phone flushes {BATCH} notes, and the server goes down in the middle.");
    for number in 0..BATCH {
        phone.save(&note(&format!("batch-{number:02}"), "one of forty", 20)).await?;
    }
    let before = server.requests().len();
    let (mut arrived, lost) = (0, Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&lost);
    server.intercept(move |_| {
        arrived += 1;
        match arrived {
            ..=15 => Intercept::Pass,
            // What arrives now takes effect, and its answer is lost.
            16..=20 => {
                count.fetch_add(1, Ordering::Relaxed);
                Intercept::CutAfter
            }
            _ => Intercept::Cut,
        }
    });
    phone.sync().await?;
    let port = server.port();
    let mut requests = server.requests().split_off(before);
    server.stop().await;
    println!(
        "   It is down. The phone shows {:?}, and {} records wait.",
        phone.engine.status().state,
        phone.engine.queue_len()
    );
    phone.sync().await?;
    let server = Server::start(config.clone().port(port))?;
    println!("   It is back.");
    phone.sync().await?;
    requests.extend(server.requests());
    let batch = server.records("/notes").keys().filter(|id| id.starts_with("batch-")).count();
    let keys: Vec<_> = requests.into_iter().filter_map(|seen| seen.idempotency_key).collect();
    let (writes, keys, lost) = (keys.len(), BTreeSet::from_iter(keys).len(), lost.load(Ordering::Relaxed));
    println!(
        "   The server has {batch} of the {BATCH}. It was asked {writes} times, with one key for each note;"
    );
    println!("   {lost} of its answers were lost.\n");
    truth.expect("notes on the server", &batch, &BATCH);
    truth.expect("idempotency keys", &keys, &BATCH);
    truth.expect("whether answers were lost", &(lost > 0), &true);
    truth.expect("waiting on the phone", &phone.engine.queue_len(), &0);
    Ok(server)
}

/// Another process works on the phone's files and dies without a word; the phone goes on with what it left.
async fn crashed(
    truth: &mut Truth,
    phone: Device,
    folder: &Path,
    server: &Server,
) -> Result<Device, BoxError> {
    println!("4. The phone's program crashes with edits in its queue.");
    phone.engine.shutdown().await;
    drop(phone);
    let url = server.base_url();
    let status = Command::new(std::env::current_exe()?)
        .arg("--folder")
        .arg(folder)
        .args(["--crash-with", &url])
        .status()?;
    println!("   The process ended with {status}.");
    truth.expect("whether it ended well", &status.success(), &false);
    let phone = Device::start("phone", folder, &url).await?;
    println!("   Started again, it finds {} records waiting.", phone.engine.queue_len());
    truth.expect("waiting after the crash", &phone.engine.queue_len(), &2);
    phone.sync().await?;
    let notes = server.records("/notes");
    truth.expect("what it made is on the server", &notes.contains_key("last-words"), &true);
    truth.expect("what it deleted is on the server", &notes.contains_key("batch-00"), &false);
    println!();
    Ok(phone)
}

/// The process that crashes.
pub async fn crash(folder: &Path, url: &str) -> Result<bool, BoxError> {
    let phone = Device::start("phone", folder, url).await?;
    phone.online(false);
    phone.save(&note("last-words", "written right before the crash", 30)).await?;
    phone.delete::<Note>(&"batch-00".to_owned()).await?;
    std::process::abort()
}

/// Compares the three copies, and says where they differ.
fn compare(phone: &Device, laptop: &Device, server: &Server) -> Result<bool, BoxError> {
    let same = [
        equal::<Note>(phone, laptop, server)?,
        equal::<Price>(phone, laptop, server)?,
        equal::<Stock>(phone, laptop, server)?,
        equal::<Contact>(phone, laptop, server)?,
        equal::<Task>(phone, laptop, server)?,
    ];
    let all = same.iter().all(|same| *same);
    println!("{}", if all { "\nAll three copies are the same." } else { "\nThe copies DIFFER." });
    Ok(all)
}

fn equal<T: EntityOf<App>>(phone: &Device, laptop: &Device, server: &Server) -> Result<bool, BoxError> {
    let (on_phone, on_laptop) = (phone.app.records::<T>()?, laptop.app.records::<T>()?);
    // Read and written by the program's own type, so that only what it knows is compared.
    let on_server = server.records(T::ENTITY.endpoint).into_iter().map(|(id, record)| {
        let record: T = serde_json::from_value(record)?;
        Ok((id, serde_json::to_value(record)?))
    });
    let on_server = on_server.collect::<Result<BTreeMap<_, _>, BoxError>>()?;
    let same = on_phone == on_server && on_laptop == on_server;
    println!(
        "   {:<8} phone {}, laptop {}, server {}",
        T::ENTITY.name,
        on_phone.len(),
        on_laptop.len(),
        on_server.len()
    );
    if !same {
        let ids: BTreeSet<_> = on_server.keys().chain(on_phone.keys()).chain(on_laptop.keys()).collect();
        for id in ids {
            let (record, left, right) = (on_server.get(id), on_phone.get(id), on_laptop.get(id));
            if left != record || right != record {
                println!("      {id}: server {record:?}, phone {left:?}, laptop {right:?}");
            }
        }
    }
    Ok(same)
}
