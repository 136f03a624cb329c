//! Reading a record as a server sends it: among members of the server's own, and with `null` for what is not there.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::misfit::{self, Misfit};
use crate::record::raw_members;

/// Reads what a server sent. `hidden` are the members that the type is not shown.
///
/// What does not fit is read once more without the members that are `null`, which is as good as absent: a server keeps that where an
/// update has cleared a member, and a `Vec` cannot be read of it.
pub(super) fn read<T: DeserializeOwned>(json: &[u8], hidden: &[String]) -> Result<T, Misfit> {
    let shown = if hidden.is_empty() {
        None
    } else {
        without(json, |name, _| hidden.iter().any(|hidden| hidden == name))
    };
    let json = shown.as_deref().unwrap_or(json);
    if let Ok(record) = serde_json::from_slice(json) {
        return Ok(record);
    }
    let filled = without(json, |_, value| value.get() == "null");
    match filled.and_then(|filled| serde_json::from_slice(&filled).ok()) {
        Some(record) => Ok(record),
        // Why, and of what was sent.
        None => misfit::read(json),
    }
}

/// The object without some of its members; `None` when it has none of them, or is no object.
fn without(json: &[u8], hides: impl Fn(&str, &RawValue) -> bool) -> Option<Vec<u8>> {
    let mut members = raw_members(json)?;
    let count = members.len();
    members.retain(|name, value| !hides(name.as_str(), value));
    if members.len() == count {
        return None;
    }
    serde_json::to_vec(&members).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Page {
        id: u8,
        #[serde(default)]
        tags: Vec<String>,
        parent: Option<Value>,
    }

    fn page(json: &str) -> Result<Page, String> {
        read(json.as_bytes(), &[]).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn null_is_as_good_as_absent_where_the_type_cannot_read_it() {
        let bare = Page { id: 1, tags: Vec::new(), parent: None };
        assert_eq!(page(r#"{"id":1,"tags":null,"parent":null}"#), Ok(bare));
        let parent = Some(serde_json::json!({"a": null}));
        let inner = page(r#"{"id":1,"tags":null,"parent":{"a":null}}"#);
        assert_eq!(inner, Ok(Page { id: 1, tags: Vec::new(), parent }), "what is inside stays");
    }

    #[test]
    fn what_does_not_fit_all_the_same_is_told_of_as_it_was_sent() {
        let error = page(r#"{"tags":null}"#).expect_err("it has no id");
        assert_eq!(error, "`tags`: invalid type: null, expected a sequence at line 1 column 12");
        let error = page(r#"{"id":"x","tags":[]}"#).expect_err("the id is no number");
        assert_eq!(error, "`id`: invalid type: a string, expected u8 at line 1 column 9");
    }

    #[test]
    fn a_type_is_not_shown_what_is_hidden_from_it() {
        let hidden = ["version".to_owned()];
        let shown = |json: &str| -> BTreeMap<String, Value> {
            read(json.as_bytes(), &hidden).expect("it is an object")
        };
        assert_eq!(shown(r#"{"id":1,"version":"7"}"#), shown(r#"{"id":1}"#));
        assert_eq!(shown(r#"{"a":{"version":"7"}}"#)["a"]["version"], "7");
    }
}
