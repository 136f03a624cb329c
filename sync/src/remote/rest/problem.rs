//! Problem details (RFC 9457), read leniently: they are for people, and a refusal stands without them.

use serde_json::value::RawValue;

use super::members::pick;
use crate::record::Problem;

/// Each text is cut to so many characters: it is stored with the operation and shown to people.
const LONGEST: usize = 2048;

/// Reads the problem details of a refusal, whatever its content type says. Members of another type are left out, as
/// section 3.1 of the RFC asks for.
pub(super) fn problem(body: &[u8]) -> Option<Problem> {
    let names = ["type", "title", "detail", "instance", "error", "message", "reason"];
    let [kind, title, detail, instance, error, message, reason] = pick(body, names).ok()?;
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
    let mut text: String = serde_json::from_str(member.get()).ok()?;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    Some(text)
}
