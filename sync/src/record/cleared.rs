//! What an edit takes out of a record.

use super::raw::raw_members;
use super::{Base, Payload, Rules, Write};

impl Write {
    /// The members that this takes out of what the server has: those that it was last known to have; where that is not kept, those that
    /// it may have. `null` is as good as absent.
    pub(crate) fn clears(&self, base: Option<&Base>, rules: &Rules) -> Vec<String> {
        let (Self::Update(payload) | Self::Overwrite(payload)) = self else { return Vec::new() };
        if !rules.merges {
            return Vec::new();
        }
        let Some(written) = raw_members(payload.as_str().as_bytes()) else { return Vec::new() };
        let gone = |name: &&str| !written.contains_key(*name);
        let Some(known) = base.and_then(|base| base.value.as_ref()) else {
            return rules.optional.iter().copied().filter(gone).map(str::to_owned).collect();
        };
        let cleared = |known: &Payload| -> Vec<String> {
            let known = raw_members(known.as_str().as_bytes()).unwrap_or_default();
            let filled =
                known.iter().filter(|(_, value)| value.get() != "null").map(|(name, _)| name.as_str());
            filled.filter(gone).map(str::to_owned).collect()
        };
        // What a member is called in another version of the struct says nothing.
        if known.version() != payload.version() || cleared(known).is_empty() {
            return Vec::new();
        }
        // An earlier program may have written a member that this one has no field for any more: others may have one still.
        rules.written(known).as_ref().map(cleared).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::from_json(text).expect("it is JSON")
    }

    fn base(text: &str) -> Base {
        Base { version: None, value: Some(payload(text)) }
    }

    /// A program that has a field for `a` and `b` alone.
    fn reread(payload: &Payload) -> Option<Payload> {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(payload.as_str()).ok()?;
        members.retain(|name, _| ["a", "b"].contains(&name.as_str()));
        Payload::encode(&members).ok()
    }

    #[test]
    fn what_the_server_was_known_to_have_and_the_record_lacks_is_cleared() {
        let rules = Rules { merges: true, optional: &["b", "c"], ..Rules::default() };
        let known = base(r#"{"a":1,"b":2,"c":null}"#);
        for write in [Write::Update(payload(r#"{"a":3}"#)), Write::Overwrite(payload(r#"{"a":3}"#))] {
            assert_eq!(write.clears(Some(&known), &rules), ["b"]);
        }
        let emptied = Write::Update(payload(r#"{"a":3,"b":null}"#));
        assert!(emptied.clears(Some(&known), &rules).is_empty(), "it is said already");
        for write in [Write::Create(payload(r#"{"a":3}"#)), Write::Delete] {
            assert!(write.clears(Some(&known), &rules).is_empty(), "{write:?}");
        }
    }

    #[test]
    fn where_that_is_not_kept_what_may_be_left_out_is() {
        let rules = Rules { merges: true, optional: &["b", "c"], ..Rules::default() };
        let write = Write::Update(payload(r#"{"a":3,"c":4}"#));
        let version = Base { version: None, value: None };
        assert_eq!(write.clears(Some(&version), &rules), ["b"]);
        assert_eq!(write.clears(None, &rules), ["b"]);
    }

    #[test]
    fn what_the_program_has_no_field_for_any_more_is_left_alone() {
        let rules = Rules { merges: true, reread: Some(reread), ..Rules::default() };
        let write = Write::Update(payload(r#"{"a":3}"#));
        assert_eq!(write.clears(Some(&base(r#"{"a":1,"b":2,"c":3}"#)), &rules), ["b"]);
        assert!(write.clears(Some(&base(r#"{"a":1,"c":3}"#)), &rules).is_empty());
        let renamed = Write::Update(payload(r#"{"a":3}"#).of_version(2));
        assert!(renamed.clears(Some(&base(r#"{"a":1,"b":2}"#)), &rules).is_empty());
    }
}
