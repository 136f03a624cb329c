//! Members of a record that come and go: what serde leaves out, and what it collects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sync::remote::rest::SentBody;
use sync::{
    BoxError, Dialect, Engine, EntityOf, HandsOver, MemoryStorage, OnPull, Pulled, RestRemote, RetryPolicy,
    Schema, Syncable,
};
use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};

/// What serde leaves out of the JSON when it is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/pages", conflict = ServerWins)]
struct Page {
    id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// What the struct does not name is kept as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/forms", conflict = ServerWins)]
struct Form {
    id: String,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// The same, of texts alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/labels", conflict = ServerWins)]
struct Label {
    id: String,
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// What the struct does not name is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/stamps", conflict = ServerWins)]
#[serde(deny_unknown_fields)]
struct Stamp {
    id: String,
    price: u32,
}

/// What was shown last of each record, as JSON.
type Seen = Arc<Mutex<BTreeMap<String, Value>>>;

#[derive(Clone, Default, Schema)]
#[sync(entities(Page, Form, Label, Stamp))]
struct App(Seen);

impl<T: Syncable<Id = String, Keeping: HandsOver>> OnPull<T> for App {
    async fn on_pull(&self, pulled: Pulled<T>) -> Result<(), BoxError> {
        for change in &pulled.changes {
            let (id, mut seen) = (change.id().clone(), self.0.lock().unwrap());
            match change.local() {
                Some(record) => seen.insert(id, serde_json::to_value(record).unwrap()),
                None => seen.remove(&id),
            };
        }
        Ok(())
    }
}

struct Device {
    engine: Engine<App>,
    seen: Seen,
}

impl Device {
    async fn of(server: &Server) -> Self {
        let app = App::default();
        let remote = RestRemote::new(server.base_url()).unwrap();
        let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let builder = Engine::builder(app.clone(), remote, MemoryStorage::new());
        Self { engine: builder.retry(at_once).build().await.unwrap(), seen: app.0 }
    }

    async fn sync(&self) {
        let report = self.engine.full_sync().await.unwrap();
        assert!(report.is_clean(), "{:?}", report.errors);
        assert_eq!((report.conflicts, report.remaining), (0, 0), "{report:?}");
    }

    fn sees<T: for<'de> Deserialize<'de>>(&self, id: &str) -> T {
        serde_json::from_value(self.seen.lock().unwrap()[id].clone()).unwrap()
    }
}

fn server() -> Server {
    Server::start(Config::new(["/pages", "/forms", "/labels", "/stamps"])).unwrap()
}

fn full() -> Page {
    Page { id: "a".into(), title: "Page".into(), parent: Some("b".into()), tags: vec!["new".into()] }
}

fn bare() -> Page {
    Page { parent: None, tags: Vec::new(), ..full() }
}

fn form(others: &[(&str, &str)]) -> Form {
    let others = others.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    Form { id: "f".into(), others: others.collect() }
}

/// What the server has of a record, without what is null there.
fn held(server: &Server, collection: &str, id: &str) -> Value {
    let mut record = server.records(collection)[id].clone();
    record.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    record
}

#[tokio::test]
async fn what_is_cleared_on_a_device_is_cleared_on_the_server_and_on_the_others() {
    let server = server();
    let (mine, theirs) = (Device::of(&server).await, Device::of(&server).await);
    mine.engine.push(&full()).await.unwrap();
    mine.sync().await;
    theirs.sync().await;
    assert_eq!(theirs.sees::<Page>("a"), full());
    // As an edit of one's own record, and of one that was only pulled.
    for (editor, other) in [(&mine, &theirs), (&theirs, &mine)] {
        let receipt = editor.engine.push(&bare()).await.unwrap();
        editor.sync().await;
        receipt.synced().await.unwrap();
        assert_eq!(held(&server, "/pages", "a"), json!({"id": "a", "title": "Page"}));
        other.sync().await;
        assert_eq!(other.sees::<Page>("a"), bare());
        other.engine.push(&full()).await.unwrap();
        other.sync().await;
        editor.sync().await;
        assert_eq!(editor.sees::<Page>("a"), full());
    }
}

#[tokio::test]
async fn so_is_a_name_that_is_taken_out_of_a_flattened_map() {
    let server = server();
    let device = Device::of(&server).await;
    device.engine.push(&form(&[("colour", "red"), ("size", "9")])).await.unwrap();
    device.sync().await;
    device.engine.push(&form(&[("size", "9")])).await.unwrap();
    device.sync().await;
    assert_eq!(held(&server, "/forms", "f"), json!({"id": "f", "size": "9"}));
}

#[tokio::test]
async fn what_is_cleared_by_an_edit_whose_answer_is_lost_is_no_conflict_with_oneself() {
    let server = server();
    let device = Device::of(&server).await;
    device.engine.push(&form(&[("colour", "red"), ("size", "9")])).await.unwrap();
    device.engine.push(&full()).await.unwrap();
    device.sync().await;
    server.intercept(|request| if request.method == "PATCH" { Intercept::CutAfter } else { Intercept::Pass });
    let receipts = [
        device.engine.push(&form(&[("size", "9")])).await.unwrap(),
        device.engine.push(&bare()).await.unwrap(),
    ];
    device.engine.flush().await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 2);
    assert_eq!(held(&server, "/pages", "a"), json!({"id": "a", "title": "Page"}), "it took effect");
    let report = device.engine.pull().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!((report.conflicts, device.engine.queue_len()), (0, 0), "{report:?}");
    for receipt in receipts {
        receipt.synced().await.unwrap();
    }
    assert_eq!(device.engine.parked::<Page>().await.unwrap().len(), 0);
}

/// A list tells a record's version among its members, and the server takes none from a client.
#[tokio::test]
async fn the_servers_own_members_are_neither_collected_nor_refused() {
    let server = server();
    server.write_as_other_client("/labels", "l", Some(&json!({"id": "l", "colour": "red"})));
    server.write_as_other_client("/stamps", "s", Some(&json!({"id": "s", "price": 1})));
    let device = Device::of(&server).await;
    device.sync().await;
    let mut label: Label = device.sees("l");
    assert_eq!(label.others, BTreeMap::from([("colour".to_owned(), "red".to_owned())]));
    let stamp: Stamp = device.sees("s");
    label.others.insert("size".to_owned(), "9".to_owned());
    device.engine.push(&label).await.unwrap();
    device.engine.push(&Stamp { price: 2, ..stamp }).await.unwrap();
    device.sync().await;
    assert_eq!(server.records("/labels")["l"], json!({"id": "l", "colour": "red", "size": "9"}));
    assert_eq!(server.records("/stamps")["s"], json!({"id": "s", "price": 2}));
    for update in server.requests().into_iter().filter(|request| request.method == "PATCH") {
        assert!(update.if_match.is_some(), "{update:?}");
    }
}

/// A member of that name which the struct has itself is the struct's.
#[tokio::test]
async fn a_struct_that_names_the_version_sees_it() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/labels", conflict = ServerWins)]
    #[serde(deny_unknown_fields)]
    struct Versioned {
        id: String,
        #[serde(alias = "version", default)]
        revision: Option<String>,
    }

