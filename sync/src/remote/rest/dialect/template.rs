//! Texts with placeholders to fill in: where a request goes and what its parameters say.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A text with placeholders in braces, such as `{endpoint}/{id}` or `eq.{version}`. Each setting says which placeholders it knows; `{{`
/// and `}}` are braces.
///
/// A value that stands in double quotes, as in `"{cursor}"`, has its own quotes and backslashes escaped by backslashes.
/// Percent-encoding is not the template's business: a whole parameter, and an id in a path, is encoded when the URL is
/// made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

impl Template {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts values in place of the placeholders. A placeholder without a value stays empty.
    pub(in crate::remote::rest) fn fill<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> String {
        let mut text = String::with_capacity(self.0.len() + 32);
        for piece in pieces(&self.0) {
            match piece {
                Ok(Piece::Text(part)) => text.push_str(part),
                Ok(Piece::Place(name)) => {
                    let value = value(name).unwrap_or_default();
                    if text.ends_with('"') {
                        text.push_str(&value.replace('\\', r"\\").replace('"', "\\\""));
                    } else {
                        text.push_str(&value);
                    }
                }
                // Refused when the remote was built.
                Err(Unclosed) => {}
            }
        }
        text
    }

    /// The names of its placeholders.
    pub(in crate::remote::rest) fn places(&self) -> impl Iterator<Item = Result<&str, Unclosed>> {
        pieces(&self.0).filter_map(|piece| match piece {
            Ok(Piece::Place(name)) => Some(Ok(name)),
            Ok(Piece::Text(_)) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Whether it has such a placeholder.
    pub(in crate::remote::rest) fn has(&self, place: &str) -> bool {
        self.places().any(|name| name == Ok(place))
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A brace that opens a placeholder and is not closed, or closes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::rest) struct Unclosed;

enum Piece<'t> {
    Text(&'t str),
    Place(&'t str),
}

fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, Unclosed>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let brace = rest.find(['{', '}']).unwrap_or(rest.len());
        if brace > 0 {
            let (text, more) = rest.split_at(brace);
            rest = more;
            return Some(Ok(Piece::Text(text)));
        }
        for (twice, once) in [("{{", "{"), ("}}", "}")] {
            if let Some(more) = rest.strip_prefix(twice) {
                rest = more;
                return Some(Ok(Piece::Text(once)));
            }
        }
        let place = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        rest = place.map_or("", |(_, more)| more);
        Some(place.map(|(name, _)| Piece::Place(name)).ok_or(Unclosed))
    })
}

#[cfg(test)]
mod tests {
    use super::{Template, Unclosed};

    fn filled(template: &str) -> String {
        Template::from(template).fill(|name| match name {
            "id" => Some(r#"a"b\c"#.into()),
            "n" => Some("7".into()),
            _ => None,
        })
    }

    #[test]
    fn values_stand_in_their_places_and_are_escaped_in_quotes() {
        assert_eq!(filled("eq.{n}"), "eq.7");
        assert_eq!(filled("{n}{n}/{{{n}}}"), "77/{7}");
        assert_eq!(filled(r#"gt."{id}""#), r#"gt."a\"b\\c""#);
        assert_eq!(filled("{id}"), r#"a"b\c"#);
        assert_eq!(filled("{unknown}"), "");
    }

    #[test]
    fn a_brace_without_its_other_half_is_noticed() {
        for text in ["{id", "id}", "a{b}c{"] {
            assert!(Template::from(text).places().any(|place| place == Err(Unclosed)), "{text}");
        }
        assert!(Template::from("{id}").has("id"));
        assert!(!Template::from("{{id}}").has("id"));
    }
}
