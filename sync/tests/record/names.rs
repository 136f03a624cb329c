//! What records and operations are called, and what their texts are.

use sync::record::{
    EntityName, IdError, Intention, OperationId, Payload, Principal, Problem, RecordKey, RecordRef, Refusal,
    Rules, Version,
};
use uuid::Uuid;

use crate::rows::{id, intention, name, update};

#[test]
fn names_are_shown_as_they_are() {
    let entity = EntityName::from_stored("Note".to_owned());
    assert_eq!(entity, EntityName::new("Note"));
    assert_eq!((entity.as_str(), entity.to_string().as_str()), ("Note", "Note"));
    let key = RecordKey::new("a/b").unwrap();
    assert_eq!((key.as_str(), key.to_string().as_str()), ("a/b", "a/b"));
    assert_eq!(RecordRef::new(entity, key).to_string(), "Note `a/b`");
    let version = Version::new("7");
    assert_eq!((version.as_str(), version.to_string().as_str()), ("7", "7"));
    let principal = Principal::new("ann");
    assert_eq!((principal.as_str(), principal.to_string().as_str()), ("ann", "ann"));
    assert_eq!(Principal::default().as_str(), "");
}

#[test]
fn an_operation_is_its_uuid() {
    let uuid = Uuid::from_u128(42);
    let operation = OperationId::from_uuid(uuid);
    assert_eq!(*operation.as_uuid(), uuid);
    assert_eq!(operation.to_string(), uuid.to_string());
    assert_eq!(uuid.to_string().parse(), Ok(operation));
    assert!("no uuid".parse::<OperationId>().is_err());
}

#[test]
fn any_scalar_names_a_record_and_is_read_back() {
    let uuid = Uuid::from_u128(42);
    assert_eq!(RecordKey::of(&uuid).unwrap().as_str(), uuid.to_string());
    assert_eq!(RecordKey::of(&uuid).unwrap().to_id::<Uuid>().unwrap(), uuid);
    assert_eq!(RecordKey::of(&7_u64).unwrap().to_id::<u64>().unwrap(), 7);
    assert_eq!(RecordKey::of(&"a b".to_owned()).unwrap().to_id::<String>().unwrap(), "a b");
    assert!(matches!(RecordKey::of(&vec![1]), Err(IdError::NotScalar(_))));
    assert!(matches!(RecordKey::of(&"x").unwrap().to_id::<u64>(), Err(IdError::NotScalar(_))));
}

