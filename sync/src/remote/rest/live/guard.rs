//! Bounds for a body that has no end: how long it may be silent, and how large one event may be.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use reqwest::Response;

use crate::BoxError;

/// The largest event, in bytes: it names a record, and does not carry it.
const LARGEST: usize = 64 * 1024;

/// Why a stream of events was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Nothing came for too long, not even a comment: the connection is as good as lost.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// An event grew over all bounds.
    #[error("an event is larger than {LARGEST} bytes")]
    TooLarge,
    /// The connection broke off.
    #[error("the stream of events broke off")]
    Lost(#[source] BoxError),
}

/// The bytes of an answer as they come, and the bounds that they keep.
pub(super) fn guarded(
    response: Response,
    silence: Duration,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    let state = (response, Size::default());
    stream::try_unfold(state, move |(mut response, mut size)| async move {
        let chunk = match tokio::time::timeout(silence, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(error)) => return Err(Broken::Lost(error.without_url().into())),
            Err(_) => return Err(Broken::Silent(silence)),
        };
        size.add(&chunk);
        if size.bytes > LARGEST {
            return Err(Broken::TooLarge);
        }
        Ok(Some((chunk, (response, size))))
    })
}

/// How large the event is that has not ended yet. An empty line ends one (HTML standard, section 9.2.6).
#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    /// The line that has not ended yet is empty so far.
    empty_line: bool,
    /// A line feed that follows belongs to the carriage return before it.
    after_return: bool,
}

impl Size {
    fn add(&mut self, chunk: &[u8]) {
        for byte in chunk {
            self.bytes += 1;
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => {}
                b'\n' | b'\r' => {
                    if self.empty_line {
                        self.bytes = 0;
                    }
                    self.empty_line = true;
                    self.after_return = *byte == b'\r';
                }
                _ => {
                    self.empty_line = false;
                    self.after_return = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn an_empty_line_ends_an_event_whatever_ends_its_lines() {
        for (text, open) in
            [("data: x\n\n", 0), ("data: x\r\n\r\n", 0), ("data: x\r\r", 0), ("data: x\n", 8), ("a\n\nab", 2)]
        {
            let mut at_once = Size::default();
            at_once.add(text.as_bytes());
            let mut byte_by_byte = Size::default();
            text.bytes().for_each(|byte| byte_by_byte.add(&[byte]));
            // A line feed after the last carriage return counts to what comes next.
            assert!(at_once.bytes.abs_diff(open) <= 1, "{text:?}: {at_once:?}");
            assert_eq!(at_once.bytes, byte_by_byte.bytes, "{text:?}");
        }
    }
}
