//! What a server may write in a way of its own, and means the same.

use axum::body::Bytes;
use serde_json::Value;

use crate::flaw::Flaw;

/// A body as such a server writes it.
pub fn rewritten(flaw: Flaw, body: Bytes) -> Bytes {
    let in_its_own_way =
        [Flaw::TakesNullsAway, Flaw::WritesIdsInUpperCase, Flaw::WritesWholeNumbersWithoutAPoint];
    match serde_json::from_slice(&body) {
        Ok(mut said) if in_its_own_way.contains(&flaw) => {
            rewrite(&mut said, flaw);
            said.to_string().into()
        }
        _ => body,
    }
}

/// At every depth.
fn rewrite(said: &mut Value, flaw: Flaw) {
    match said {
        Value::Object(members) => {
            if flaw == Flaw::TakesNullsAway {
                members.retain(|_, member| !member.is_null());
            }
            if flaw == Flaw::WritesIdsInUpperCase
                && let Some(Value::String(id)) = members.get_mut("id")
            {
                id.make_ascii_uppercase();
            }
            members.values_mut().for_each(|member| rewrite(member, flaw));
        }
        Value::Array(list) => list.iter_mut().for_each(|item| rewrite(item, flaw)),
        Value::Number(number) if flaw == Flaw::WritesWholeNumbersWithoutAPoint => {
            if let Some(whole) = number.to_string().strip_suffix(".0") {
                *said = whole.parse::<i64>().unwrap().into();
            }
        }
        _ => {}
    }
}
