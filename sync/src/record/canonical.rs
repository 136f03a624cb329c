//! Writing a record as JSON, always in the same form, so that whether two are the same can be seen by their text.
//!
//! - NaN and the infinities have no form in JSON (RFC 8259, section 6): serde's JSON writes `null` in their place, and what is written so is
//!   read as another record, or as none. They are refused.
//! - A `HashSet` and a `HashMap` hand over what they hold in another order each time that they are made. It is written in one order.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::order::{is_in_no_order, sorted};

/// A value that is written in the one form that it has, and only when all its numbers are finite.
pub(super) struct Canonical<'a, T: ?Sized> {
    value: &'a T,
    /// The innermost field that it is part of.
    field: Option<&'static str>,
}

impl<'a, T: ?Sized> Canonical<'a, T> {
    pub(super) fn new(value: &'a T) -> Self {
        Self { value, field: None }
    }
}

impl<T: Serialize + ?Sized> Serialize for Canonical<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Writer { inner: serializer, field: self.field })
    }
}

/// Hands everything on to what writes, but for such numbers, and what is in no order once it is in one.
struct Writer<S> {
    inner: S,
    field: Option<&'static str>,
}

impl<S> Writer<S> {
    fn part<'a, T: ?Sized>(&self, value: &'a T) -> Canonical<'a, T> {
        Canonical { value, field: self.field }
    }

    fn begin<C, E>(self, begin: impl FnOnce(S) -> Result<C, E>) -> Result<Writer<C>, E> {
        let Self { inner, field } = self;
        begin(inner).map(|inner| Writer { inner, field })
    }

    fn refused<E: Error>(&self, number: impl Display) -> E {
        let place = self.field.map(|field| format!("`{field}` is ")).unwrap_or_default();
        E::custom(format_args!(
            "{place}{number}, which JSON has no form for; where there may be no number, use an `Option`"
        ))
    }
}

