//! The struct has changed since its records were stored.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{
    BoxError, Engine, Error, OnPull, Outdated, RetryPolicy, Schema, SqliteStorage, StorageError, SyncError,
    SyncState, Syncable,
};
use sync_tests::device::Folder;

mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = Merge, replica)]
    pub(crate) struct Person {
        pub(crate) id: String,
        pub(crate) name: String,
    }

    #[derive(Schema)]
    #[sync(entities(Person))]
    pub(crate) struct App;
}

mod second {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = Merge, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Person {
        pub(crate) id: String,
        pub(crate) given: String,
        #[sync(index)]
        pub(crate) family: String,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Person, BoxError> {
        assert_eq!(stored.version(), 1);
        let first::Person { id, name } = stored.read()?;
        let (given, family) = name.split_once(' ').ok_or("a name without a space")?;
        Ok(Person { id, given: given.into(), family: family.into() })
    }

    #[derive(Schema)]
    #[sync(entities(Person))]
    pub(crate) struct App;
}

/// The records are handed over, and none kept.
mod before {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = ServerWins)]
    pub(crate) struct Person {
        pub(crate) id: String,
        pub(crate) name: String,
    }

    #[derive(Schema)]
    #[sync(entities(Person))]
    pub(crate) struct App;

    impl OnPull<Person> for App {}
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, folder: &Folder) -> Result<Engine<S>, Error> {
    let storage = SqliteStorage::open(folder.file("app.db")).unwrap();
    let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
    Engine::builder(app, server.clone(), storage).retry(at_once).build().await
}

fn named(id: &str, name: &str) -> first::Person {
    first::Person { id: id.into(), name: name.into() }
}

fn person(id: &str, given: &str, family: &str) -> second::Person {
    second::Person { id: id.into(), given: given.into(), family: family.into() }
}

/// A server with two people, of whom the device has edited one, and made a third.
async fn used_by_the_first_version() -> (ScriptedRemote, Folder) {
    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    server.put(&named("a", "Ada Lovelace"));
    server.put(&named("g", "Grace Hopper"));
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.pull().await.unwrap();
    engine.push(&named("g", "Grace Murray")).await.unwrap();
    engine.push(&named("e", "Edith Clarke")).await.unwrap();
    engine.shutdown().await;
    (server, folder)
}

#[tokio::test]
async fn stored_records_and_queued_edits_are_upgraded_when_they_are_read() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(second::App, &server, &folder).await.unwrap();
    let all =
        [person("a", "Ada", "Lovelace"), person("e", "Edith", "Clarke"), person("g", "Grace", "Murray")];
    assert_eq!(engine.all::<second::Person>().await.unwrap(), all);
    assert_eq!(engine.query(second::Person::FAMILY.eq("Murray")).await.unwrap(), [all[2].clone()]);
    // An edit on top of the old one becomes one with it.
    engine.push(&person("g", "Grace", "Brewster")).await.unwrap();
    engine.flush().await.unwrap();
    // The server's own records are of its newest version by then.
    server.put(&all[0]);
    assert_eq!(server.records::<second::Person>()["e"], all[1]);
    assert_eq!(server.records::<second::Person>()["g"], person("g", "Grace", "Brewster"));
    assert_eq!(engine.sync_state::<second::Person>(&"e".into()).await.unwrap(), SyncState::Synced);
    // And again, with everything stored by this version.
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    assert_eq!(engine.query(second::Person::FAMILY.ge("C")).await.unwrap().len(), 2);
    assert_eq!(engine.count::<second::Person>().await.unwrap(), 3);
}

/// The ancestor is one of the first version, and the two sides are of the second.
#[tokio::test]
async fn an_old_ancestor_takes_part_in_a_merge() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(second::App, &server, &folder).await.unwrap();
    engine.push(&person("a", "Augusta Ada", "Lovelace")).await.unwrap();
    server.put(&person("a", "Ada", "King"));
    server.put(&person("g", "Grace", "Murray"));
    engine.full_sync().await.unwrap();
    assert_eq!(server.records::<second::Person>()["a"], person("a", "Augusta Ada", "King"));
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_sent_again_as_it_was() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(first::App, &server, &folder).await.unwrap();
    for _ in 0..2 {
        server.once(Fault::AnswerLost);
    }
    engine.flush().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let before = server.calls().len();
    let engine = open(second::App, &server, &folder).await.unwrap();
    assert_eq!(engine.all::<second::Person>().await.unwrap()[1], person("e", "Edith", "Clarke"));
    engine.flush().await.unwrap();
    assert_eq!(engine.queue_len(), 0);
    let old_form = |call: &Call| match call {
        Call::Write { payload: Some(payload), .. } => payload.as_str().contains("\"name\""),
        _ => true,
    };
    assert!(server.calls()[before..].iter().all(old_form), "the same key never carries another body");
    assert_eq!(engine.all::<second::Person>().await.unwrap()[2], person("g", "Grace", "Murray"));
}

