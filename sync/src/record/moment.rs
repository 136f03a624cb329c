//! Times as text: RFC 3339 in UTC, as chrono writes and reads it, but without its detours. Each operation is written and
//! read several times on its way to the server.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// `2026-01-31T23:59:59.123456789Z`
const LONGEST: usize = 30;

/// The text of a time whose year has four digits.
pub(crate) struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    /// `decimals` of the second: 0, 3, 6 or 9. `None` for a year that has not four digits.
    fn new(time: DateTime<Utc>, decimals: usize) -> Option<Self> {
        let time = time.naive_utc();
        let year = u32::try_from(time.year()).ok().filter(|year| *year <= 9999)?;
        // A leap second is written as the 61st.
        let leap = time.nanosecond() / 1_000_000_000;
        let nanos = time.nanosecond() % 1_000_000_000;
        let mut bytes = *b"0000-00-00T00:00:00.000000000Z";
        digits(&mut bytes[0..4], year);
        digits(&mut bytes[5..7], time.month());
        digits(&mut bytes[8..10], time.day());
        digits(&mut bytes[11..13], time.hour());
        digits(&mut bytes[14..16], time.minute());
        digits(&mut bytes[17..19], time.second() + leap);
        digits(&mut bytes[20..29], nanos);
        let end = if decimals == 0 { 19 } else { 20 + decimals };
        bytes[end] = b'Z';
        Some(Self { bytes, length: end + 1 })
    }

    /// As many decimals as chrono writes of itself.
    fn short(time: DateTime<Utc>) -> Option<Self> {
        let decimals = match time.nanosecond() % 1_000_000_000 {
            0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        Self::new(time, decimals)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// A time with nine decimals.
#[cfg(feature = "sqlite")]
pub(crate) fn long(time: DateTime<Utc>) -> String {
    match Text::new(time, 9) {
        Some(text) => text.as_str().to_owned(),
        None => time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
    }
}

fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Reads what [`Text`] writes; `None` for everything else, which may be a time all the same.
fn read(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        bytes.get(from..to)?.iter().try_fold(0, |number: u32, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    let punctuated = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    let nanos = match (bytes.len(), bytes.last()) {
        (20, Some(b'Z')) => 0,
        (24, Some(b'Z')) if is(19, b'.') => number(20, 23)? * 1_000_000,
        (27, Some(b'Z')) if is(19, b'.') => number(20, 26)? * 1_000,
        (30, Some(b'Z')) if is(19, b'.') => number(20, 29)?,
        _ => return None,
    };
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
    let time = NaiveTime::from_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)?;
    punctuated.then(|| date.and_time(time).and_utc())
}

/// For `#[serde(with = …)]`.
pub(crate) mod text {
    use super::{DateTime, Deserializer, Serializer, Text, TimeVisitor, Utc};

    pub(crate) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        match Text::short(*time) {
            Some(text) => serializer.serialize_str(text.as_str()),
            None => serde::Serialize::serialize(time, serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = DateTime<Utc>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as RFC 3339 writes it")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DateTime<Utc>, E> {
        read(text).map_or_else(|| text.parse().map_err(E::custom), Ok)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Ours(#[serde(with = "text")] DateTime<Utc>);

    fn assert_as_chrono(time: DateTime<Utc>) {
        let (ours, theirs) = (serde_json::to_string(&Ours(time)), serde_json::to_string(&time));
        let text = ours.expect("a time can be written");
        assert_eq!(Some(&text), theirs.ok().as_ref());
        let read = serde_json::from_str::<DateTime<Utc>>(&text).ok();
        assert_eq!(serde_json::from_str::<Ours>(&text).ok().map(|ours| ours.0), read);
        #[cfg(feature = "sqlite")]
        assert_eq!(long(time), time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true));
    }

    #[test]
    fn the_edges_are_as_chrono_has_them() {
        for text in [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000001Z",
            "2016-12-31T23:59:60.5Z",
            "2026-02-28T23:59:59.999999999Z",
            "9999-12-31T23:59:59.999999999Z",
        ] {
            assert_as_chrono(text.parse().expect("a time"));
        }
        assert_as_chrono(DateTime::<Utc>::MIN_UTC);
        assert_as_chrono(DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn every_other_way_of_writing_is_left_to_chrono() {
        for text in [
            "2026-01-31T12:00:00+02:00",
            "2026-01-31T12:00:00.1Z",
            "2026-01-31t12:00:00z",
            "2026-01-31 12:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-01-31T12:00:60Z",
            "2026-01-31T25:00:00Z",
            "2026/01/31T12:00:00Z",
            "+2026-01-31T12:0:00Z",
            "",
            "Z",
        ] {
            let json = serde_json::to_string(text).expect("a string is JSON");
            let theirs = serde_json::from_str::<DateTime<Utc>>(&json).ok();
            assert_eq!(serde_json::from_str::<Ours>(&json).ok().map(|ours| ours.0), theirs, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_written_and_read_as_by_chrono(
            seconds in -70_000_000_000_i64..260_000_000_000,
            nanos in prop_oneof![Just(0), (0_u32..1000).prop_map(|n| n * 1_000_000), (0_u32..1_000_000).prop_map(|n| n * 1000), 0_u32..2_000_000_000],
        ) {
            if let Some(time) = DateTime::from_timestamp(seconds, nanos) {
                assert_as_chrono(time);
            }
        }

        #[test]
        fn any_text_is_read_as_by_chrono(text in "[0-9]{4}[-/][0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|\\+00:00)?") {
            let json = serde_json::to_string(&text).expect("a string is JSON");
            let theirs = serde_json::from_str::<DateTime<Utc>>(&json).ok();
            prop_assert_eq!(serde_json::from_str::<Ours>(&json).ok().map(|ours| ours.0), theirs);
        }
    }
}
