//! Two devices edit the same record while both are offline, and `conflict = Merge` brings them together on a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sync::{
    BoxError, Conflict, Engine, Mergeable, OnConflict, OnPull, Pulled, Resolution, RestRemote, Schema,
    SqliteStorage, Syncable,
};
use sync_examples::server::{Config, Server};
use sync_tests::device::Folder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/pages", conflict = Merge)]
struct Page {
    id: String,
    #[sync(merge = Text)]
    body: String,
    #[sync(merge = Set)]
    tags: BTreeSet<String>,
    #[sync(merge = Counter)]
    likes: u32,
}

/// A deletion wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/drafts", conflict = Merge, on_delete = Delete)]
struct Draft {
    id: String,
    text: String,
}

/// A handler merges, and decides what overlapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/jobs", conflict = Manual)]
struct Job {
    id: String,
    title: String,
    #[sync(merge = Counter)]
    hours: u32,
}

#[derive(Clone, Default, Schema)]
#[sync(entities(Page, Draft, Job))]
struct App {
    pages: Records<Page>,
    drafts: Records<Draft>,
    jobs: Records<Job>,
}

type Records<T> = Arc<Mutex<BTreeMap<String, T>>>;

fn store<T: Syncable<Id = String>>(records: &Records<T>, pulled: &Pulled<T>) {
    let mut records = records.lock().unwrap();
    for change in &pulled.changes {
        match change.local() {
            Some(record) => records.insert(change.id().clone(), record.clone()),
            None => records.remove(change.id()),
        };
    }
}

impl OnPull<Page> for App {
    async fn on_pull(&self, pulled: Pulled<Page>) -> Result<(), BoxError> {
        store(&self.pages, &pulled);
        Ok(())
    }
}

impl OnPull<Draft> for App {
    async fn on_pull(&self, pulled: Pulled<Draft>) -> Result<(), BoxError> {
        store(&self.drafts, &pulled);
        Ok(())
    }
}

impl OnPull<Job> for App {
    async fn on_pull(&self, pulled: Pulled<Job>) -> Result<(), BoxError> {
        store(&self.jobs, &pulled);
        Ok(())
    }
}

impl OnConflict<Job> for App {
    async fn on_conflict(&self, conflict: Conflict<Job>) -> Result<Resolution<Job>, BoxError> {
        let (Some(local), Some(remote)) = (&conflict.local, &conflict.remote) else {
            return Ok(Resolution::TakeRemote);
        };
        let mut merged = Job::merge(conflict.base.as_ref(), local, remote);
        if let Some(title) = merged.overlap(Job::FIELDS.title) {
            merged.value.title = format!("{} / {}", title.remote, title.local);
        }
        Ok(Resolution::Merged(merged.value))
    }
}

struct Device {
    app: App,
    engine: Engine<App>,
}

impl Device {
    async fn open(folder: &Folder, name: &str, server: &Server) -> Self {
        let app = App::default();
        let remote = RestRemote::new(server.base_url()).unwrap();
        let storage = SqliteStorage::open(folder.file(name)).unwrap();
        let engine = Engine::builder(app.clone(), remote, storage).build().await.unwrap();
        Self { app, engine }
    }

    async fn sync(&self) {
        assert!(self.engine.full_sync().await.unwrap().is_clean());
    }

    fn page(&self) -> Page {
        self.app.pages.lock().unwrap()["a"].clone()
    }
}

fn server() -> Server {
    Server::start(Config::new(["/pages", "/drafts", "/jobs"])).unwrap()
}

/// A phone and a laptop that both have what the phone pushed.
async fn two_devices<T: sync::EntityOf<App>>(folder: &Folder, server: &Server, record: &T) -> [Device; 2] {
    let phone = Device::open(folder, "phone.db", server).await;
    let laptop = Device::open(folder, "laptop.db", server).await;
    phone.engine.push(record).await.unwrap();
    phone.sync().await;
    laptop.sync().await;
    [phone, laptop]
}

