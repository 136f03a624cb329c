//! Cursors, notes and items that were kept aside.

use super::Subject;
use super::samples::{NOTE, TASK, at, note, task};
use crate::record::RecordKey;
use crate::storage::{Cursor, KEYLESS_ASIDE, SetAside};

/// One cursor for each entity; it can be moved and forgotten.
pub fn cursors_are_kept_for_each_entity(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| {
        assert_eq!(tx.cursor(&NOTE)?, None);
        tx.set_cursor(&NOTE, Some(&Cursor::new("1")))?;
        tx.set_cursor(&TASK, Some(&Cursor::new("")))
    });
    opened.run(|tx| {
        assert_eq!(tx.cursor(&NOTE)?, Some(Cursor::new("1")));
        assert_eq!(tx.cursor(&TASK)?, Some(Cursor::new("")), "an empty cursor is one");
        tx.set_cursor(&NOTE, Some(&Cursor::new("2")))
    });
    opened.run(|tx| {
        assert_eq!(tx.cursor(&NOTE)?, Some(Cursor::new("2")));
        tx.set_cursor(&NOTE, None)?;
        tx.set_cursor(&NOTE, None)
    });
    assert_eq!(opened.run(|tx| tx.cursor(&NOTE)), None);
    assert_eq!(opened.run(|tx| tx.cursor(&TASK)), Some(Cursor::new("")));
}

/// Notes can be left, replaced and removed.
pub fn notes_are_kept_by_name(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| {
        assert_eq!(tx.note("a")?, None);
        tx.set_note("a", Some("one"))?;
        tx.set_note("b", Some(""))?;
        tx.set_note("a", Some("two"))
    });
    opened.run(|tx| {
        assert_eq!(tx.note("a")?.as_deref(), Some("two"));
        assert_eq!(tx.note("b")?.as_deref(), Some(""));
        tx.set_note("a", None)?;
        tx.set_note("never there", None)
    });
    assert_eq!(opened.run(|tx| tx.note("a")), None);
}

fn item(key: Option<&str>, text: &str, seconds: i64) -> SetAside {
    SetAside {
        entity: NOTE,
        key: key.map(|key| RecordKey::new(key).expect("the key is a valid one")),
        item: text.to_owned(),
        error: format!("{text} cannot be read"),
        since: at(seconds),
    }
}

/// One item for each record, the oldest first, until a version comes that can be read.
pub fn items_are_kept_aside_until_forgotten(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| {
        tx.set_aside(&item(Some("b"), "{\"id\":\"b\"}", 1))?;
        tx.set_aside(&item(Some("a"), "{\"id\":\"a\"}", 2))?;
        tx.set_aside(&SetAside { entity: TASK, ..item(Some("b"), "{\"id\":\"b\"}", 3) })?;
        tx.set_aside(&item(Some("b"), "{\"id\":\"b\",\"v\":2}", 4))
    });
    let items = opened.run(|tx| tx.items_aside(&NOTE, 10));
    assert_eq!(items, [item(Some("a"), "{\"id\":\"a\"}", 2), item(Some("b"), "{\"id\":\"b\",\"v\":2}", 4)]);
    assert_eq!(opened.run(|tx| tx.items_aside(&NOTE, 1)).len(), 1);
    opened.run(|tx| {
        tx.forget_aside(&note("b"))?;
        tx.forget_aside(&note("c"))?;
        tx.forget_aside(&task("a"))
    });
    let items = opened.run(|tx| tx.items_aside(&NOTE, 10));
    assert_eq!(items, [item(Some("a"), "{\"id\":\"a\"}", 2)]);
    assert_eq!(opened.run(|tx| tx.items_aside(&TASK, 10)).len(), 1);
}

/// Items without an id are nobody's to take back, so the oldest of very many make room for new ones.
pub fn of_items_without_an_id_the_newest_are_kept(subject: &Subject) {
    let opened = subject.open();
    let text = |number: i64| format!("[{number}]");
    opened.run(move |tx| {
        tx.set_aside(&item(Some("a"), "{\"id\":\"a\"}", 0))?;
        tx.set_aside(&SetAside { entity: TASK, ..item(None, "[0]", 0) })?;
        for number in 0..120 {
            tx.set_aside(&item(None, &text(number), number))?;
        }
        // It comes again, and is one of the newest.
        tx.set_aside(&item(None, &text(20), 200))?;
        for number in 120..150 {
            tx.set_aside(&item(None, &text(number), number))?;
        }
        tx.set_aside(&item(Some("b"), "{\"id\":\"b\"}", 300))
    });
    let found: Vec<_> =
        opened.run(|tx| tx.items_aside(&NOTE, 1000)).into_iter().map(|item| item.item).collect();
    let newest = (51..120).chain([20]).chain(120..150).map(text);
    let with_id = |id: &str| [format!("{{\"id\":\"{id}\"}}")];
    let expected: Vec<_> = with_id("a").into_iter().chain(newest).chain(with_id("b")).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), KEYLESS_ASIDE + 2);
    assert_eq!(opened.run(|tx| tx.items_aside(&TASK, 1000)).len(), 1, "another entity has its own");
}

/// An item without an id is one with its text, and no record's.
pub fn an_item_without_an_id_is_told_apart_by_its_text(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| {
        tx.set_aside(&item(None, "{}", 1))?;
        tx.set_aside(&item(None, "[]", 2))?;
        tx.set_aside(&item(None, "{}", 3))?;
        tx.forget_aside(&note("[]"))
    });
    let items = opened.run(|tx| tx.items_aside(&NOTE, 10));
    assert_eq!(items, [item(None, "[]", 2), item(None, "{}", 3)]);
}
