//! Pulls the pages of one entity, and puts each under the local edits that wait.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};

use super::core::Core;
use super::entities::Scope;
use super::held;
use super::outdated;
use super::page::{Covers, Trouble, apply};
use super::pause::{Pause, PauseReason};
use super::port::{EntityPort, ReadPage};
use super::sweep::{self, Round};
use crate::error::SyncError;
use crate::record::EntityName;
use crate::remote::{Page, Position, PullRequest, RemoteError, Reply};
use crate::report::SyncReport;
use crate::storage::{Cursor, StorageError};
use crate::telemetry::SyncEvent;

/// How the pull of an entity ended.
enum Ended {
    /// Everything that the server has now was pulled. The last answer may have asked for a pause.
    Complete(Option<Pause>),
    /// It went wrong; the cursor stands before the page that it concerns.
    Failed(SyncError),
    /// The whole server has to be left alone.
    Stopped(Pause, SyncError),
    /// The scope was changed: the list is another one.
    Anew,
    /// The engine is closing, and there is more, or more to ask for.
    Closing,
}

impl Ended {
    /// Something went wrong with an answer, which may have asked for a pause.
    fn wrong(error: SyncError, pause: Option<Pause>) -> Self {
        match pause {
            Some(pause) => Self::Stopped(pause, error),
            None => Self::Failed(error),
        }
    }

    /// There is more to pull, and the server asked for a pause.
    fn throttled(pause: Pause) -> Self {
        Self::Stopped(pause, SyncError::Throttled { until: pause.until })
    }
}

/// How far the pull of an entity came.
pub(crate) struct Pulled {
    /// Why everything to the server has to wait, if it does.
    pub(crate) pause: Option<Pause>,
    /// Whether nothing is left that would come if it were pulled again.
    pub(crate) is_whole: bool,
}

/// Pulls everything new of an entity.
#[tracing::instrument(name = "pull", skip_all, fields(entity = port.info().name))]
pub(crate) async fn pull(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    report: &mut SyncReport,
) -> Result<Pulled, StorageError> {
    let entity = port.info().entity_name();
    let before = report.pulled;
    let (pause, error) = loop {
        match run(core, port, report).await? {
            Ended::Complete(pause) => {
                held::end(core, &entity).await?;
                let changes = report.pulled - before;
                core.announcer.announce(SyncEvent::Pulled { entity, changes });
                return Ok(Pulled { pause, is_whole: true });
            }
            Ended::Closing => return Ok(Pulled { pause: None, is_whole: false }),
            Ended::Failed(error) => break (None, error),
            Ended::Stopped(pause, error) => break (Some(pause), error),
            Ended::Anew => {}
        }
    };
    // The list was read to its end, and says the same the next time.
    let is_whole = matches!(error, SyncError::IncompleteList { .. });
    if is_whole || held::is_in_vain(core, &entity, &error, pause.as_ref()) {
        held::end(core, &entity).await?;
    }
    pull_failed(core, entity, report, error);
    Ok(Pulled { pause, is_whole })
}

/// Says that an entity could not be pulled.
pub(crate) fn pull_failed(core: &Core, entity: EntityName, report: &mut SyncReport, error: SyncError) {
    let error = core.fail(report, error);
    core.announcer.announce(SyncEvent::PullFailed { entity, error });
}

