//! A list of records in one request, as `CouchDB` and `PostgREST` have it.

use std::collections::HashMap;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Answered;
use crate::remote::rest::RestRemote;
use crate::remote::rest::answer::failure;
use crate::remote::rest::dialect::{BatchOutcomes, RecordBatch};
use crate::remote::rest::members::{Life, RecordMembers, items, pick, scalar, slice_of};
use crate::remote::rest::request::{self, Request, way};
use crate::remote::rest::sent_body;
use crate::remote::rest::version::from_member;
use crate::remote::{RemoteError, Reply, WriteAnswer, WriteRequest};

pub(super) async fn send(
    remote: &RestRemote,
    dialect: &RecordBatch,
    operations: &[&WriteRequest],
) -> Result<Answered, RemoteError> {
    let Some(first) = operations.first() else { return Ok(Answered::Each(Vec::new())) };
    let mut records = Vec::with_capacity(operations.len());
    for operation in operations {
        let way = way(&remote.dialect, &operation.write);
        let body = sent_body::in_a_list(operation, way, &remote.dialect.record, dialect.id_member.as_deref());
        let Ok(Some(body)) = body else { return Ok(Answered::Unclear) };
        records.push(body);
    }
    let mut body = format!("[{}]", records.join(","));
    for step in dialect.sent_in.steps().iter().rev() {
        body = format!("{{{}:{body}}}", Value::from(&**step));
    }
    let mut batch: Request = request::plain(&remote.base, first.entity, &dialect.path)?;
    batch.method = Method::POST;
    batch.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    batch.headers.extend(request::always(&dialect.headers));
    batch.body = Some(body.into());
    let mut answer = remote.exchange.run(batch).await?;
    let retry_after = answer.retry_after();
    match answer.status.as_u16() {
        200..=202 => {}
        413 => return Ok(Answered::TooLarge),
        401 | 408 | 425 | 429 | 500..=599 => return Err(failure(&answer)),
        _ => return Ok(Answered::Unclear),
    }
    let body = remote.exchange.body(&mut answer)?;
    let Some(list) = items(&body, operations.len()) else { return Ok(Answered::Unclear) };
    let answers: Option<Vec<Option<WriteAnswer>>> = match &dialect.outcomes {
        BatchOutcomes::Receipts { version_member, error_member } if list.len() == operations.len() => {
            Some(list.into_iter().map(|receipt| receipt_of(receipt, version_member, error_member)).collect())
        }
        BatchOutcomes::Receipts { .. } => None,
        BatchOutcomes::AllOrNothing => {
            let mut rows = HashMap::new();
            for row in list {
                let members = RecordMembers::of(row.get().as_bytes(), first.entity, &remote.dialect.record);
                if let Ok(members) = members
                    && let Some(id) = members.id.as_ref().ok().copied().and_then(scalar)
                {
                    // Of one that is not clearly there, its answer by itself says more.
                    let exists = members.life(&remote.dialect.record) == Life::Exists;
                    let (version, body) = (from_member(members.version), Some(slice_of(&body, row)));
                    rows.insert(id, exists.then_some(WriteAnswer::Accepted { version, body }));
                }
            }
            operations.iter().map(|operation| rows.remove(operation.key.as_str())).collect()
        }
    };
    let Some(answers) = answers else { return Ok(Answered::Unclear) };
    let outcome = |answer| Ok(Reply { answer, retry_after });
    Ok(Answered::Each(answers.into_iter().map(|answer| answer.map(outcome)).collect()))
}

/// What became of one record, if it was written.
fn receipt_of(receipt: &RawValue, version_member: &str, error_member: &str) -> Option<WriteAnswer> {
    let [version, error] = pick(receipt.get().as_bytes(), [version_member, error_member]).ok()?;
    error.is_none().then(|| WriteAnswer::Accepted { version: from_member(version), body: None })
}
