//! Reading an answer's body, up to a limit.

use std::error::Error;
use std::io;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use crate::BoxError;

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is larger than allowed, and was not read to its end.
    TooLarge {
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// The connection broke off before its end.
    Broken(BoxError),
    /// It did not end in time.
    Late,
    /// It is not encoded as its headers say.
    Undecodable(BoxError),
}

/// Reads the body, decompressed, and stops at the limit or the deadline.
pub(super) async fn read(
    mut response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, BodyError> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut response, deadline).await? {
        if first.len() + body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if first.is_empty() && body.is_empty() {
            first = chunk;
            continue;
        }
        if body.is_empty() {
            body.reserve(announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
            body.extend_from_slice(&std::mem::take(&mut first));
        }
        body.extend_from_slice(&chunk);
    }
    // A small body came in one piece and need not be copied.
    Ok(if body.is_empty() { first } else { body.freeze() })
}

async fn next_chunk(response: &mut Response, deadline: Instant) -> Result<Option<Bytes>, BodyError> {
    match timeout_at(deadline, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(classify(error.without_url())),
        Err(_) => Err(BodyError::Late),
    }
}

/// Whether the bytes that came are wrong, or none came.
fn classify(error: reqwest::Error) -> BodyError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        {
            return BodyError::Undecodable(Box::new(error));
        }
        source = cause.source();
    }
    BodyError::Broken(Box::new(error))
}
