//! What a changed struct asks for beyond reading what is stored: values that only the server knows, entries of an index, and the order
//! of what waits.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, ScriptedRemote};
use sync::{BoxError, Engine, MemoryStorage, Outdated, RetryPolicy, Schema, Syncable};

mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(index)]
        pub(crate) due: String,
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// The server has had colors all along.
mod colored {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(index)]
        pub(crate) due: String,
        pub(crate) color: String,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Card, BoxError> {
        let first::Card { id, text, due } = stored.read()?;
        Ok(Card { id, text, due, color: "white".to_owned() })
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
    Engine::builder(app, server.clone(), storage.clone()).retry(at_once).build().await.unwrap()
}

fn card(id: &str, text: &str, due: &str) -> first::Card {
    first::Card { id: id.into(), text: text.into(), due: due.into() }
}

fn colored(id: &str, text: &str, color: &str) -> colored::Card {
    colored::Card { id: id.into(), text: text.into(), due: String::new(), color: color.into() }
}

#[tokio::test]
async fn what_an_upgrade_invents_gives_way_to_what_the_server_has() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&colored("a", "x", "red"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(colored::App, &server, &storage).await;
    let get = async || engine.get::<colored::Card>(&"a".into()).await.unwrap().unwrap();
    assert_eq!(get().await.color, "white", "until the server is asked");
    engine.full_sync().await.unwrap();
    assert_eq!(get().await.color, "red");
    let edited = colored::Card { text: "y".into(), ..get().await };
    engine.push(&edited).await.unwrap();
    engine.full_sync().await.unwrap();
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"));

    engine.shutdown().await;
    drop(engine);
    let before = server.calls().len();
    open(colored::App, &server, &storage).await.pull().await.unwrap();
    assert!(matches!(&server.calls()[before..], [Call::Pull { since: Some(_), .. }]), "once");
}