fn page(body: &str, tags: &[&str], likes: u32) -> Page {
    let tags = tags.iter().map(ToString::to_string).collect();
    Page { id: "a".to_owned(), body: body.to_owned(), tags, likes }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_a_set_and_a_text_are_merged_whichever_device_comes_first() {
    for phone_first in [true, false] {
        let (folder, server) = (Folder::new(), server());
        let before = page("Buy milk.\nCall Ann.\n", &["home", "urgent"], 10);
        let [phone, laptop] = two_devices(&folder, &server, &before).await;
        let on_phone = page("Buy oat milk.\nCall Ann.\n", &["home", "shop"], 11);
        let on_laptop = page("Buy milk.\nCall Ann, then Bob.\n", &["home", "urgent", "phone"], 13);
        phone.engine.push(&on_phone).await.unwrap();
        laptop.engine.push(&on_laptop).await.unwrap();
        let [first, second] = if phone_first { [&phone, &laptop] } else { [&laptop, &phone] };
        for device in [first, second, first, second] {
            device.sync().await;
        }
        let merged = page("Buy oat milk.\nCall Ann, then Bob.\n", &["home", "phone", "shop"], 14);
        assert_eq!(
            (phone.page(), laptop.page()),
            (merged.clone(), merged.clone()),
            "phone first: {phone_first}"
        );
        assert_eq!(server.records("/pages")["a"]["likes"], 14);
        assert_eq!((phone.engine.queue_len(), laptop.engine.queue_len()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_edits_of_many_rounds_are_all_counted() {
    let (folder, server) = (Folder::new(), server());
    let [phone, laptop] = two_devices(&folder, &server, &page("", &[], 0)).await;
    for round in 0..10 {
        for (device, more) in [(&phone, 1), (&laptop, 100)] {
            let seen = device.app.pages.lock().unwrap().get("a").map_or(0, |page| page.likes);
            let edit = page("", &[], seen + more);
            device.app.pages.lock().unwrap().insert("a".to_owned(), edit.clone());
            device.engine.push(&edit).await.unwrap();
        }
        let order = if round % 2 == 0 { [&phone, &laptop, &phone] } else { [&laptop, &phone, &laptop] };
        for device in order {
            device.sync().await;
        }
    }
    assert_eq!((phone.page().likes, laptop.page().likes), (1010, 1010));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_wins_over_an_edit_where_the_struct_says_so_whichever_comes_first() {
    let draft = |text: &str| Draft { id: "a".to_owned(), text: text.to_owned() };
    for deleted_first in [true, false] {
        let (folder, server) = (Folder::new(), server());
        let [phone, laptop] = two_devices(&folder, &server, &draft("a")).await;
        phone.engine.delete::<Draft>(&"a".to_owned()).await.unwrap();
        laptop.engine.push(&draft("b")).await.unwrap();
        let [first, second] = if deleted_first { [&phone, &laptop] } else { [&laptop, &phone] };
        for device in [first, second, first, second] {
            device.sync().await;
        }
        assert_eq!(server.records("/drafts").len(), 0, "deleted first: {deleted_first}");
        assert!(laptop.app.drafts.lock().unwrap().is_empty());
        assert_eq!((phone.engine.queue_len(), laptop.engine.queue_len()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_calls_the_merge_and_decides_only_what_overlapped() {
    let job = |title: &str, hours| Job { id: "a".to_owned(), title: title.to_owned(), hours };
    let (folder, server) = (Folder::new(), server());
    let [phone, laptop] = two_devices(&folder, &server, &job("paint", 1)).await;
    phone.engine.push(&job("paint it", 3)).await.unwrap();
    laptop.engine.push(&job("repaint", 2)).await.unwrap();
    for device in [&phone, &laptop, &phone] {
        device.sync().await;
    }
    let merged = job("paint it / repaint", 4);
    assert_eq!(phone.app.jobs.lock().unwrap()["a"], merged);
    assert_eq!(server.records("/jobs")["a"], serde_json::to_value(&merged).unwrap());
}