    #[derive(Clone, Default, Schema)]
    #[sync(entities(Versioned))]
    struct Other(Seen);

    impl OnPull<Versioned> for Other {
        async fn on_pull(&self, pulled: Pulled<Versioned>) -> Result<(), BoxError> {
            App(Arc::clone(&self.0)).on_pull(pulled).await
        }
    }

    let server = server();
    server.write_as_other_client("/labels", "l", Some(&json!({"id": "l"})));
    let (app, remote) = (Other::default(), RestRemote::new(server.base_url()).unwrap());
    let engine = Engine::builder(app.clone(), remote, MemoryStorage::new()).build().await.unwrap();
    assert!(engine.pull().await.unwrap().is_clean());
    assert_eq!(app.0.lock().unwrap()["l"]["revision"], "1");
}

mod earlier {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/labels", conflict = ServerWins, replica)]
    pub(super) struct Tag {
        pub(super) id: String,
        pub(super) text: String,
        pub(super) colour: String,
    }

    #[derive(Schema)]
    #[sync(entities(Tag))]
    pub(super) struct App;

    /// It keeps nothing.
    pub(super) mod handed_over {
        use super::*;

        #[derive(Clone, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/labels", conflict = ServerWins)]
        pub(in super::super) struct Tag {
            pub(in super::super) id: String,
            pub(in super::super) text: String,
            pub(in super::super) colour: String,
        }

        #[derive(Schema)]
        #[sync(entities(Tag))]
        pub(in super::super) struct App;

        impl OnPull<Tag> for App {}
    }
}

/// The struct has a field more, which serde leaves out where it is empty.
mod grown {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/labels", conflict = ServerWins, replica)]
    pub(super) struct Tag {
        pub(super) id: String,
        pub(super) text: String,
        pub(super) colour: String,
        #[serde(default)]
        pub(super) size: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) shape: Option<String>,
    }

    #[derive(Schema)]
    #[sync(entities(Tag))]
    pub(super) struct App;

    /// It keeps nothing, so that nothing tells what the server has.
    pub(super) mod handed_over {
        use super::*;

        #[derive(Clone, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/labels", conflict = ServerWins)]
        pub(in super::super) struct Tag {
            id: String,
            text: String,
            colour: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            shape: Option<String>,
        }

        #[derive(Schema)]
        #[sync(entities(Tag))]
        pub(in super::super) struct App;

