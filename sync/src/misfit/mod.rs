//! Reading JSON as a type, and saying why it does not fit without quoting it.
//!
//! What serde says of a value that does not fit contains the value. Such errors end up in reports, events and logs, where what
//! people wrote does not belong.

mod quiet;

use serde::de::DeserializeOwned;

/// Why JSON does not fit a type: what kind of value stands where, and what was expected. It names fields of the type, and quotes no value.
///
/// ```
/// # use sync::record::Payload;
/// #[derive(Debug, serde::Deserialize)]
/// struct Book { pages: u32 }
///
/// let payload = Payload::from_json(r#"{"pages": "what somebody wrote"}"#).expect("it is JSON");
/// let misfit = payload.decode::<Book>().expect_err("it is a text");
/// assert_eq!(misfit.to_string(), "`pages`: invalid type: a string, expected u32 at line 1 column 31");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

impl Misfit {
    /// The type's `Deserialize` panicked.
    pub(crate) fn panicked() -> Self {
        Self("reading it panicked".to_owned())
    }
}

/// Reads JSON as a type.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Misfit> {
    serde_json::from_slice(json).map_err(|error| {
        // What is no JSON is told of in words that are always the same.
        Misfit(if error.is_data() { quiet::why::<T>(json) } else { error.to_string() })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is only read into")]
    enum Shape {
        Point,
        Circle(u8),
        Line(u8, u8),
        Box { side: u8 },
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    struct Number(u64);

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code, reason = "it is only read into")]
    enum Either {
        Number(u8),
        Flag(bool),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "it is only read into")]
    struct Plain {
        id: u8,
        #[serde(default)]
        tags: Vec<Option<char>>,
        #[serde(default)]
        shape: Option<Shape>,
        #[serde(default)]
        by_number: BTreeMap<u8, i8>,
        #[serde(default)]
        by_flag: BTreeMap<bool, u8>,
        #[serde(default)]
        by_name: BTreeMap<Number, u8>,
        #[serde(default)]
        either: Option<Either>,
        #[serde(default)]
        raw: Option<Box<RawValue>>,
        #[serde(default)]
        unit: (),
        #[serde(default)]
        day: Option<chrono::NaiveDate>,
    }

    fn why<T: DeserializeOwned + Debug>(json: &str) -> String {
        read::<T>(json.as_bytes()).expect_err("it does not fit").to_string()
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_kind_and_its_place() {
        let told = [
            (r#"{"id":"secret"}"#, "`id`: invalid type: a string, expected u8 at line 1 column 14"),
            (r#"{"id":7777}"#, "`id`: invalid value: an integer, expected u8 at line 1 column 10"),
            (r#"{"id":7.25}"#, "`id`: invalid type: a number with decimals, expected u8 at line 1 column 10"),
            (r#"{"id":["secret"]}"#, "`id`: invalid type: a list, expected u8 at line 1 column 7"),
            (r#"{"id":{"secret":1}}"#, "`id`: invalid type: an object, expected u8 at line 1 column 7"),
            (r#"{"id":null}"#, "`id`: invalid type: null, expected u8 at line 1 column 10"),
            (r#"{"id":true}"#, "`id`: invalid type: a boolean, expected u8 at line 1 column 10"),
            (
                r#"{"id":1,"version":"secret"}"#,
                "unknown field `version`, expected one of `id`, `tags`, `shape`, `by_number`, `by_flag`, `by_name`, `either`, `raw`, \
                 `unit`, `day` at line 1 column 17",
            ),
            (
                r#"{"id":1,"a secret":1}"#,
                "unknown field, expected one of `id`, `tags`, `shape`, `by_number`, `by_flag`, `by_name`, `either`, `raw`, `unit`, \
                 `day` at line 1 column 18",
            ),
            (r"{}", "missing field `id` at line 1 column 2"),
            (r#"{"id":1,"id":2}"#, "duplicate field `id` at line 1 column 12"),
            (
                r#"{"id":1,"tags":["a","secret"]}"#,
                "`tags`: invalid value: a string, expected a character at line 1 column 28",
            ),
            (
                r#"{"id":1,"shape":"secret"}"#,
                "`shape`: unknown variant, expected one of `Point`, `Circle`, `Line`, `Box` at line 1 column 24",
            ),
            (
                r#"{"id":1,"shape":{"Point":"secret"}}"#,
                "`shape`: invalid type: a string, expected unit at line 1 column 33",
            ),
            (
                r#"{"id":1,"shape":{"Circle":"secret"}}"#,
                "`shape`: invalid type: a string, expected u8 at line 1 column 34",
            ),
            (
                r#"{"id":1,"shape":{"Line":[1]}}"#,
                "`shape`: invalid length 1, expected tuple variant Shape::Line with 2 elements at line 1 column 27",
            ),
            (
                r#"{"id":1,"shape":{"Box":{"side":"secret"}}}"#,
                "`shape`: invalid type: a string, expected u8 at line 1 column 39",
            ),
            (r#"{"id":1,"shape":5}"#, "expected value at line 1 column 17"),
            (
                r#"{"id":1,"by_number":{"1":"secret"}}"#,
                "`by_number`: invalid type: a string, expected i8 at line 1 column 33",
            ),
            (
                r#"{"id":1,"by_flag":{"secret":1}}"#,
                "`by_flag`: invalid type: a string, expected a boolean at line 1 column 27",
            ),
            (
                r#"{"id":1,"by_name":{"1":"secret"}}"#,
                "`by_name`: invalid type: a string, expected u8 at line 1 column 31",
            ),
            (r#"{"id":1,"either":"secret"}"#, "`either`: its `Deserialize` refuses it at line 1 column 26"),
            (
                r#"{"id":1,"unit":"secret"}"#,
                "`unit`: invalid type: a string, expected unit at line 1 column 23",
            ),
            (r#"{"id":1,"day":"secret"}"#, "`day`: its `Deserialize` refuses it at line 1 column 22"),
            (r#"{"id":1} secret"#, "trailing characters at line 1 column 10"),
            (r#"{"id":secret}"#, "expected value at line 1 column 7"),
            (r#"["secret"]"#, "invalid type: a string, expected u8 at line 1 column 9"),
            (r#""secret""#, "invalid type: a string, expected struct Plain at line 1 column 8"),
        ];
        for (json, expected) in told {
            assert_eq!(why::<Plain>(json), expected, "{json}");
        }
    }

    #[test]
    fn what_fits_is_passed_over_on_the_way_to_what_does_not() {
        let fitting = r#""tags":["a",null],"shape":{"Line":[1,2]},"by_number":{"1":-1},"by_flag":{"true":1},"by_name":{"7":1},"either":true,"raw":{"a":[1]},"unit":null,"day":"2026-01-31""#;
        assert!(read::<Plain>(format!(r#"{{"id":1,{fitting}}}"#).as_bytes()).is_ok());
        let told = why::<Plain>(&format!("{{{fitting},\n\"id\":\"secret\"}}"));
        assert_eq!(told, "`id`: invalid type: a string, expected u8 at line 2 column 13");
    }

    /// A key of a map is what somebody wrote.
    #[test]
    fn the_member_that_does_not_fit_is_named_where_it_is_a_field() {
        let told = why::<BTreeMap<String, u8>>(r#"{"secret":"x"}"#);
        assert_eq!(told, "invalid type: a string, expected u8 at line 1 column 13");
        let told = why::<BTreeMap<String, Plain>>(r#"{"secret":{"id":1,"other":2,"tags":7}}"#);
        assert!(told.starts_with("unknown field `other`, expected"), "{told}");
        let told = why::<BTreeMap<String, Plain>>(r#"{"secret":{"id":1,"tags":7}}"#);
        assert_eq!(told, "`tags`: invalid type: an integer, expected a sequence at line 1 column 26");
    }
}
