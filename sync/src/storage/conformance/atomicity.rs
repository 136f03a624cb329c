//! All of a transaction, or nothing.

use std::collections::HashSet;

use futures::FutureExt;
use futures::future::join_all;

use super::samples::{NOTE, at, blocked, known, note, ready, task};
use super::{Opened, Subject};
use crate::record::{Principal, Record};
use crate::storage::{self, Cursor, SetAside, StorageError, Transaction};

/// Writes something of everything.
fn write_all(tx: &mut dyn Transaction, text: &str) -> Result<(), StorageError> {
    tx.put(&note("old"), &Record::default())?;
    tx.put(&note("changed"), &ready(7))?;
    tx.put(&note("new"), &ready(8))?;
    tx.set_cursor(&NOTE, Some(&Cursor::new(text)))?;
    tx.set_note("note", Some(text))?;
    tx.set_aside(&aside(text))?;
    Ok(())
}

fn aside(text: &str) -> SetAside {
    let (item, error) = (format!("{{\"{text}\":1}}"), "no id".to_owned());
    SetAside { entity: NOTE, key: None, item, error, since: at(0) }
}

/// What [`write_all`] may have changed.
type Everything = (Vec<Option<Record>>, Option<Cursor>, Option<String>, Vec<SetAside>, usize, usize);

fn read_all(opened: &Opened) -> Everything {
    opened.run(|tx| {
        let records = ["old", "changed", "new"].iter().map(|key| tx.record(&note(key)));
        Ok((
            records.collect::<Result<_, _>>()?,
            tx.cursor(&NOTE)?,
            tx.note("note")?,
            tx.items_aside(&NOTE, 10)?,
            tx.counts()?.len(),
            tx.pending(None, None, 10, &HashSet::new())?.len(),
        ))
    })
}

fn prepare(opened: &Opened) -> Everything {
    opened.run(|tx| {
        tx.put(&note("old"), &known("1"))?;
        tx.put(&note("changed"), &known("1"))?;
        tx.set_cursor(&NOTE, Some(&Cursor::new("before")))?;
        tx.set_note("note", Some("before"))?;
        tx.set_aside(&aside("before"))
    });
    read_all(opened)
}

/// When a transaction's work fails, nothing that it wrote stays, and the error comes out.
pub fn work_that_fails_leaves_nothing(subject: &Subject) {
    let opened = subject.open();
    let before = prepare(&opened);
    let result = opened.try_run(&Principal::default(), |tx| -> Result<(), StorageError> {
        write_all(tx, "lost")?;
        Err(StorageError::Closed)
    });
    assert!(matches!(result, Err(StorageError::Closed)), "the work's own error comes out, not {result:?}");
    assert_eq!(read_all(&opened), before);
}

/// When a transaction's work panics, nothing that it wrote stays, the caller hears it, and the storage goes on.
pub fn work_that_panics_leaves_nothing(subject: &Subject) {
    let opened = subject.open();
    let before = prepare(&opened);
    let result = opened.try_run(&Principal::default(), |tx| -> Result<(), StorageError> {
        write_all(tx, "lost")?;
        // A panic that prints nothing.
        std::panic::resume_unwind(Box::new("on purpose"))
    });
    assert!(matches!(result, Err(StorageError::Panicked)), "{result:?}");
    assert_eq!(read_all(&opened), before);
    opened.run(|tx| write_all(tx, "kept"));
    assert_eq!(read_all(&opened).2.as_deref(), Some("kept"));
}

/// Of transactions that are asked for at once, those that fail take no other with them.
pub fn a_failure_undoes_no_other_transaction(subject: &Subject) {
    let opened = subject.open();
    let principal = Principal::default();
    let transactions = (0..100_u64).map(|number| {
        storage::transact(&*opened.storage, &principal, move |tx| {
            tx.put(&note(&number.to_string()), &ready(number + 1))?;
            match number % 3 {
                0 => Err(StorageError::Closed),
                1 if number % 5 == 0 => std::panic::resume_unwind(Box::new("on purpose")),
                _ => Ok(()),
            }
        })
    });
    let results = opened.runtime.block_on(join_all(transactions));
    for (number, result) in results.iter().enumerate() {
        let stays = opened.run(move |tx| Ok(tx.record(&note(&number.to_string()))?.is_some()));
        assert_eq!(stays, result.is_ok(), "transaction {number} answered {result:?}");
        assert_eq!(result.is_ok(), number % 3 == 2 || (number % 3 == 1 && number % 5 != 0), "{number}");
    }
}

