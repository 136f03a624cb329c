//! What a history has: the server, the books of the devices, the trace, and the rules that hold all the time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sync::record::Principal;
use sync::remote::{Page, PageItem, Position, WriteRequest};
use sync::storage::Cursor;
use tokio::time::Instant;

use super::app::Told;
use super::disk::Written;
use super::entities::{Doc, Kind, Name};
use super::faults::{Fault, Tally};
use super::life::Life;
use super::live::Live;
use super::model::{Around, Book, Defect, Intent, Last, Moment, Verdict, edited_to};
use super::plan::{Answer, Habits, Plan};
use super::server::{Handled, Server, name_of};
use super::trace::{Keep, Trace};

/// How many commits, requests and calls of handlers are more than any history needs.
const MOST_PLACES: u64 = 100_000;

/// One history under way.
pub(crate) struct World {
    pub(crate) plan: Plan,
    start: Instant,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) server: Server,
    pub(crate) live: Live,
    /// By device and account.
    pub(crate) books: Vec<Vec<Book>>,
    pub(crate) bodies: Vec<Body>,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    pub(crate) defect: Option<Defect>,
    /// Nothing goes wrong any more.
    pub(crate) quiet: bool,
    /// Which step of the history is being played.
    pub(crate) step: usize,
    /// How many places a process has come by at which it could have died.
    places: u64,
    down_until: Option<Instant>,
    tags: u64,
    /// How often somebody saved each document, by account.
    saves: BTreeMap<(usize, Name), u64>,
    start: Instant,
    habits: Habits,
    /// See [`Around::strict_view`].
    pub(crate) strict_view: bool,
}

/// What of a device outlives its process.
#[derive(Default)]
pub(crate) struct Body {
    /// The life that has the disk.
    pub(crate) owner: Option<Arc<Life>>,
    /// By how many seconds its clock is wrong.
    pub(crate) skew: i64,
    pub(crate) locked_out_until: Option<Instant>,
}

/// The name of an account.
pub(crate) fn principal(account: usize) -> Principal {
    Principal::new(format!("account {account}"))
}

