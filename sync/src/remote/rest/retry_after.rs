//! How long the server wants to be left alone (`Retry-After`, RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Longer pauses are cut to this: a server that says a century by mistake must not stall a queue for good.
pub(super) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Some servers (Kinto, Mozilla's) ask with this header, in seconds, for fewer requests, also when they answered well.
const BACKOFF: HeaderName = HeaderName::from_static("backoff");

/// How long the server asks to be left alone, by `Retry-After` or by `Backoff`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    pause(headers, &RETRY_AFTER).max(pause(headers, &BACKOFF))
}

/// No pause at all counts as none asked for, so that a retry keeps its own back-off.
fn pause(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    stated(headers, name).filter(|pause| !pause.is_zero()).map(|pause| pause.min(LONGEST))
}

/// Reads such a header as seconds or as a date. A date is compared with the answer's own `Date`, and with this machine's
/// clock only without one; one that is over is no pause at all.
pub(crate) fn stated(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    Some(if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number are a long time, too.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(date(headers).unwrap_or_else(SystemTime::now)).unwrap_or_default()
    })
}

/// The server's own time, where it tells it (RFC 9110, section 6.6.1).
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}
