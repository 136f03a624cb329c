//! The prepared statements of the connection, found again by where their text lies.
//!
//! The connection's own cache finds a statement by its whole text, copies that text each time, and clears what was bound:
//! a tenth of what a push costs. The texts here are constants, so an address and a length name one.

use std::cell::RefCell;
use std::fmt;

use rusqlite::{Connection, PrepFlags, Statement};

/// A power of two, and more than this crate has. Those without a place are prepared each time.
const PLACES: usize = 256;

/// How far from its place a statement may be kept.
const STEPS: usize = 8;

/// Lends prepared statements out.
pub(super) trait Statements: fmt::Debug {
    /// Runs a statement. What was bound before has to be bound anew.
    fn with(
        &self,
        sql: &'static str,
        run: &mut dyn FnMut(&mut Statement<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()>;
}

/// A text that is a constant, and its statement.
type Kept<'c> = RefCell<Option<(&'static str, Statement<'c>)>>;

#[derive(Debug)]
pub(super) struct KeptStatements<'c> {
    connection: &'c Connection,
    places: Box<[Kept<'c>]>,
}

impl<'c> KeptStatements<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, places: (0..PLACES).map(|_| RefCell::default()).collect() }
    }
}

impl Statements for KeptStatements<'_> {
    fn with(
        &self,
        sql: &'static str,
        run: &mut dyn FnMut(&mut Statement<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let home = (sql.as_ptr() as usize >> 3) ^ sql.len();
        for step in 0..STEPS {
            // One that is in use already has its rows still before it.
            let Ok(mut place) = self.places[(home + step) % PLACES].try_borrow_mut() else { continue };
            let (kept, statement) = match &mut *place {
                Some((kept, statement)) => (*kept, statement),
                empty => {
                    // Leaves the connection's small memory blocks (lookaside) to what runs.
                    let flags = PrepFlags::SQLITE_PREPARE_PERSISTENT;
                    let statement = self.connection.prepare_with_flags(sql, flags)?;
                    let (kept, statement) = empty.insert((sql, statement));
                    (*kept, statement)
                }
            };
            if std::ptr::eq(kept, sql) {
                return run(statement);
            }
        }
        run(&mut self.connection.prepare(sql)?)
    }
}