/// What a transaction wrote it reads.
pub fn a_transaction_sees_its_own_writes(subject: &Subject) {
    subject.open().run(|tx| {
        write_all(tx, "mine")?;
        assert_eq!(tx.record(&note("new"))?, Some(ready(8)));
        assert_eq!(tx.cursor(&NOTE)?, Some(Cursor::new("mine")));
        assert_eq!(tx.note("note")?.as_deref(), Some("mine"));
        assert_eq!(tx.items_aside(&NOTE, 10)?, [aside("mine")]);
        assert_eq!(tx.sendable(at(0), chrono::TimeDelta::hours(1), 10, &HashSet::new())?.len(), 2);
        assert_eq!(tx.counts()?.len(), 1);
        tx.put(&note("new"), &Record::default())?;
        assert_eq!(tx.record(&note("new"))?, None);
        Ok(())
    });
}

/// Transactions of several threads and tasks do not run into each other.
pub fn concurrent_transactions_run_one_after_the_other(subject: &Subject) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let opened = subject.open();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let opened = opened.share();
            scope.spawn(move || {
                let principal = Principal::default();
                let increments = (0..EACH).map(|_| {
                    storage::transact(&*opened.storage, &principal, |tx| {
                        let count =
                            tx.note("count")?.map_or(0, |text| text.parse().expect("a number was written"));
                        tx.set_note("count", Some(&usize::to_string(&(count + 1))))
                    })
                });
                for result in opened.runtime.block_on(join_all(increments)) {
                    result.expect("the transaction succeeds");
                }
            });
        }
    });
    let count = opened.run(|tx| tx.note("count"));
    assert_eq!(count, Some((THREADS * EACH).to_string()));
}

/// A transaction that was asked for is not taken back by dropping the future.
pub fn work_runs_though_the_caller_stops_waiting(subject: &Subject) {
    let opened = subject.open();
    let principal = Principal::default();
    opened.runtime.block_on(async {
        let asked: Option<Result<(), StorageError>> =
            storage::transact(&*opened.storage, &principal, |tx| tx.set_note("left", Some("behind")))
                .now_or_never();
        drop(asked);
    });
    assert_eq!(opened.run(|tx| tx.note("left")).as_deref(), Some("behind"));
}

/// What was answered with `Ok` is there when the storage is opened again; what failed is not.
pub fn what_was_answered_is_there_after_reopening(subject: &Subject) {
    let opened = subject.open();
    prepare(&opened);
    opened.run(|tx| write_all(tx, "kept"));
    let lost = opened.try_run(&Principal::default(), |tx| -> Result<(), StorageError> {
        write_all(tx, "lost")?;
        Err(StorageError::Closed)
    });
    lost.expect_err("the work failed");
    let before = read_all(&opened);
    drop(opened);
    if let Some(reopened) = subject.reopen() {
        assert_eq!(read_all(&reopened), before);
        assert!(reopened.run(|tx| tx.last_seq()) >= 8);
    }
}

/// What frees others, or forgets something, is undone like what writes.
pub fn releasing_and_forgetting_are_taken_back(subject: &Subject) {
    let opened = subject.open();
    let item = SetAside { key: Some(note("bad").key), ..aside("bad") };
    let kept = item.clone();
    opened.run(move |tx| {
        tx.put(&task("child"), &blocked(1, &note("parent")))?;
        tx.set_aside(&item)
    });
    let fail = |work: fn(&mut dyn Transaction) -> Result<(), StorageError>| {
        let failed = opened.try_run(&Principal::default(), move |tx| -> Result<(), StorageError> {
            work(tx)?;
            Err(StorageError::Closed)
        });
        failed.expect_err("the work failed");
    };
    fail(|tx| tx.release(&note("parent")).map(|freed| assert_eq!(freed, 1)));
    fail(|tx| tx.forget_aside(&note("bad")));
    opened.run(move |tx| {
        assert_eq!(tx.record(&task("child"))?, Some(blocked(1, &note("parent"))), "it is blocked still");
        assert_eq!(tx.sendable(at(0), chrono::TimeDelta::hours(1), 10, &HashSet::new())?, []);
        assert_eq!(tx.items_aside(&NOTE, 10)?, [kept]);
        assert_eq!(tx.release(&note("parent"))?, 1, "and is found by what it waits for");
        Ok(())
    });
}