        impl OnPull<Tag> for App {}
    }
}

/// The struct has a field less, which needs no other version.
mod later {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/labels", conflict = ServerWins, replica)]
    pub(super) struct Tag {
        pub(super) id: String,
        pub(super) text: String,
    }

    #[derive(Schema)]
    #[sync(entities(Tag))]
    pub(super) struct App;
}

#[tokio::test]
async fn a_member_for_which_the_struct_has_no_field_any_more_stays_on_the_server() {
    for body in [SentBody::Record, SentBody::MergePatch] {
        let ((server, remote), storage) = (with_a_label(body), MemoryStorage::new());
        let engine = Engine::builder(earlier::App, remote(), storage.clone()).build().await.unwrap();
        engine.pull().await.unwrap();
        engine.shutdown().await;
        drop(engine);
        let engine = Engine::builder(later::App, remote(), storage).build().await.unwrap();
        engine.push(&later::Tag { id: "t".into(), text: "y".into() }).await.unwrap();
        assert!(engine.flush().await.unwrap().is_clean());
        assert_eq!(server.records("/labels")["t"], json!({"id": "t", "text": "y", "colour": "red"}));
    }
}

/// A server on which `/labels` has one record, and how it is spoken to.
fn with_a_label(body: SentBody) -> (Server, impl Fn() -> RestRemote) {
    let server = server();
    server.write_as_other_client("/labels", "t", Some(&json!({"id": "t", "text": "x", "colour": "red"})));
    let (url, mut dialect) = (server.base_url(), Dialect::default());
    dialect.update.body = body;
    (server, move || RestRemote::builder(&url).dialect(dialect.clone()).build().unwrap())
}

/// Pulls, and makes an edit of which no answer comes.
async fn edited_in_doubt<A, T>(app: A, edit: T, server: &Server, remote: RestRemote, storage: &MemoryStorage)
where
    A: Schema,
    T: EntityOf<A>,
{
    let engine = Engine::builder(app, remote, storage.clone()).build().await.unwrap();
    engine.pull().await.unwrap();
    engine.push(&edit).await.unwrap();
    server.intercept(|request| if request.method == "PATCH" { Intercept::CutAfter } else { Intercept::Pass });
    engine.flush().await.unwrap();
    assert_eq!(server.records("/labels")["t"]["text"], "y", "it took effect");
    server.heal();
    engine.shutdown().await;
}

/// The server refuses a key under which another body comes.
async fn goes_through<A: Schema>(app: A, remote: RestRemote, storage: MemoryStorage) {
    let engine = Engine::builder(app, remote, storage).build().await.unwrap();
    let report = engine.flush().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!((report.parked, engine.queue_len()), (0, 0), "{report:?}");
}

#[tokio::test]
async fn what_is_in_doubt_is_sent_again_as_it_was_by_a_program_with_more_fields() {
    for body in [SentBody::Record, SentBody::MergePatch] {
        let ((server, remote), storage) = (with_a_label(body), MemoryStorage::new());
        let edit = earlier::Tag { id: "t".into(), text: "y".into(), colour: "red".into() };
        edited_in_doubt(earlier::App, edit, &server, remote(), &storage).await;
        goes_through(grown::App, remote(), storage).await;
    }
    let ((server, remote), storage) = (with_a_label(SentBody::Record), MemoryStorage::new());
    let edit = earlier::handed_over::Tag { id: "t".into(), text: "y".into(), colour: "red".into() };
    edited_in_doubt(earlier::handed_over::App, edit, &server, remote(), &storage).await;
    goes_through(grown::handed_over::App, remote(), storage).await;
}

/// The attempts begin anew, and the key stays.
#[tokio::test]
async fn so_is_what_has_given_up_and_is_sent_again_by_hand() {
    let ((server, remote), storage) = (with_a_label(SentBody::Record), MemoryStorage::new());
    let edit = earlier::handed_over::Tag { id: "t".into(), text: "y".into(), colour: "red".into() };
    edited_in_doubt(earlier::handed_over::App, edit, &server, remote(), &storage).await;
    let once = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let building = Engine::builder(earlier::handed_over::App, remote(), storage.clone()).retry(once).build();
    let engine = building.await.unwrap();
    let busy = Intercept::Answer { status: 500, headers: Vec::new(), body: String::new() };
    server.intercept(move |request| if request.method == "PATCH" { busy.clone() } else { Intercept::Pass });
    assert_eq!(engine.flush().await.unwrap().parked, 1);
    server.heal();
    engine.shutdown().await;
    drop(engine);
    let engine = Engine::builder(grown::handed_over::App, remote(), storage.clone()).build().await.unwrap();
    assert_eq!(engine.retry_all().await.unwrap(), 1);
    engine.shutdown().await;
    drop(engine);
    goes_through(grown::handed_over::App, remote(), storage).await;
}
