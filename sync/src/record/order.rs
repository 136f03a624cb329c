//! The order in which what is in no order is written: a `HashSet` and a `HashMap` hand over what they hold in another one each time that
//! they are made.

use std::any::type_name;

/// Whether this is a `HashSet` or a `HashMap`, of the standard library or another one. Only the name of the type tells, since serde hands
/// over all collections alike; the language does not promise what these names look like, so the tests below see to it.
pub(super) fn is_in_no_order<I>() -> bool {
    let name = type_name::<I>().trim_start_matches('&');
    let path = name.split_once('<').map_or(name, |(path, _)| path);
    matches!(path.rsplit("::").next(), Some("HashSet" | "HashMap"))
}

/// In the order of what tells each from the others.
pub(super) fn sorted<I: IntoIterator>(elements: I, text: impl Fn(&I::Item) -> String) -> Vec<I::Item> {
    let mut elements: Vec<_> = elements.into_iter().collect();
    elements.sort_by_cached_key(text);
    elements
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::hash::Hash;

    use serde::{Serialize, Serializer};

    use crate::record::Payload;

    fn written(value: &impl Serialize) -> serde_json::Result<String> {
        Payload::encode(value).map(|payload| payload.as_str().to_owned())
    }

    fn shuffled<T: Eq + Hash + Clone>(elements: &[T], by: usize) -> HashSet<T> {
        let mut elements = elements.to_vec();
        elements.rotate_left(by);
        elements.into_iter().collect()
    }

    #[derive(Serialize)]
    struct Tags(HashSet<&'static str>);

    #[derive(Serialize)]
    struct More {
        sets: Vec<HashSet<u8>>,
    }

    #[derive(Serialize)]
    enum Choice {
        Of(HashSet<u8>),
    }

    /// What it holds in no order is in another one in each.
    #[derive(Serialize)]
    struct Unordered {
        tags: Tags,
        maybe: Option<HashSet<String>>,
        by: BTreeMap<u8, HashSet<(u8, &'static str)>>,
        #[serde(flatten)]
        more: More,
        choice: Choice,
        counts: HashMap<u16, HashMap<String, u8>>,
    }

    fn unordered(by: usize) -> Unordered {
        let texts: Vec<_> = (0..20).map(|number| format!("a \"{number}\"")).collect();
        let counts = |_| shuffled(&texts, by).into_iter().zip([7; 20]).collect();
        Unordered {
            tags: Tags(shuffled(&["c", "a", "b", "e", "d"], by)),
            maybe: Some(shuffled(&texts, by)),
            by: [(1, shuffled(&[(2, "b"), (2, "a"), (1, "c"), (0, "d")], by))].into(),
            more: More { sets: vec![shuffled(&[9, 8, 7, 6, 5, 4], by), shuffled(&[1, 2, 3], by)] },
            choice: Choice::Of(shuffled(&[1, 10, 2, 20, 3], by)),
            counts: shuffled(&[3, 20, 1], by).into_iter().map(|count| (count, counts(count))).collect(),
        }
    }

    #[test]
    fn what_is_in_no_order_is_written_in_one_wherever_it_stands() {
        let text = |by| written(&unordered(by)).expect("it can be written");
        let first = text(0);
        for by in 1..20 {
            assert_eq!(text(by % 3), first);
        }
        for part in [
            r#""tags":["a","b","c","d","e"]"#,
            r#""by":{"1":[[0,"d"],[1,"c"],[2,"a"],[2,"b"]]}"#,
            r#""sets":[[4,5,6,7,8,9],[1,2,3]]"#,
            r#""choice":{"Of":[1,10,2,20,3]}"#,
            r#""counts":{"1":{"a \"0\"":7,"#,
        ] {
            assert!(first.contains(part), "{part} in {first}");
        }
    }

    #[test]
    fn what_is_in_an_order_stays_in_it() {
        struct Members([(&'static str, u8); 2]);

        impl Serialize for Members {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0)
            }
        }

        let ordered = (
            vec![shuffled(&[2], 0), shuffled(&[1], 0)],
            BTreeSet::from([10, 9]),
            Members([("b", 1), ("a", 2)]),
        );
        let written = written(&ordered).expect("it can be written");
        assert_eq!(written, r#"[[[2],[1]],[9,10],{"b":1,"a":2}]"#);
    }

    #[test]
    fn a_set_is_refused_for_what_it_holds() {
        #[derive(PartialEq, Eq, Hash)]
        struct Size(u8);

        impl Serialize for Size {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(f64::NAN)
            }
        }

        #[derive(Serialize)]
        struct Crate {
            sizes: HashSet<Size>,
        }

        let sizes = [Size(1), Size(2)].into();
        let error = written(&Crate { sizes }).expect_err("it has no form").to_string();
        assert!(error.starts_with("`sizes` is NaN, which JSON has no form for"), "{error}");
    }
}
