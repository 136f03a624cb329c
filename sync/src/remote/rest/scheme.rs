//! Where one side speaks TLS and the other does not: which scheme was meant, perhaps.

use std::error::Error;
use std::{io, iter};

use rustls::InvalidMessage;

/// The scheme that the URL should perhaps have, as what became of the request tells.
pub(super) fn meant(url: &str, error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut causes = iter::successors(Some(error), |error| cause(*error));
    if url.starts_with("https:") {
        causes.any(is_no_tls).then_some("http://")
    } else {
        causes.any(is_no_http).then_some("https://")
    }
}

/// An error of the system may hold another one, which is not its source.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn is_no_tls(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// As a server with TLS answers: with an alert.
fn is_no_http(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<hyper::Error>();
    error.is_some_and(|error| error.is_parse() && !error.is_parse_status())
}
