//! Which records a list is asked for: `list=todo`, `rank_gte=3`.

use std::cmp::Ordering;

use chrono::DateTime;
use serde_json::{Number, Value};

/// What a member has to be.
pub(super) struct Filter {
    member: String,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

/// How the name of a parameter ends that asks for a range.
const ENDINGS: [(&str, Operator); 4] = [
    ("_gte", Operator::AtLeast),
    ("_gt", Operator::MoreThan),
    ("_lte", Operator::AtMost),
    ("_lt", Operator::LessThan),
];

impl Filter {
    pub(super) fn parse(name: &str, value: &str) -> Self {
        let range =
            ENDINGS.iter().find_map(|(ending, operator)| Some((name.strip_suffix(ending)?, *operator)));
        let (member, operator) = range.unwrap_or((name, Operator::Equal));
        Self { member: member.to_owned(), operator, value: value.to_owned() }
    }

    pub(super) fn holds(&self, record: &Value) -> bool {
        let order = match record.get(&self.member) {
            Some(Value::String(text)) => Some(compare_texts(text, &self.value)),
            Some(Value::Bool(yes)) => Some(yes.to_string().cmp(&self.value)),
            Some(Value::Number(number)) => compare_numbers(number, &self.value),
            _ => None,
        };
        order.is_some_and(|order| match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::AtLeast => order != Ordering::Less,
            Operator::MoreThan => order == Ordering::Greater,
            Operator::AtMost => order != Ordering::Greater,
            Operator::LessThan => order == Ordering::Less,
        })
    }
}

/// Times by what they mean, since `12:00:00Z`, `12:00:00.000Z` and `14:00:00+02:00` are the same; other texts by their bytes.
fn compare_texts(text: &str, asked: &str) -> Ordering {
    match (DateTime::parse_from_rfc3339(text), DateTime::parse_from_rfc3339(asked)) {
        (Ok(time), Ok(asked)) => time.cmp(&asked),
        _ => text.cmp(asked),
    }
}

/// Whole numbers as what they are: an `f64` holds no more than 53 bits of them.
fn compare_numbers(number: &Number, asked: &str) -> Option<Ordering> {
    match (number.as_i128(), asked.parse::<i128>()) {
        (Some(number), Ok(asked)) => Some(number.cmp(&asked)),
        _ => number.as_f64()?.partial_cmp(&asked.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(name: &str, asked: &str, value: &Value) -> bool {
        Filter::parse(name, asked).holds(&json!({ "at": value }))
    }

    #[test]
    fn times_are_compared_by_what_they_mean() {
        let noon = json!("2026-03-01T12:00:00Z");
        for same in ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z", "2026-03-01T14:00:00+02:00"] {
            assert!(holds("at", same, &noon) && holds("at_gte", same, &noon), "{same}");
            assert!(!holds("at_lt", same, &noon) && !holds("at_gt", same, &noon), "{same}");
        }
        assert!(holds("at_lt", "2026-03-01T12:00:00.5Z", &noon), "as texts, `.` comes before `Z`");
        assert!(holds("at_gt", "2026-03-01T13:30:00+02:00", &noon));
        assert!(holds("at_lt", "b", &json!("a")), "other texts are texts");
    }

    #[test]
    fn whole_numbers_are_compared_to_the_last_digit() {
        let large = json!(9_007_199_254_740_993_i64);
        assert!(!holds("at", "9007199254740992", &large) && holds("at_gt", "9007199254740992", &large));
        assert!(holds("at", "9007199254740993", &large));
        assert!(holds("at_lt", "9223372036854775808", &json!(i64::MAX)));
        assert!(holds("at", "18446744073709551615", &json!(u64::MAX)));
        assert!(holds("at_gt", "1.5", &json!(2)) && holds("at_lt", "2", &json!(1.5)));
        assert!(!holds("at", "two", &json!(2)));
    }
}