impl World {
    pub(crate) fn new(plan: Plan, keep: Keep) -> Arc<Self> {
        let start = Instant::now();
        let book = |_| (0..plan.accounts).map(|_| Book::default()).collect();
        let calm = [
            Fault::HandlerFails,
            Fault::HandlerPanics,
            Fault::StorageFails,
            Fault::SlowCommit,
            Fault::SlowHandler,
        ];
        let state = State {
            server: Server::new(plan.accounts, plan.habits),
            live: Live::new(plan.seed, plan.rates.clone()),
            books: (0..plan.devices.len()).map(book).collect(),
            bodies: plan.devices.iter().map(|device| Body { skew: device.skew, ..Body::default() }).collect(),
            trace: Trace::new(keep),
            tally: Tally::default(),
            defect: None,
            quiet: false,
            step: 0,
            places: 0,
            down_until: None,
            tags: 0,
            saves: BTreeMap::new(),
            start,
            habits: plan.habits,
            strict_view: !plan.rates.kills && calm.iter().all(|fault| plan.rates.of(*fault) == 0),
        };
        Arc::new(Self { plan, start, state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        right_time(self.start)
    }

    pub(crate) fn note(&self, who: Option<usize>, what: fmt::Arguments<'_>) {
        self.state().note(who, what);
    }
}

/// Midnight of the first of January 2026, and what has passed since the start.
fn right_time(start: Instant) -> DateTime<Utc> {
    let passed = TimeDelta::from_std(start.elapsed()).unwrap_or_default();
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default() + passed
}

impl State {
    pub(crate) fn note(&mut self, who: Option<usize>, what: fmt::Arguments<'_>) {
        self.trace.note(self.start.elapsed().as_millis(), who, what);
    }

    /// The first broken rule counts: what comes after it may follow from it.
    pub(crate) fn judge(&mut self, device: Option<usize>, verdict: Verdict) {
        if let Err((rule, text)) = verdict
            && self.defect.is_none()
        {
            let text = device.map_or_else(|| text.clone(), |device| format!("d{device}: {text}"));
            self.note(device, format_args!("BROKEN {rule}: {text}"));
            self.defect = Some(Defect { rule, text, step: self.step });
        }
    }

    /// Counts a place, and says whether something runs in a circle.
    pub(crate) fn is_exhausted(&mut self) -> bool {
        self.places += 1;
        let exhausted = self.places > MOST_PLACES;
        if exhausted {
            self.judge(None, Err(("7: liveness", "something runs in a circle".to_owned())));
        }
        exhausted
    }

    pub(crate) fn fresh_tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    pub(crate) fn around(&self, device: usize, account: usize) -> Around<'_> {
        Around { server: &self.server, device, account, habits: self.habits, strict_view: self.strict_view }
    }

    /// Runs a check of a book with what is around it.
    fn check(
        &mut self,
        device: usize,
        account: usize,
        check: impl FnOnce(&mut Book, &Around<'_>) -> Verdict,
    ) {
        let mut book = std::mem::take(&mut self.books[device][account]);
        let verdict = check(&mut book, &self.around(device, account));
        self.books[device][account] = book;
        self.judge(Some(device), verdict);
    }

    // --- the server ---

    pub(crate) fn server_is_down(&self) -> bool {
        !self.quiet && self.down_until.is_some_and(|until| until > Instant::now())
    }

    pub(crate) fn take_down(&mut self, millis: u64) {
        self.down_until = Some(Instant::now() + Duration::from_millis(millis));
    }

    pub(crate) fn is_locked_out(&self, device: usize) -> bool {
        let until = self.bodies[device].locked_out_until;
        !self.quiet && until.is_some_and(|until| until > Instant::now())
    }

    pub(crate) fn take_write(&mut self, device: usize, account: usize, request: &WriteRequest) -> Handled {
        let now = right_time(self.start);
        let known = self.server.knows(account, request.id);
        let effects = self.server.effects(request.id);
        let handled = self.server.write(account, device, request, now);
        let name = name_of(request.entity.name, &request.key);
        if self.server.effects(request.id) > effects {
            let (era, verb) = (self.server.era, request.write.verb());
            self.note(Some(device), format_args!("  server: {verb} {name} takes effect ({})", request.id));
            self.tell(account, &name);
            self.check(device, account, |book, around| book.took_effect(around, era, request.id));
            self.counts_each_save_once(account, &name);
        } else {
            let again = if known { "again" } else { "in vain" };
            self.note(Some(device), format_args!("  server: {} {name} {again}", request.write.verb()));
        }
        handled
    }

    /// Somebody saves a document, on a device of ours or elsewhere.
    pub(crate) fn saves(&mut self, account: usize, name: &Name) {
        *self.saves.entry((account, name.clone())).or_default() += 1;
    }

    /// However often it was sent, merged and sent again. A server that forgets keys cannot tell an edit that others have
    /// built upon from one that it never saw; and an edit of what the application was told before the engine recorded it
    /// has an older ancestor than it seems. Then it counts twice. So does, once, what others have built upon where there are no versions.
    fn counts_each_save_once(&mut self, account: usize, name: &Name) {
        if !self.habits.keys || !self.strict_view {
            return;
        }
        let Some(Doc { saves, .. }) =
            self.server.value(account, name).and_then(|value| serde_json::from_str(value).ok())
        else {
            return;
        };
        let made = self.saves.get(&(account, name.clone())).copied().unwrap_or(0);
        let built_upon = if self.habits.versions { 0 } else { self.built_upon(account, name) };
        if saves > made + built_upon {
            self.judge(
                None,
                Err(("6: one effect", format!("{name} was saved {made} times, and counts {saves}"))),
            );
        }
    }

    /// How many operations got through without an answer, and were written upon by somebody who did not send them.
    fn built_upon(&self, account: usize, name: &Name) -> u64 {
        let moments = self.server.history(account, name);
        let built_upon = moments.iter().enumerate().filter(|(place, moment)| {
            let (Some(device), Some(operation)) = (moment.device, moment.operation) else { return false };
            let by_others = moments[place + 1..].iter().any(|later| later.device != moment.device);
            by_others && !self.books[device][account].knows_that_it_got_through(operation)
        });
        u64::try_from(built_upon.count()).unwrap_or(u64::MAX)
    }

    /// Somebody without a device of ours changes a record.
    pub(crate) fn change(&mut self, account: usize, name: &Name, value: Option<String>) {
        if value.is_some() {
            self.saves(account, name);
        }
        self.server.store(account, name, value, None, right_time(self.start));
        self.tell(account, name);
    }

    fn tell(&mut self, account: usize, name: &Name) {
        if self.habits.live {
            let version = self.server.version(account, name);
            self.live.tell(account, name, version, &mut self.tally);
        }
    }

    /// A page of an entity to which nothing ever happens.
    pub(crate) fn idle_page(since: Option<&Cursor>) -> Page {
        let cursor = since.cloned().unwrap_or_else(|| Cursor::new("idle"));
        Page { items: Vec::new(), position: Position::Cursor { cursor, has_more: false } }
    }

    // --- what the devices do, for the checks ---

    pub(crate) fn committed(&mut self, life: &Life, intent: &Intent, written: &Written) {
        let (device, account) = (life.device, life.account);
        for (place, (name, before, after)) in written.records.iter().enumerate() {
            let last = written.records[place + 1..].iter().all(|(other, ..)| other != name);
            let name = name_of(name.entity.as_str(), &name.key);
            self.note(Some(device), format_args!("  row {name}: {}", Short(after)));
            let wanted = match intent {
                Intent::Engine if !written.is_a_page() => {
                    edited_to(before, after).and_then(|value| life.written_for(&name, &value))
                }
                _ => None,
            };
            let edit = wanted.clone().map(Intent::Edit);
            self.check(device, account, |book, around| {
                book.wrote(around, edit.as_ref().unwrap_or(intent), &name, before, after, last)
            });
            if let Some(value) = wanted {
                self.books[device][account].edited(&name, value);
            }
        }
        for (name, entries) in &written.index {
            let name = name_of(name.entity.as_str(), &name.key);
            self.books[device][account].indexed(&name, entries);
        }
        for (name, ..) in &written.records {
            let name = name_of(name.entity.as_str(), &name.key);
            self.check(device, account, |book, _| book.is_found(&name));
        }
        for (_, note) in written.notes.iter().filter(|(name, _)| name == "pause") {
            let now = self.moment(life);
            self.books[device][account].waiting.noted(now, note.as_deref());
        }
        for (entity, cursor) in &written.cursors {
            let kind = Kind::named(entity.as_str());
            self.note(Some(device), format_args!("  cursor of {entity}: {cursor:?}"));
            let cursor = cursor.as_ref().map(Cursor::as_str).filter(|cursor| *cursor != "idle");
            self.check(device, account, |book, around| book.moved(around, kind, cursor, &written.aside));
        }
    }

    fn moment(&self, life: &Life) -> Moment {
        let skew = self.bodies[life.device].skew;
        let clock = right_time(self.start) + TimeDelta::seconds(skew);
        Moment { life: life.number, passed: self.start.elapsed(), clock, skew }
    }

    /// A request of any kind goes out.
    pub(crate) fn requests(&mut self, life: &Life) {
        let now = self.moment(life);
        self.check(life.device, life.account, |book, _| book.waiting.admits_a_request(now));
    }

    /// An answer asks for a pause. `at_once`: nothing else is out, and nothing is to be asked because of it.
    pub(crate) fn asked_to_wait(&mut self, life: &Life, wish: Duration, at_once: bool) {
        let now = self.moment(life);
        self.note(Some(life.device), format_args!("  is asked to wait {} s", wish.as_secs()));
        self.books[life.device][life.account].waiting.asked(now, wish, at_once);
    }

    pub(crate) fn sending(&mut self, life: &Life, request: &WriteRequest) {
        let name = name_of(request.entity.name, &request.key);
        let (verb, if_match) = (request.write.verb(), &request.if_match);
        self.note(
            Some(life.device),
            format_args!("sends {verb} {name} on {if_match:?} ({}, attempt {})", request.id, request.attempt),
        );
        let (number, most) = (life.number, life.world.plan.devices[life.device].max_in_flight);
        self.check(life.device, life.account, |book, around| {
            book.sending(around, number, most, &name, request)
        });
    }

    pub(crate) fn answered(&mut self, life: &Life, request: &WriteRequest, last: Last) {
        self.books[life.device][life.account].answered(request.id, last);
    }

    pub(crate) fn paged(&mut self, life: &Life, kind: Kind, page: &Page, names: &[Name]) {
        let Position::Cursor { cursor, .. } = &page.position else { return };
        let mut items = BTreeMap::new();
        // The names stand in the order of the items; a record that stands twice is there as it is now.
        for name in names {
            let wanted = |item: &&PageItem| match item {
                PageItem::Record { body, .. } => {
                    let text = String::from_utf8_lossy(body);
                    text.starts_with(&id_of(name))
                }
                PageItem::Tombstone { id } => String::from_utf8_lossy(id).trim_matches('"') == name.key,
                PageItem::Unreadable { .. } => false,
            };
            let value = page.items.iter().rfind(wanted).and_then(|item| match item {
                PageItem::Record { body, .. } => Some(String::from_utf8_lossy(body).into_owned()),
                _ => None,
            });
            items.insert(name.clone(), value);
        }
        let items = items.into_iter().collect();
        self.books[life.device][life.account].paged(kind, cursor.as_str(), items);
    }

    pub(crate) fn told(&mut self, life: &Life, changes: &[Told], well: bool) {
        if !self.is_alive(life) {
            return;
        }
        for change in changes {
            let Told { name, local, remote } = change;
            self.note(Some(life.device), format_args!("  told {name}: local {local:?}, remote {remote:?}"));
        }
        self.books[life.device][life.account].told(changes, well);
    }

    pub(crate) fn asked(&mut self, life: &Life, name: &Name, sides: &[Option<String>; 3]) {
        self.note(Some(life.device), format_args!("  conflict of {name}: {sides:?}"));
        self.check(life.device, life.account, |book, around| book.asked(around, name, sides));
    }

    pub(crate) fn decided(
        &mut self,
        life: &Life,
        name: &Name,
        edit: Option<String>,
        answer: Answer,
        merged: Option<String>,
    ) {
        self.note(Some(life.device), format_args!("  decided {name}: {answer:?} {merged:?}"));
        self.books[life.device][life.account].decided(name, edit, answer, merged);
    }
}

/// How the JSON of a record begins.
fn id_of(name: &Name) -> String {
    match name.kind {
        Kind::Task => format!(r#"{{"id":{},"#, name.key),
        _ => format!(r#"{{"id":"{}","#, name.key),
    }
}

/// A row in one line.
struct Short<'a>(&'a sync::record::Record);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        if record.is_empty() {
            return f.write_str("empty");
        }
        if let Some(base) = &record.base {
            write!(f, "base {:?} ", base.version.as_ref().map(|version| version.as_str().to_owned()))?;
        }
        if let Some(flight) = &record.flight {
            let (write, id) = (&flight.intention.write, flight.intention.id);
            write!(f, "flight {} #{} {id} ", write.verb(), flight.intention.revision)?;
            if flight.intention.crossed {
                f.write_str("crossed ")?;
            }
        }
        if let Some(queued) = &record.queued {
            write!(f, "queued {} #{} {} ", queued.write.verb(), queued.revision, queued.id)?;
        }
        if let Some(parked) = &record.parked {
            write!(f, "parked {} #{} ", parked.intention.write.verb(), parked.intention.revision)?;
        }
        if let Some(blocker) = &record.blocked_on {
            write!(f, "blocked on {blocker}")?;
        }
        Ok(())
    }
}