/// Its row is written anew meanwhile, with what is seen beside it.
#[tokio::test]
async fn so_is_what_has_given_up_and_is_sent_again_by_hand() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(first::App, &server, &folder).await.unwrap();
    server
        .script(|call| if matches!(call, Call::Write { .. }) { Fault::Transient(500) } else { Fault::None });
    while engine.queue_len() > 0 {
        engine.flush().await.unwrap();
    }
    server.heal();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    for id in ["a", "g"] {
        server.put(&person(id, "A", "B"));
    }
    engine.pull().await.unwrap();
    let before = server.calls().len();
    assert_eq!(engine.retry_all().await.unwrap(), 2);
    engine.flush().await.unwrap();
    let written = server.calls().split_off(before).into_iter().filter_map(|call| match call {
        Call::Write { payload: Some(payload), .. } => Some(payload.as_str().contains("\"name\"")),
        _ => None,
    });
    assert_eq!(written.take(2).collect::<Vec<_>>(), [true; 2], "the same key never carries another body");
}

#[tokio::test]
async fn a_record_that_cannot_be_upgraded_holds_back_itself_alone() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.push(&named("c", "Cher")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    let error = engine.get::<second::Person>(&"c".into()).await.unwrap_err();
    assert!(
        error.to_string().contains("Person `c`") && error.to_string().contains("a name without a space"),
        "{error}"
    );
    let report = engine.flush().await.unwrap();
    assert_eq!(report.pushed, 2);
    let outdated = |error: &SyncError| matches!(error, SyncError::Storage(error) if matches!(**error, StorageError::Upgrade { .. }));
    let told = report.errors.iter().find(|error| outdated(error)).unwrap().to_string();
    assert!(told.contains("Person `c`") && told.contains("mend `upgrade`"), "{told}");
    assert!(!told.contains("row") && !told.contains("backup"), "nothing is wrong with the file: {told}");
    assert_eq!(engine.queue_len(), 1, "it is still there for a better `upgrade`");
    assert_eq!(engine.clear_queue().await.unwrap(), 1, "and can be given up");
    assert_eq!(engine.queue_len(), 0);
}

#[tokio::test]
async fn records_of_a_later_version_are_refused_and_not_touched() {
    let (server, folder) = used_by_the_first_version().await;
    drop(open(second::App, &server, &folder).await.unwrap());
    let error = open(first::App, &server, &folder).await.unwrap_err();
    assert!(matches!(&error, Error::NewerData { stored: 2, known: 1, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "Person was stored by version 2 of its struct, and this program has version 1: install the later one; nothing was changed"
    );
    let engine = open(second::App, &server, &folder).await.unwrap();
    assert_eq!(engine.all::<second::Person>().await.unwrap().len(), 3);
}

/// The records of the first version, by another id.
mod by_name {
    use super::*;

    /// The name, which was a member like any other, is the id.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = Merge, replica)]
    pub(crate) struct Person {
        pub(crate) id: String,
        #[sync(id)]
        pub(crate) name: String,
    }

    #[derive(Schema)]
    #[sync(entities(Person))]
    pub(crate) struct App;

    /// The id as before, under another name in the JSON.
    pub(crate) mod renamed {
        use super::*;

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/people", conflict = Merge, replica)]
        pub(crate) struct Person {
            #[serde(rename = "key", alias = "id")]
            pub(crate) id: String,
            pub(crate) name: String,
        }

        #[derive(Schema)]
        #[sync(entities(Person))]
        pub(crate) struct App;
    }
}

/// Stored under the one, and read as the other, each record would be two.
#[tokio::test]
async fn an_entity_of_which_another_member_is_the_id_is_refused_and_not_touched() {
    let (server, folder) = used_by_the_first_version().await;
    for _ in 0..2 {
        let error = open(by_name::App, &server, &folder).await.unwrap_err();
        assert!(
            matches!(&error, Error::MovedId { stored, known: "name", .. } if stored == "id"),
            "{error:?}"
        );
        let told = error.to_string();
        assert!(told.starts_with("the id of `Person` was the member `id`, and is now `name`"), "{told}");
        assert!(told.contains("#[sync(name = \"…\")]") && told.contains("`version`"), "{told}");
    }
    let engine = open(first::App, &server, &folder).await.unwrap();
    assert_eq!((engine.all::<first::Person>().await.unwrap().len(), engine.queue_len()), (3, 2));
}

#[tokio::test]
async fn an_id_of_which_the_member_is_renamed_and_read_under_both_names_is_the_same() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(by_name::renamed::App, &server, &folder).await.unwrap();
    let all = engine.all::<by_name::renamed::Person>().await.unwrap();
    assert_eq!(all.iter().map(|person| &*person.id).collect::<Vec<_>>(), ["a", "e", "g"]);
    assert_eq!(engine.flush().await.unwrap().pushed, 2);
}

#[tokio::test]
async fn an_entity_that_becomes_a_replica_is_pulled_anew() {
    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    server.put(&named("a", "Ada Lovelace"));
    let engine = open(before::App, &server, &folder).await.unwrap();
    engine.pull().await.unwrap();
    engine.push(&before::Person { id: "e".into(), name: "Edith Clarke".into() }).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(first::App, &server, &folder).await.unwrap();
    assert_eq!(engine.all::<first::Person>().await.unwrap(), [named("e", "Edith Clarke")]);
    assert_eq!(engine.count::<first::Person>().await.unwrap(), 1);
    engine.pull().await.unwrap();
    assert_eq!(engine.all::<first::Person>().await.unwrap().len(), 2);
    assert_eq!(engine.count::<first::Person>().await.unwrap(), 2);
}

#[tokio::test]
async fn an_entity_that_is_a_replica_no_longer_is_pulled_anew() {
    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    server.put(&named("a", "Ada Lovelace"));
    server.put(&named("g", "Grace Hopper"));
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    server.forget::<first::Person>(&"g".to_owned());
    let engine = open(before::App, &server, &folder).await.unwrap();
    assert_eq!(engine.pull().await.unwrap().pulled, 2, "one for the table, and one that is gone");
}

/// The server's version, which was seen beside it, is one that this version of the program cannot show: it is asked for.
#[tokio::test]
async fn a_parked_edit_can_be_discarded_though_what_the_server_had_cannot_be_upgraded() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&named("g", "Grace Brewster")).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    engine.flush().await.unwrap();
    server.put(&named("g", "Grace"));
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    assert_eq!(engine.clear_queue().await.unwrap(), 1);
    for id in ["a", "e", "g"] {
        server.put(&person(id, "A", "B"));
    }
    assert!(engine.pull().await.unwrap().errors.is_empty());
    assert_eq!(engine.get::<second::Person>(&"g".into()).await.unwrap(), Some(person("g", "A", "B")));
}

