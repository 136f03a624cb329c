//! The same story on each server: what two devices write, offline and at once, through lost answers and restarts, ends as the
//! same records on both and on the server.

use std::time::Duration;

use sync::{Dialect, RestRemote};
use sync_tests::device::Folder;

use crate::app::{Asked, Both, Device, Note, Ours, Page, Theirs};
use crate::backend::Backend;
use crate::proxy::Proxy;
use crate::servers::{CouchDb, JsonServer, Kinto, KintoOnDisk, Postgrest, V0, V1};

/// A server, the way to it, and devices.
pub struct World<B> {
    pub server: B,
    pub proxy: Proxy,
    pub dialect: Dialect,
    folder: Folder,
}

impl<B: Backend> World<B> {
    pub async fn of(server: B) -> Self {
        let proxy = Proxy::to(server.port()).await;
        Self { server, proxy, dialect: B::dialect(), folder: Folder::new() }
    }

    pub async fn new() -> Self {
        Self::of(B::start().await).await
    }

    pub fn remote(&self) -> RestRemote {
        let url = format!("http://127.0.0.1:{}{}", self.proxy.port(), self.server.path());
        let remote = RestRemote::builder(url).dialect(self.dialect.clone()).timeout(Duration::from_secs(30));
        let remote = match self.server.user() {
            Some((user, password)) => remote.basic(user, password),
            None => remote,
        };
        remote.build().unwrap()
    }

    pub async fn device(&self, name: &str) -> Device {
        Device::open(&self.folder.file(&format!("{name}.db")), self.remote()).await
    }

    /// Both devices hold what a third one finds that has never been there before.
    pub async fn ends_with_equal_copies(&self, a: &Device, b: &Device) {
        a.sync().await;
        b.sync().await;
        a.sync().await;
        let fresh = self.device(&uuid::Uuid::new_v4().to_string()).await;
        fresh.sync().await;
        assert_eq!(a.app.copy(), b.app.copy());
        assert_eq!(a.app.copy(), fresh.app.copy());
    }
}

async fn offline_work_meets<B: Backend>() {
    offline_work_meets_in(&World::<B>::new().await).await;
}

pub async fn offline_work_meets_in<B: Backend>(world: &World<B>) {
    let (a, b) = (world.device("a").await, world.device("b").await);
    for id in ["kept", "edited", "deleted", "never sent"] {
        a.write(Note::page(id, "made by a", "", 0)).await;
    }
    a.delete::<Note>("never sent").await;
    a.sync().await;
    b.sync().await;
    assert_eq!(a.app.copy(), b.app.copy());
    b.write(Note::page("edited", "edited by b", "and again", 1)).await;
    b.write(Note::page("edited", "edited by b, twice", "and again", 2)).await;
    b.delete::<Note>("deleted").await;
    b.write(Note::page("an id/with %2e ü", "made by b", "", 0)).await;
    let odd = B::takes_any_id();
    if !odd {
        b.delete::<Note>("an id/with %2e ü").await;
    }
    world.ends_with_equal_copies(&a, &b).await;
    let mut expected = vec!["edited", "kept"];
    if odd {
        expected.insert(0, "an id/with %2e ü");
    }
    assert_eq!(a.app.titles::<Note>().into_keys().collect::<Vec<_>>(), expected);
    // The same id, made again after it was deleted.
    a.write(Note::page("deleted", "made again", "", 5)).await;
    world.ends_with_equal_copies(&a, &b).await;
    assert_eq!(b.app.titles::<Note>()["deleted"], "made again");
}

async fn each_strategy_decides_a_conflict<B: Backend>() {
    let world = World::<B>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    a.write(Note::page("n", "base", "base", 0)).await;
    a.write(Theirs::page("n", "base", "base", 0)).await;
    a.write(Ours::page("n", "base", "base", 0)).await;
    a.write(Both::page("n", "base", "base", 0)).await;
    a.write(Asked::page("n", "base", "base", 0)).await;
    a.sync().await;
    b.sync().await;
    a.write(Note::page("n", "a", "base", 2)).await;
    a.write(Theirs::page("n", "a", "base", 2)).await;
    a.write(Ours::page("n", "a", "base", 2)).await;
    a.write(Both::page("n", "a", "base", 2)).await;
    a.write(Asked::page("n", "a", "base", 2)).await;
    b.write(Note::page("n", "b", "base", 1)).await;
    b.write(Theirs::page("n", "b", "base", 3)).await;
    b.write(Ours::page("n", "b", "base", 1)).await;
    b.write(Both::page("n", "base", "b", 1)).await;
    b.write(Asked::page("n", "b", "base", 1)).await;
    a.sync().await;
    let report = b.sync().await;
    assert_eq!(report.conflicts, 5, "{report:?}");
    world.ends_with_equal_copies(&a, &b).await;
    assert_eq!(a.app.titles::<Note>()["n"], "a", "the later one");
    assert_eq!(a.app.titles::<Theirs>()["n"], "a", "the server's");
    assert_eq!(a.app.titles::<Ours>()["n"], "b", "the device's");
    let merged = a.app.copy()[&("Both", "n".to_owned())].clone();
    assert_eq!(merged, ("a".to_owned(), "b".to_owned()), "both");
    assert_eq!(a.app.titles::<Asked>()["n"], "b and a, after base", "what the handler says");
}