#[test]
fn an_id_that_would_lead_elsewhere_names_nothing() {
    assert_eq!(RecordKey::new(""), Err(IdError::Empty));
    for step in [".", ".."] {
        assert_eq!(RecordKey::new(step), Err(IdError::PathStep(step.to_owned())));
    }
    assert_eq!(RecordKey::new("...").unwrap().as_str(), "...");
    assert_eq!(serde_json::from_str::<RecordKey>(r#""a""#).unwrap().as_str(), "a");
    assert!(serde_json::from_str::<RecordKey>(r#""..""#).is_err(), "not out of a storage either");
}

#[test]
fn a_payload_keeps_its_text_and_shows_only_its_size() {
    let text = r#"{ "b": 1, "a": "secret" }"#;
    let payload = Payload::from_json(text).unwrap();
    assert_eq!(payload.as_str(), text);
    assert_eq!(format!("{payload:?}"), "Payload(25 bytes)");
    assert_eq!(serde_json::to_string(&payload).unwrap(), text);
    assert_eq!(serde_json::from_str::<Payload>(text).unwrap().as_str(), text);
    assert_eq!(Payload::encode(&7).unwrap().as_str(), "7");
    assert_eq!(Payload::encode(&7).unwrap().decode::<u8>().unwrap(), 7);
    assert!(Payload::from_json("{").is_err());
    assert!(payload.decode::<u8>().is_err());
}

#[test]
fn a_payload_of_a_later_struct_is_stored_with_its_version() {
    let payload = Payload::from_json(r#"{"a":1}"#).unwrap();
    assert_eq!((payload.version(), payload.to_stored().unwrap().as_ref()), (1, r#"{"a":1}"#));
    let later = payload.clone().of_version(3);
    let stored = r#"{"sync:version":3,"record":{"a":1}}"#;
    assert_eq!((later.version(), later.to_stored().unwrap().as_ref()), (3, stored));
    assert_eq!(serde_json::to_string(&later).unwrap(), stored);
    for read in [Payload::from_stored(stored).unwrap(), serde_json::from_str(stored).unwrap()] {
        assert_eq!((read.version(), read.as_str()), (3, r#"{"a":1}"#));
    }
    // A record may look like that by itself.
    let alike = Payload::from_json(stored).unwrap();
    assert_eq!((alike.version(), alike.as_str()), (1, stored));
    let again = Payload::from_stored(&alike.to_stored().unwrap()).unwrap();
    assert_eq!((again.version(), again.as_str()), (1, stored));
    assert!(Payload::from_stored("{").is_err());
    assert!(Payload::from_stored(r#"{"sync:version":3}"#).is_err());
}

#[test]
fn payloads_are_found_by_their_texts() {
    let payload = |number: u32| Payload::encode(&number).unwrap();
    let set = std::collections::HashSet::from([payload(1), payload(2), payload(1)]);
    assert_eq!(set.len(), 2);
    let hash = |payload: &Payload| {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(payload)
    };
    assert_ne!(hash(&payload(1)), hash(&payload(2)));
}

#[test]
fn payloads_are_equal_as_texts_and_alike_as_json() {
    let payload = |text| Payload::from_json(text).unwrap();
    let (none, rules) = (Rules::default(), Rules { updated_at_member: Some("at"), ..Rules::default() });
    let [one, turned, later, other] =
        [r#"{"a":1,"at":1}"#, r#"{"at":1,"a":1}"#, r#"{"a":1,"at":2}"#, r#"{"a":2,"at":1}"#].map(payload);
    assert_eq!(one, payload(r#"{"a":1,"at":1}"#));
    assert_ne!(one, turned);
    assert!(one.same_content(&one.clone(), &none));
    assert!(one.same_content(&turned, &none));
    assert!(!one.same_content(&later, &none));
    assert!(one.same_content(&later, &rules), "servers like to set the time themselves");
    assert!(!one.same_content(&other, &rules));
    assert!(payload("[1, 2]").same_content(&payload("[1,2]"), &rules));
    // Both are JSON texts of numbers that nothing here can hold: nothing is known of what they say.
    assert!(!payload("1e999").same_content(&payload("2e999"), &none));
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let same = |one: &str, other: &str| {
        Payload::from_json(one).unwrap().same_content(&Payload::from_json(other).unwrap(), &Rules::default())
    };
    // More than 64 bits, which as floats are the same.
    assert!(!same(r#"{"wei":20000000000000000000}"#, r#"{"wei":20000000000000000001}"#));
    assert!(!same("[-9223372036854775809]", "[-9223372036854775810]"));
    assert!(same(r#"{"a": 1.50, "b": 2}"#, r#"{"b":2,"a":15e-1}"#));
    assert!(!same("1", "1.0"), "one type writes one of them only");
    assert!(same(r#"{"\u0061":"\u0062"}"#, r#"{"a":"b"}"#));
}

#[test]
fn a_member_that_is_null_is_as_good_as_absent() {
    let same = |one: &str, other: &str| {
        Payload::from_json(one).unwrap().same_content(&Payload::from_json(other).unwrap(), &Rules::default())
    };
    assert!(same(r#"{"id":1,"parent":null}"#, r#"{"id":1}"#));
    assert!(same(r#"{"id":1}"#, r#"{"tags":null,"id":1}"#));
    assert!(!same(r#"{"id":1,"parent":null}"#, r#"{"id":1,"parent":0}"#));
    assert!(!same(r#"{"id":1,"at":{"x":null}}"#, r#"{"id":1,"at":{}}"#), "what is inside is the type's own");
}

#[test]
fn a_set_holds_the_same_in_whatever_order() {
    let rules = Rules { unordered: &["tags"], ..Rules::default() };
    let same = |one: &str, other: &str| {
        Payload::from_json(one).unwrap().same_content(&Payload::from_json(other).unwrap(), &rules)
    };
    assert!(same(r#"{"tags":["a","b",{"c":1}]}"#, r#"{"tags":["b",{"c":1},"a"]}"#));
    assert!(!same(r#"{"tags":["a","b"]}"#, r#"{"tags":["a","a"]}"#));
    assert!(!same(r#"{"tags":["a","a"]}"#, r#"{"tags":["a","b"]}"#));
    assert!(!same(r#"{"tags":["a"]}"#, r#"{"tags":["a","a"]}"#));
    assert!(!same(r#"{"steps":["a","b"]}"#, r#"{"steps":["b","a"]}"#), "a list has an order");
    assert!(!same(r#"{"tags":[],"more":1}"#, r#"{"tags":[]}"#));
    assert!(same(r#"{"tags":null}"#, r#"{"tags": null}"#));
}

#[test]
fn a_refusal_says_what_the_server_said() {
    let refusal = |problem: Option<Problem>| Refusal { status: 422, problem: problem.map(Box::new) };
    assert_eq!(refusal(None).to_string(), "status 422");
    let problem =
        Problem { title: Some("no".into()), detail: Some("too short".into()), ..Problem::default() };
    assert_eq!(refusal(Some(problem)).to_string(), "status 422: no: too short");
}

/// A row of before a member was added is read, and one without news is as short as it was.
#[test]
fn what_an_operation_does_not_need_is_not_written() {
    let plain = intention(1, update(1));
    let text = serde_json::to_string(&plain).unwrap();
    for member in ["references", "not_before", "rounds", "echoes", "crossed"] {
        assert!(!text.contains(member), "{text}");
    }
    assert_eq!(serde_json::from_str::<Intention>(&text).unwrap(), plain);
    let full = Intention {
        references: vec![name("parent")],
        not_before: Some(crate::rows::at(3)),
        rounds: 1,
        echoes: vec![None],
        crossed: true,
        ..plain
    };
    let text = serde_json::to_string(&full).unwrap();
    let read: Intention = serde_json::from_str(&text).unwrap();
    assert_eq!((&read, read.id), (&full, id(1)));
}