/// What it was to be a correction of is nothing that this version of the program can read.
#[tokio::test]
async fn the_correction_of_a_refused_edit_that_cannot_be_upgraded_is_sent() {
    let (server, folder) = used_by_the_first_version().await;
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&named("g", "Grace")).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    engine.flush().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    engine.push(&person("g", "Grace", "Hopper")).await.unwrap();
    assert_eq!(engine.sync_state::<second::Person>(&"g".into()).await.unwrap(), SyncState::Pending);
    let report = engine.flush().await.unwrap();
    assert_eq!(report.pushed, 1, "{report:?}");
    assert_eq!(engine.queue_len(), 0);
}

/// It may be mended yet: only the server's next version, or the user's, takes its place.
#[tokio::test]
async fn a_record_that_cannot_be_upgraded_is_kept_until_it_is_replaced() {
    let (server, folder) = used_by_the_first_version().await;
    server.put(&named("c", "Cher"));
    server.put(&named("s", "Sappho"));
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &folder).await.unwrap();
    engine.set_scope([second::Person::FAMILY.ge("")]).await.unwrap();
    for id in ["c", "s"] {
        let error = engine.get::<second::Person>(&id.into()).await.unwrap_err().to_string();
        assert!(error.contains("a name without a space"), "{error}");
    }
    // One gets a new version from the server, while another record's edit waits; one from the user.
    for id in ["a", "e", "g"] {
        server.put(&person(id, "A", "B"));
    }
    server.put(&person("s", "Sappho", "of Lesbos"));
    server.put(&person("c", "Cherilyn", "Sarkisian"));
    engine.pull().await.unwrap();
    assert_eq!(
        engine.get::<second::Person>(&"s".into()).await.unwrap(),
        Some(person("s", "Sappho", "of Lesbos"))
    );
    engine.push(&person("c", "Cher", "Bono")).await.unwrap();
    assert_eq!(engine.get::<second::Person>(&"c".into()).await.unwrap(), Some(person("c", "Cher", "Bono")));
}

