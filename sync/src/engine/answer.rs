//! What the server said to an operation, and what it is asked where that leaves something open.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::claim::Claimed;
use super::core::Core;
use super::outcome::Observed;
use super::port::{EntityPort, ReadRecord};
use crate::error::SyncError;
use crate::record::{Failure, Outcome, ServerCopy, Write, raw_member};
use crate::remote::{Fetched, RemoteError, Reply, TransientCause, WriteAnswer};
use crate::report::SyncReport;

/// Why an answer could not be used.
pub(super) enum Trouble {
    Remote(RemoteError),
    /// The record that an answer brought cannot be read, or is not the one that was asked for.
    Answer(String),
    /// It has another id, which this tells.
    AnotherId(String),
    /// The body of a success is not the record that was sent, and what the server has does not show that it was taken.
    Unproven(String),
}

impl From<RemoteError> for Trouble {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

/// Reads what the server said, and asks it for the record where the answer leaves that open.
pub(super) async fn read_answer(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    answer: WriteAnswer,
    wish: &mut Option<Duration>,
    report: &mut SyncReport,
) -> Result<Observed, Trouble> {
    let flight = &claimed.flight;
    let problem = if let WriteAnswer::Conflict { problem, .. } = &answer { problem.clone() } else { None };
    let outcome = match answer {
        WriteAnswer::Accepted { version, body: None } => Outcome::Accepted { version, copy: None },
        WriteAnswer::Accepted { version, body: Some(body) } => match read_own(port, claimed, &body) {
            Ok(copy) => Outcome::Accepted { version, copy: Some(copy.payload) },
            Err(trouble) => look_after(core, port, claimed, trouble, wish).await?,
        },
        WriteAnswer::Unclear { reason } => {
            look_after(core, port, claimed, Trouble::Answer(reason), wish).await?
        }
        WriteAnswer::Existing { version, body: Some(body) } => match read_own(port, claimed, &body) {
            Ok(ReadRecord { payload: value, .. }) => {
                let remote = ServerCopy::Present { version: version.clone(), value: value.clone() };
                if remote.is_result_of(&flight.intention.write, claimed.base.as_ref(), &port.rules()) {
                    Outcome::Accepted { version, copy: Some(value) }
                } else {
                    Outcome::Conflict { remote }
                }
            }
            Err(trouble) => look_after(core, port, claimed, trouble, wish).await?,
        },
        WriteAnswer::Conflict { version, body: Some(body), .. } => match read_own(port, claimed, &body) {
            Ok(copy) => Outcome::Conflict { remote: ServerCopy::Present { version, value: copy.payload } },
            Err(_) => Outcome::Conflict { remote: fetch(core, port, claimed, wish).await? },
        },
        // Whether it is what was sent is found out where every conflict is.
        WriteAnswer::Existing { body: None, .. } | WriteAnswer::Conflict { body: None, .. } => {
            Outcome::Conflict { remote: fetch(core, port, claimed, wish).await? }
        }
        WriteAnswer::Missing => Outcome::Conflict { remote: ServerCopy::Deleted },
    };
    if let Outcome::Conflict { remote } = &outcome
        && remote.is_no_ground(flight, claimed.base.as_ref(), &port.rules())
    {
        let (record, operation) = (claimed.name.clone(), flight.intention.id);
        let error = SyncError::NoConflict { record, operation, problem };
        let (until, limit) = (core.retry_at(flight.attempts), core.settings.retry.max_attempts);
        let failure = Failure::Counted { until, limit, reason: error.to_string() };
        let outcome = Outcome::Failed { failure, not_taken: true };
        core.fail(report, error);
        return Ok(Observed { outcome, fetched: None });
    }
    let fetched = match &outcome {
        Outcome::Accepted { .. } if flight.intention.crossed => {
            match fetch(core, port, claimed, wish).await {
                Ok(copy) => Some(copy),
                // The server took the operation, and only the question after that is refused.
                Err(Trouble::Remote(
                    source @ (RemoteError::Refused { .. }
                    | RemoteError::Transient {
                        cause: TransientCause::WebPage | TransientCause::NoCollection,
                        ..
                    }),
                )) => {
                    let (record, operation) = (claimed.name.clone(), flight.intention.id);
                    core.fail(report, SyncError::Push { record, operation, source });
                    None
                }
                // Nor is it the operation that fails here: it is not parked for that, and waits as long as it takes.
                Err(Trouble::Remote(
                    source @ RemoteError::Transient { cause: TransientCause::Server, .. },
                )) => {
                    return Ok(ask_again_later(core, claimed, source, false, report));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        _ => None,
    };
    Ok(Observed { outcome, fetched })
}

/// Asks for the record after a success that does not tell whether it was taken: its body may have the id of the record, and nothing else
/// of it. `trouble` is what is wrong with the body.
async fn look_after(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    trouble: Trouble,
    wish: &mut Option<Duration>,
) -> Result<Outcome, Trouble> {
    let Trouble::Answer(reason) = trouble else { return Err(trouble) };
    let remote = match ask(core, port, claimed, wish).await {
        Ok(remote) => remote,
        // It is there, and a newer version of the program may be able to read it; or it may be had later.
        Err(trouble @ Trouble::Answer(_)) => return Err(trouble),
        Err(Trouble::Remote(source)) if source.says_not_now() => return Err(source.into()),
        Err(_) => return Err(Trouble::Unproven(reason)),
    };
    let (flight, base, rules) = (&claimed.flight, claimed.base.as_ref(), port.rules());
    let is_not_there =
        matches!(remote, ServerCopy::Deleted) && !matches!(flight.intention.write, Write::Delete);
    if is_not_there || remote.is_no_ground(flight, base, &rules) {
        return Err(Trouble::Unproven(reason));
    }
    // Whether it is what was sent is found out where every conflict is.
    Ok(Outcome::Conflict { remote })
}

/// A question about the record failed, which costs the operation no attempt.
pub(super) fn ask_again_later(
    core: &Core,
    claimed: &Claimed,
    source: RemoteError,
    not_taken: bool,
    report: &mut SyncReport,
) -> Observed {
    let (record, operation) = (claimed.name.clone(), claimed.flight.intention.id);
    core.fail(report, SyncError::Push { record, operation, source });
    let until = core.retry_patiently_at(claimed.flight.attempts);
    let outcome = Outcome::Failed { failure: Failure::Postponed { until }, not_taken };
    Observed { outcome, fetched: None }
}

/// Reads a body that has to be the record which was sent.
fn read_own(port: &Arc<dyn EntityPort>, claimed: &Claimed, body: &Bytes) -> Result<ReadRecord, Trouble> {
    let key = &claimed.name.key;
    match port.read(body) {
        Ok(copy) if copy.key == *key => Ok(copy),
        Ok(copy) => Err(Trouble::AnotherId(has_id(copy.key.as_str()))),
        // A number, say, where the program's ids are UUIDs, whose letters may be in either case.
        Err(unreadable) => Err(match written_id(body, port.info().id_member) {
            Some(id) if !id.eq_ignore_ascii_case(key.as_str()) => Trouble::AnotherId(has_id(&id)),
            _ => Trouble::Answer(unreadable.reason),
        }),
    }
}

/// The id in a body that cannot be read as a record; `None` when it is neither text nor a number.
fn written_id(body: &[u8], member: &str) -> Option<String> {
    let id = raw_member(body, member)?;
    match id.as_bytes().first()? {
        b'"' => serde_json::from_str(id).ok(),
        b'-' | b'0'..=b'9' => Some(id.to_owned()),
        _ => None,
    }
}

/// Asks for the record, where it is no failure of the operation that another one comes.
pub(super) async fn fetch(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    wish: &mut Option<Duration>,
) -> Result<ServerCopy, Trouble> {
    ask(core, port, claimed, wish).await.map_err(|trouble| match trouble {
        Trouble::AnotherId(reason) => Trouble::Answer(reason),
        trouble => trouble,
    })
}

/// Asks for the record. `wish` is how long the server asks to be left alone, if it does.
async fn ask(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    wish: &mut Option<Duration>,
) -> Result<ServerCopy, Trouble> {
    let reply = core.remote.fetch(port.info(), &claimed.name.key).await;
    *wish = (*wish).max(reply.as_ref().map_or_else(RemoteError::retry_after, Reply::wish));
    match reply?.answer {
        Fetched::Missing => Ok(ServerCopy::Deleted),
        Fetched::Present { version, body } => {
            let copy = read_own(port, claimed, &body)?;
            Ok(ServerCopy::Present { version, value: copy.payload })
        }
    }
}

/// What is wrong with an answer about another record than the one that was asked for.
pub(super) fn has_id(id: &str) -> String {
    format!("its id is `{id}`")
}
