//! Which records a list is asked for: `list=todo`, `rank_gte=3`.

use serde_json::Value;

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
        use std::cmp::Ordering;
        let order = match record.get(&self.member) {
            Some(Value::String(text)) => Some(text.as_str().cmp(&self.value)),
            Some(Value::Bool(yes)) => Some(yes.to_string().cmp(&self.value)),
            Some(Value::Number(number)) => {
                let asked = self.value.parse::<f64>().ok();
                number.as_f64().zip(asked).and_then(|(number, asked)| number.partial_cmp(&asked))
            }
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