async fn an_edit_meets_a_deletion<B: Backend>() {
    let world = World::<B>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    for id in ["deleted-first", "edited-first", "deleted-twice"] {
        a.write(Note::page(id, "base", "", 0)).await;
        a.write(Theirs::page(id, "base", "", 0)).await;
    }
    a.sync().await;
    b.sync().await;
    a.delete::<Note>("deleted-first").await;
    a.delete::<Theirs>("deleted-first").await;
    b.write(Note::page("deleted-first", "edited", "", 1)).await;
    b.write(Theirs::page("deleted-first", "edited", "", 1)).await;
    a.write(Note::page("edited-first", "edited", "", 1)).await;
    b.delete::<Note>("edited-first").await;
    a.delete::<Note>("deleted-twice").await;
    b.delete::<Note>("deleted-twice").await;
    a.sync().await;
    b.sync().await;
    world.ends_with_equal_copies(&a, &b).await;
    let titles = a.app.titles::<Note>();
    assert_eq!(
        titles.keys().collect::<Vec<_>>(),
        ["deleted-first", "edited-first"],
        "an edit wins over a deletion"
    );
    assert!(titles.values().all(|title| title == "edited"), "{titles:?}");
    assert!(!a.app.titles::<Theirs>().contains_key("deleted-first"), "the server's deletion stands");
}

async fn thousands_come_in_pages_while_others_write<B: Backend>() {
    const RECORDS: usize = 2500;
    let world = World::<B>::new().await;
    let (a, b, c) = (world.device("a").await, world.device("b").await, world.device("c").await);
    let notes: Vec<_> = (0..RECORDS).map(|n| Note::page(&format!("{n:04}"), "first", "", 0)).collect();
    a.engine.push_all(&notes).await.unwrap();
    a.sync().await;
    c.sync().await;
    // One device pulls, page by page, while another one writes.
    let pulling = async { b.sync().await };
    let writing = async {
        for n in (0..RECORDS).step_by(250) {
            c.write(Note::page(&format!("{n:04}"), "changed", "", 1)).await;
            c.delete::<Note>(&format!("{:04}", n + 1)).await;
            c.engine.flush().await.unwrap();
        }
    };
    futures::join!(pulling, writing);
    a.sync().await;
    world.ends_with_equal_copies(&b, &c).await;
    a.sync().await;
    assert_eq!(b.app.titles::<Note>().len(), RECORDS - 10);
    assert_eq!(b.app.titles::<Note>().values().filter(|title| *title == "changed").count(), 10);
}

async fn a_restart_in_the_middle_of_a_flush_costs_nothing<B: Backend>() {
    let mut world = World::<B>::new().await;
    let a = world.device("a").await;
    let notes: Vec<_> = (0..300).map(|n| Note::page(&format!("{n:03}"), "first", "", 0)).collect();
    a.engine.push_all(&notes).await.unwrap();
    let engine = a.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await.unwrap() });
    let mut status = a.engine.watch_status();
    status.wait_for(|_| a.engine.queue_len() < 270).await.unwrap();
    world.proxy.break_down();
    world.server.restart().await;
    let report = flush.await.unwrap();
    assert!(report.remaining > 0, "it was in the middle: {report:?}");
    assert!(!report.errors.is_empty());
    world.proxy.mend();
    // What was pulled at last is what was written.
    let b = world.device("b").await;
    a.sync().await;
    b.sync().await;
    assert_eq!(b.app.titles::<Note>().len(), 300);
    world.ends_with_equal_copies(&a, &b).await;
}

async fn lost_answers_make_no_second_record<B: Backend>() {
    let world = World::<B>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    for (count, what) in ["created", "edited", "deleted"].into_iter().enumerate() {
        match what {
            "created" => a.write(Note::page("n", "created", "", 0)).await,
            "edited" => a.write(Note::page("n", "edited", "", 1)).await,
            _ => a.delete::<Note>("n").await,
        }
        // Where a record is read before it is written, that answer is the first.
        for attempt in 0..2 {
            world.proxy.lose_an_answer();
            let report = a.engine.flush().await.unwrap();
            assert!(report.errors.len() <= 1, "{:?}", report.errors);
            if world.proxy.lost() as usize > 2 * count + attempt && a.engine.queue_len() == 0 {
                break;
            }
        }
        a.sync().await;
        b.sync().await;
        assert_eq!(a.app.copy(), b.app.copy(), "{what}");
        assert_eq!(b.app.titles::<Note>().len(), usize::from(what != "deleted"), "{what}");
        assert_eq!(a.engine.status().parked, 0);
    }
    assert!(world.proxy.lost() >= 3);
    world.ends_with_equal_copies(&a, &b).await;
}

macro_rules! on_each_server {
    ($($server:ident = $backend:ty,)*) => {
        $(
            mod $server {
                use super::*;

                on_each_server!(@stories $backend:
                    offline_work_meets
                    each_strategy_decides_a_conflict
                    an_edit_meets_a_deletion
                    thousands_come_in_pages_while_others_write
                    a_restart_in_the_middle_of_a_flush_costs_nothing
                    lost_answers_make_no_second_record
                );
            }
        )*
    };
    (@stories $backend:ty: $($story:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story::<$backend>().await;
            }
        )*
    };
}

on_each_server! {
    kinto = Kinto,
    kinto_on_postgresql = KintoOnDisk,
    couchdb = CouchDb,
    json_server_0_17 = JsonServer<V0>,
    json_server_1_0 = JsonServer<V1>,
    postgrest = Postgrest,
}