async fn run(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    report: &mut SyncReport,
) -> Result<Ended, StorageError> {
    let entity = port.info().entity_name();
    let start = entity.clone();
    let (mut cursor, scope) = core
        .transact::<_, StorageError, _>(move |ledger| {
            Ok((ledger.tx.cursor(&start)?, ledger.entities().scope(&start)))
        })
        .await?;
    let before = report.pulled;
    let mut round = Round::begin(core, port, cursor.as_ref()).await?;
    if round.lists_everything() {
        cursor = None;
    }
    let mut trail = Trail::from(cursor.clone());
    if let Err(trouble) = outdated::ask(core, port, report).await {
        return asked_in_vain(core, entity, trouble).await;
    }
    let (mut anew, mut pause) = (false, None);
    let mut fetched = Some(fetch(core, port, cursor.clone(), &scope).await?);
    while let Some(asked) = fetched.take() {
        let reply = match asked {
            Asked::NotNow(pause) => return Ok(Ended::throttled(pause)),
            Asked::Answered(Ok(reply)) => reply,
            // Once only: a server that forgets what it has just said would be asked for ever.
            Asked::Answered(Err(source)) if knows_no_cursor(&source) && cursor.is_some() && !anew => {
                tracing::info!(%entity, url = source.url(), "the server no longer knows the cursor: everything is pulled anew");
                let of = entity.clone();
                core.transact::<_, StorageError, _>(move |ledger| sweep::pull_anew(ledger, &of)).await?;
                if source.retry_after().is_some() {
                    return failed(core, entity, source).await;
                }
                core.end_pause().await?;
                if !round.lists_everything() {
                    round = Round::begin(core, port, None).await?;
                }
                (anew, cursor, trail) = (true, None, Trail::from(None));
                fetched = Some(fetch(core, port, None, &scope).await?);
                continue;
            }
            Asked::Answered(Err(source)) => return failed(core, entity, source).await,
        };
        core.end_pause().await?;
        // It was asked for with this answer, or with anybody else's.
        pause = core.throttled();
        let read = port.read_page(reply.answer.items);
        let next = match trail.follow(reply.answer.position, &read, cursor.as_ref()) {
            Ok(next) => next,
            Err(Stuck(cursor)) => {
                let cursor = shown(cursor.as_str());
                return Ok(Ended::wrong(SyncError::StuckCursor { entity, cursor }, pause));
            }
        };
        // A listing that is cut short begins anew, so that it would never end.
        let at_limit = next.has_more && !round.lists_everything() && trail.pages >= core.settings.page_limit;
        let goes_on = next.has_more && !at_limit && pause.is_none() && !core.is_closing();
        // The next page comes while the handler works on this one.
        let (applied, coming) = futures::join!(
            apply(core, port, &read, Covers::UpTo(next.cursor.clone(), scope.clone()), next.has_more, report),
            async { if goes_on { Some(fetch(core, port, next.cursor.clone(), &scope).await) } else { None } }
        );
        let coming = coming.transpose()?;
        // The page that was fetched ahead may have asked for it, or whoever listens.
        pause = core.throttled();
        if let Err(trouble) = applied {
            return not_written(trouble, pause);
        }
        round.see(&read);
        if next.stuck {
            let cursor = next.cursor.map(|cursor| shown(cursor.as_str())).unwrap_or_default();
            return Ok(Ended::wrong(SyncError::StuckCursor { entity, cursor }, pause));
        }
        let changes = report.pulled - before;
        core.announcer.announce(SyncEvent::PageProgress {
            entity: entity.clone(),
            changes,
            has_more: next.has_more,
        });
        if let Some(pause) = pause.filter(|_| next.has_more) {
            return Ok(Ended::throttled(pause));
        }
        if at_limit {
            return Ok(Ended::Failed(SyncError::PageLimit { entity, pages: trail.pages }));
        }
        if !next.has_more {
            match std::mem::replace(&mut round, Round::Ordinary).finish(core, port, report).await {
                Ok(()) => {}
                Err(sweep::Trouble::Incomplete(error)) => return Ok(Ended::wrong(error, pause)),
                Err(sweep::Trouble::Asking(trouble)) => return asked_in_vain(core, entity, trouble).await,
            }
        }
        if next.has_more && core.is_closing() && coming.is_none() {
            return Ok(Ended::Closing);
        }
        cursor = next.cursor;
        fetched = match coming {
            // A pause kept it from being fetched ahead, and was over before the page was written.
            None if next.has_more => Some(fetch(core, port, cursor.clone(), &scope).await?),
            coming => coming,
        };
    }
    Ok(Ended::Complete(pause))
}

/// What came of asking for a page.
enum Asked {
    Answered(Result<Reply<Page>, RemoteError>),
    /// The server was not asked: it is to be left alone.
    NotNow(Pause),
}

/// Asks for a page. The pause that its answer asks for begins at once: it is not shortened by how long a handler takes, nor
/// forgotten when that fails.
async fn fetch(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    since: Option<Cursor>,
    scope: &Scope,
) -> Result<Asked, StorageError> {
    if let Some(pause) = core.throttled() {
        return Ok(Asked::NotNow(pause));
    }
    let scope = scope.terms().cloned();
    let request = PullRequest { entity: port.info(), since, limit: core.settings.page_size, scope };
    let number = core.suspects.begin();
    let answer = core.remote.pull(request).await;
    if answer.is_ok() {
        core.suspects.answered(number);
    }
    core.obey(answer.as_ref().map_or_else(RemoteError::retry_after, Reply::wish)).await?;
    Ok(Asked::Answered(answer))
}

/// A record could not be asked for or not be handed over, or was the last that could be.
async fn asked_in_vain(
    core: &Core,
    entity: EntityName,
    trouble: outdated::Trouble,
) -> Result<Ended, StorageError> {
    match trouble {
        outdated::Trouble::Remote(source) => stopped(core, entity, source).await,
        outdated::Trouble::Page(trouble) => not_written(trouble, None),
        outdated::Trouble::Wait(pause) => Ok(Ended::throttled(pause)),
        outdated::Trouble::Closing => Ok(Ended::Closing),
    }
}