macro_rules! hand_on {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Writer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Writer<S::SerializeSeq>;
    type SerializeTuple = Writer<S::SerializeTuple>;
    type SerializeTupleStruct = Writer<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Writer<S::SerializeTupleVariant>;
    type SerializeMap = Writer<S::SerializeMap>;
    type SerializeStruct = Writer<S::SerializeStruct>;
    type SerializeStructVariant = Writer<S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.inner.serialize_f32(value) } else { Err(self.refused(value)) }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.inner.serialize_f64(value) } else { Err(self.refused(value)) }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_some(&part)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_newtype_struct(name, &part)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_newtype_variant(name, index, variant, &part)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.begin(|inner| inner.serialize_seq(length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.begin(|inner| inner.serialize_tuple(length))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.begin(|inner| inner.serialize_tuple_struct(name, length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.begin(|inner| inner.serialize_tuple_variant(name, index, variant, length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.begin(|inner| inner.serialize_map(length))
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.begin(|inner| inner.serialize_struct(name, length))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.begin(|inner| inner.serialize_struct_variant(name, index, variant, length))
    }

    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, elements: I) -> Result<S::Ok, S::Error> {
        if is_in_no_order::<I>() {
            return self.collect_seq(sorted(elements, text));
        }
        let mut elements = elements.into_iter();
        let mut list = self.serialize_seq(length(&elements))?;
        elements.try_for_each(|element| list.serialize_element(&element))?;
        list.end()
    }

    fn collect_map<K: Serialize, V: Serialize, I: IntoIterator<Item = (K, V)>>(
        self,
        members: I,
    ) -> Result<S::Ok, S::Error> {
        if is_in_no_order::<I>() {
            return self.collect_map(sorted(members, |(name, _)| text(name)));
        }
        let mut members = members.into_iter();
        let mut object = self.serialize_map(length(&members))?;
        members.try_for_each(|(name, value)| object.serialize_entry(&name, &value))?;
        object.end()
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The JSON of an element. That one cannot be written is told when it is written in its place.
fn text<T: Serialize>(element: &T) -> String {
    serde_json::to_string(&Canonical::new(element)).unwrap_or_default()
}

/// How many elements there are, where that is known.
fn length(elements: &impl Iterator) -> Option<usize> {
    let (least, most) = elements.size_hint();
    most.filter(|most| *most == least)
}

macro_rules! hand_on_elements {
    ($($compound:ident: $method:ident;)*) => {
        $(impl<C: $compound> $compound for Writer<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let part = self.part(value);
                self.inner.$method(&part)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

hand_on_elements! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! hand_on_fields {
    ($($compound:ident)*) => {
        $(impl<C: $compound> $compound for Writer<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                field: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(field, &Canonical { value, field: Some(field) })
            }

            fn skip_field(&mut self, field: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(field)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

hand_on_fields! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Writer<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    /// What is no text, JSON refuses itself.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let part = self.part(value);
        self.inner.serialize_value(&part)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::value::{RawValue, to_raw_value};

    use super::Canonical;

    #[derive(Serialize, Clone)]
    struct Unit;

    #[derive(Serialize, Clone)]
    struct Newtype(f64);

    #[derive(Serialize, Clone)]
    struct Pair(f64, u8);

    #[derive(Serialize, Clone)]
    enum Kind {
        Unit,
        Newtype(f64),
        Tuple(f64, f32),
        Struct { size: f64 },
    }

    #[derive(Serialize, Clone)]
    struct Everything {
        flag: bool,
        small: (i8, i16, i32, i64, u8, u16, u32, u64),
        large: (i128, u128),
        letter: char,
        text: String,
        nothing: (),
        unit: Unit,
        some: Option<f64>,
        none: Option<f64>,
        newtype: Newtype,
        pair: Pair,
        kinds: Vec<Kind>,
        map: BTreeMap<u8, f64>,
        raw: Box<RawValue>,
        address: std::net::Ipv4Addr,
        bytes: &'static std::ffi::CStr,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
    }

    /// serde writes it as a map.
    #[derive(Serialize)]
    struct Flat {
        size: f32,
        #[serde(flatten)]
        more: BTreeMap<String, f32>,
    }

    fn everything() -> Everything {
        Everything {
            flag: true,
            small: (-8, -16, -32, -64, 8, 16, 32, 64),
            large: (i128::MIN, u128::MAX),
            letter: 'ß',
            text: "a \" quoted one".to_owned(),
            nothing: (),
            unit: Unit,
            some: Some(1.5),
            none: None,
            newtype: Newtype(-0.0),
            pair: Pair(1e300, 1),
            kinds: vec![Kind::Unit, Kind::Newtype(1.0), Kind::Tuple(2.0, 0.1), Kind::Struct { size: 3.0 }],
            map: BTreeMap::from([(1, 1.25)]),
            raw: RawValue::from_string("{ \"kept\" :1.0 }".to_owned()).expect("it is JSON"),
            address: std::net::Ipv4Addr::LOCALHOST,
            bytes: c"bytes",
            skipped: None,
        }
    }

    fn flat(size: f32, more: f32) -> Flat {
        Flat { size, more: BTreeMap::from([("more".to_owned(), more)]) }
    }

    #[test]
    fn what_has_a_form_in_json_is_written_as_serde_writes_it() {
        let value = everything();
        let written = to_raw_value(&Canonical::new(&value)).expect("it can be written");
        assert_eq!(written.get(), to_raw_value(&value).expect("it can be written").get());
        let flat = flat(1.5, 0.5);
        let written = to_raw_value(&Canonical::new(&flat)).expect("it can be written");
        assert_eq!(written.get(), r#"{"size":1.5,"more":0.5}"#);
    }

    fn narrow(number: f64) -> f32 {
        if number.is_nan() { f32::NAN } else { f32::NEG_INFINITY }
    }

    #[test]
    fn what_has_none_is_refused_wherever_it_stands() {
        let (nan, infinite) = (f64::NAN, f64::NEG_INFINITY);
        let with = |change: fn(&mut Everything, f64), number| {
            let mut value = everything();
            change(&mut value, number);
            to_raw_value(&Canonical::new(&value)).expect_err("it has no form").to_string()
        };
        for (change, place) in [
            ((|all, number| all.some = Some(number)) as fn(&mut Everything, f64), "`some` is "),
            (|all, number| all.newtype = Newtype(number), "`newtype` is "),
            (|all, number| all.pair = Pair(number, 0), "`pair` is "),
            (|all, number| all.kinds = vec![Kind::Newtype(number)], "`kinds` is "),
            (|all, number| all.kinds = vec![Kind::Tuple(0.0, narrow(number))], "`kinds` is "),
            (|all, number| all.kinds = vec![Kind::Struct { size: number }], "`size` is "),
            (|all, number| all.map.extend([(2, number)]), "`map` is "),
        ] {
            for (number, name) in [(nan, "NaN"), (infinite, "-inf")] {
                let error = with(change, number);
                assert!(error.starts_with(&format!("{place}{name}, which JSON has no form for")), "{error}");
            }
        }
        for flat in [flat(f32::NAN, 0.0), flat(0.0, f32::NAN)] {
            let error = to_raw_value(&Canonical::new(&flat)).expect_err("it has no form").to_string();
            assert!(error.starts_with("NaN, which JSON has no form for"), "{error}");
        }
    }
}
