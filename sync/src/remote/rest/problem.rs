//! Problem details (RFC 9457), read leniently: they are for people, and a refusal stands without them.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::members::pick;
use crate::record::Problem;

/// Each text is cut to so many characters: it is stored with the operation and shown to people.
const LONGEST: usize = 2048;

/// Reads the problem details of a refusal, whatever its content type says. Members of another type are left out, as
/// section 3.1 of the RFC asks for. Plain text is a detail as it is.
pub(super) fn problem(body: &[u8], is_plain_text: bool) -> Option<Problem> {
    let names = ["type", "title", "detail", "instance", "error", "message", "reason"];
    let Ok([kind, title, detail, instance, error, message, reason]) = pick(body, names) else {
        let detail = is_plain_text.then(|| line(body)).flatten()?;
        return Some(Problem { detail: Some(detail), ..Problem::default() });
    };
    let problem = Problem {
        kind: kind.and_then(text),
        // What servers say that do not know the RFC.
        title: title.or(error).and_then(text),
        detail: detail.or(message).or(reason).and_then(text),
        instance: instance.and_then(text),
    };
    (problem != Problem::default()).then_some(problem)
}

fn text(member: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(member.get()).ok().map(|text| cut(&text))
}

/// A text; `None` for JSON, which may be the record, and where nothing is left.
fn line(body: &[u8]) -> Option<String> {
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return None;
    }
    let text = cut(&String::from_utf8_lossy(body));
    Some(text).filter(|line| !line.is_empty())
}

/// For a terminal or a log: of a bounded length, and without control characters.
fn cut(text: &str) -> String {
    let signs = text.chars().take(LONGEST).map(|sign| if sign.is_control() { ' ' } else { sign });
    signs.collect::<String>().trim().to_owned()
}