/// Everything is kept then, and listed once to be there.
#[tokio::test]
async fn a_scope_by_a_field_that_is_no_longer_in_the_index_is_let_go() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = Merge, replica, name = "Person", version = 2, upgrade = read)]
    struct Unindexed {
        id: String,
        given: String,
        family: String,
    }

    #[derive(Schema)]
    #[sync(entities(Unindexed))]
    struct Later;

    fn read(stored: Outdated<'_>) -> Result<Unindexed, BoxError> {
        stored.read()
    }

    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    server.put(&person("c", "Cher", "Bono"));
    server.put(&person("s", "Sappho", "of Lesbos"));
    let engine = open(second::App, &server, &folder).await.unwrap();
    engine.set_scope([second::Person::FAMILY.eq("Bono")]).await.unwrap();
    engine.pull().await.unwrap();
    assert_eq!(engine.count::<second::Person>().await.unwrap(), 1);
    engine.shutdown().await;
    drop(engine);
    for (listed, there) in [(true, 2), (false, 2)] {
        let before = server.calls().len();
        let engine = open(Later, &server, &folder).await.unwrap();
        assert!(engine.pull().await.unwrap().errors.is_empty());
        assert_eq!(engine.count::<Unindexed>().await.unwrap(), there);
        let anew = |call: &Call| matches!(call, Call::Pull { since: None, .. });
        assert_eq!(server.calls()[before..].iter().any(anew), listed);
        engine.shutdown().await;
    }
}

/// It was forgotten to say what the new member is of records that were stored without it.
#[tokio::test]
async fn a_record_without_a_member_that_is_new_is_told_of_with_what_to_write() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/people", conflict = Merge, replica)]
    struct Person {
        id: String,
        name: String,
        born: String,
    }

    #[derive(Schema)]
    #[sync(entities(Person))]
    struct Grown;

    let (server, folder) = used_by_the_first_version().await;
    let engine = open(Grown, &server, &folder).await.unwrap();
    let error = engine.get::<Person>(&"a".into()).await.unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("missing field `born`"), "{told}");
    assert!(told.contains("#[serde(default)]") && told.contains("raise its `version`"), "{told}");
}

/// A program whose schema lacks what was queued: it is told of, kept, and sent by one that has it.
#[tokio::test]
async fn the_queue_of_an_entity_that_was_removed_is_reported_and_kept() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/places", conflict = ServerWins, replica)]
    struct Place {
        id: String,
    }

    #[derive(Schema)]
    #[sync(entities(Place))]
    struct WithoutPeople;

    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    let engine = open(first::App, &server, &folder).await.unwrap();
    engine.push(&named("g", "Grace Murray")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(WithoutPeople, &server, &folder).await.unwrap();
    let told = engine.full_sync().await.unwrap().errors[0].to_string();
    assert!(told.starts_with("1 operation of `Person` waits in the storage"), "{told}");

    let (server, folder) = used_by_the_first_version().await;
    let engine = open(WithoutPeople, &server, &folder).await.unwrap();
    let report = engine.full_sync().await.unwrap();
    let told =
        report.errors.iter().find(|error| matches!(&***error, SyncError::UnknownEntity { .. })).unwrap();
    let told = told.to_string();
    assert!(told.starts_with("2 operations of `Person` wait in the storage"), "{told}");
    assert!(told.contains("if it was renamed, write `#[sync(name = \"Person\")]`"), "{told}");
    assert_eq!((report.pushed, engine.queue_len()), (0, 2));
    engine.shutdown().await;
    drop(engine);
    let engine = open(first::App, &server, &folder).await.unwrap();
    assert_eq!(engine.flush().await.unwrap().pushed, 2);
    assert_eq!(engine.all::<first::Person>().await.unwrap().len(), 3);
}

/// A parent that one version of the program stores and the next cannot read, and its child.
mod parents {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/owners", conflict = Merge, replica)]
    pub(crate) struct Owner {
        pub(crate) id: String,
    }

    #[derive(Schema)]
    #[sync(entities(Owner))]
    pub(crate) struct App;

    pub(crate) mod later {
        use super::*;

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/owners", conflict = Merge, replica, version = 2, upgrade = upgrade)]
        pub(crate) struct Owner {
            id: String,
            name: String,
        }

        fn upgrade(_: Outdated<'_>) -> Result<Owner, BoxError> {
            Err("an owner without a name".into())
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/pets", conflict = Merge, replica)]
        pub(crate) struct Pet {
            pub(crate) id: String,
            #[sync(references = Owner)]
            pub(crate) owner: String,
        }

        #[derive(Schema)]
        #[sync(entities(Owner, Pet))]
        pub(crate) struct App;
    }
}

#[tokio::test]
async fn a_parent_that_the_server_has_need_not_be_upgraded_for_its_child_to_be_sent() {
    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    server.put(&parents::Owner { id: "a".into() });
    let engine = open(parents::App, &server, &folder).await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(parents::later::App, &server, &folder).await.unwrap();
    engine.get::<parents::later::Owner>(&"a".into()).await.unwrap_err();
    engine.push(&parents::later::Pet { id: "p".into(), owner: "a".into() }).await.unwrap();
    assert_eq!(engine.flush().await.unwrap().pushed, 1);
}