fn not_written(trouble: Trouble, pause: Option<Pause>) -> Result<Ended, StorageError> {
    match (trouble, pause) {
        (Trouble::Handler(error), pause) => Ok(Ended::wrong(error.into(), pause)),
        (Trouble::Storage(error), _) => Err(error),
        (Trouble::OfAnotherScope, Some(pause)) => Ok(Ended::throttled(pause)),
        (Trouble::OfAnotherScope, None) => Ok(Ended::Anew),
    }
}

fn knows_no_cursor(error: &RemoteError) -> bool {
    matches!(error, RemoteError::CursorGone { .. }) && !planted!(CursorGoneIsAnError)
}

/// A list could not be had, which may be the trouble of that list alone.
async fn failed(core: &Core, entity: EntityName, source: RemoteError) -> Result<Ended, StorageError> {
    if core.fails_alone(&source).await? {
        return Ok(Ended::Failed(SyncError::Pull { entity, source }));
    }
    stopped(core, entity, source).await
}

async fn stopped(core: &Core, entity: EntityName, source: RemoteError) -> Result<Ended, StorageError> {
    let wish = source.retry_after();
    let reason = PauseReason::of(&source);
    core.heard(&source).await?;
    let error = SyncError::Pull { entity, source };
    let Some(reason) = reason else { return Ok(Ended::Failed(error)) };
    // What the server asked for has begun.
    let pause = match core.throttled().filter(|_| wish.is_some()) {
        Some(pause) => pause,
        None => core.begin_pause(reason, wish).await?,
    };
    Ok(Ended::Stopped(pause, error))
}

/// Where the pull goes on.
struct Next {
    /// To be kept with the page.
    cursor: Option<Cursor>,
    has_more: bool,
    /// The page was full, and where it ends cannot be told: the rest cannot be asked for.
    stuck: bool,
}

/// The server says that there is more, and gives a cursor that it was asked with already.
struct Stuck(Cursor);

/// A cursor as errors and logs show it: what a remote keeps in one may be an address, whose query may hold a key.
fn shown(cursor: &str) -> String {
    match cursor.split_once('?') {
        Some((address, _)) => format!("{address}?…"),
        None => cursor.to_owned(),
    }
}

/// The way of a pull, to notice when it leads round in a circle.
///
/// One cursor is remembered, and a later one in its place after 1, 2, 4, 8, … pages: a circle of any length is noticed
/// within three rounds (R. Brent, "An improved Monte Carlo factorization algorithm", 1980).
struct Trail {
    pages: u32,
    milestone: Option<Cursor>,
}

impl Trail {
    fn from(start: Option<Cursor>) -> Self {
        Self { pages: 0, milestone: start }
    }

    fn follow(
        &mut self,
        position: Position,
        read: &ReadPage,
        before: Option<&Cursor>,
    ) -> Result<Next, Stuck> {
        let next = follow(position, read, before)?;
        if let Some(cursor) = next.cursor.as_ref().filter(|_| next.has_more && self.milestone == next.cursor)
        {
            return Err(Stuck(cursor.clone()));
        }
        self.pages = self.pages.saturating_add(1);
        if self.pages.is_power_of_two() {
            self.milestone.clone_from(&next.cursor);
        }
        Ok(next)
    }
}

/// Finds the cursor after a page: the server's, or the newest `updated_at` that it sent.
fn follow(position: Position, read: &ReadPage, before: Option<&Cursor>) -> Result<Next, Stuck> {
    match position {
        Position::Cursor { cursor, has_more } if has_more && before == Some(&cursor) => Err(Stuck(cursor)),
        Position::Cursor { cursor, has_more } => Ok(Next { cursor: Some(cursor), has_more, stuck: false }),
        Position::Beginning => Ok(Next { cursor: None, has_more: false, stuck: false }),
        // A cursor that is no time was the server's own, and a time would mean nothing to it.
        Position::NewestItem { full, .. } if before.is_some_and(|cursor| !is_time(cursor)) => {
            Ok(Next { cursor: before.cloned(), has_more: false, stuck: full })
        }
        Position::NewestItem { full, newest, limit } => {
            let newest = newest.or(read.newest).filter(|newest| limit.is_none_or(|limit| *newest <= limit));
            let newest = newest.map(|time| Cursor::new(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)));
            let moved = newest.is_some() && newest.as_ref() != before;
            Ok(Next {
                cursor: newest.or_else(|| before.cloned()),
                has_more: full && moved,
                stuck: full && !moved,
            })
        }
    }
}

fn is_time(cursor: &Cursor) -> bool {
    DateTime::parse_from_rfc3339(cursor.as_str()).is_ok()
}
