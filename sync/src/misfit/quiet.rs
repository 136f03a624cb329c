//! Reads JSON a second time, with errors that say what serde says and leave out what serde quotes.
//!
//! Whatever a type's `Deserialize` reads goes through here, so that its errors are made by [`Unquoted`]. JSON is taken as
//! what it is, not as what the type asks for: of a value that is not what was asked for, `serde_json` makes an error by itself.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

/// Why this JSON does not fit the type.
pub(super) fn why<T: DeserializeOwned>(json: &[u8]) -> String {
    match T::deserialize(Quiet::value(&mut serde_json::Deserializer::from_slice(json))) {
        Err(Unquoted(reason)) => reason,
        // It asks for one thing and takes another.
        Ok(_) => REFUSED.to_owned(),
    }
}

/// What is said of an error in the words of somebody else, which may quote.
const REFUSED: &str = "its `Deserialize` refuses it";

/// Names of fields are no longer than this.
const LONGEST_NAME: usize = 32;

#[derive(Debug)]
struct Unquoted(String);

impl Unquoted {
    /// What `serde_json` passes on of an error that was made here, or says itself of what is no JSON.
    #[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
    fn by(error: impl de::Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Unquoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unquoted {}

impl de::Error for Unquoted {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(REFUSED.to_owned())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("invalid type: {}, expected {expected}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("invalid value: {}, expected {expected}", kind(found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self(format!("invalid length {length}, expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("unknown variant, expected {}", one_of(expected)))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        // What looks like a field's name is one, and not what somebody wrote.
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let told = if name.len() <= LONGEST_NAME && name.chars().all(letter) {
            format!("unknown field `{name}`")
        } else {
            "unknown field".to_owned()
        };
        Self(format!("{told}, expected {}", one_of(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("missing field `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(format!("duplicate field `{field}`"))
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number with decimals",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "a variant",
        _ => "another value",
    }
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match &*quoted {
        [] => "none".to_owned(),
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

/// A source of values whose errors quote nothing.
struct Quiet<D> {
    inner: D,
    /// A member's name may be asked for as a number, and is always a string.
    is_name: bool,
}

impl<D> Quiet<D> {
    fn value(inner: D) -> Self {
        Self { inner, is_name: false }
    }
}

macro_rules! take_what_is_there {
    ($($method:ident($($hint:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($hint: $type,)* visitor: V) -> Result<V::Value, Unquoted> {
            let Self { inner, is_name } = self;
            let watched = Watched { visitor, is_name, fields: &[] };
            let visited = if is_name { inner.$method($($hint,)* watched) } else { inner.deserialize_any(watched) };
            visited.map_err(Unquoted::by)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Quiet<D> {
    type Error = Unquoted;

    take_what_is_there! {
        deserialize_any() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier()
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
    }

    /// What does not fit is told with the field that it stands in.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unquoted> {
        let watched = Watched { visitor, is_name: self.is_name, fields };
        self.inner.deserialize_any(watched).map_err(Unquoted::by)
    }

    /// `serde_json` quotes a name that is neither `true` nor `false`.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unquoted> {
        if self.is_name {
            self.inner.deserialize_any(NameOfBool(visitor)).map_err(Unquoted::by)
        } else {
            self.deserialize_any(visitor)
        }
    }

    /// What is skipped is no reason.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unquoted> {
        self.inner.deserialize_ignored_any(visitor).map_err(Unquoted::by)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unquoted> {
        self.inner
            .deserialize_option(Watched { visitor, is_name: self.is_name, fields: &[] })
            .map_err(Unquoted::by)
    }

    /// By the name, `serde_json` knows its own `RawValue`.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unquoted> {
        self.inner
            .deserialize_newtype_struct(name, Watched { visitor, is_name: self.is_name, fields: &[] })
            .map_err(Unquoted::by)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unquoted> {
        self.inner.deserialize_any(Variant(visitor)).map_err(Unquoted::by)
    }
}

/// Passes everything on to what reads it, through [`Quiet`].
struct Watched<V> {
    visitor: V,
    is_name: bool,
    /// Those of the struct that is read, if it is one.
    fields: &'static [&'static str],
}

macro_rules! pass_on {
    ($to:tt: $($method:ident($($value:ident: $type:ty)?))*) => {$(
        fn $method<E: de::Error>(self, $($value: $type)?) -> Result<V::Value, E> {
            self.$to.$method::<Unquoted>($($value)?).map_err(E::custom)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    pass_on! {
        visitor:
        visit_bool(value: bool) visit_i64(value: i64) visit_i128(value: i128) visit_u64(value: u64)
        visit_u128(value: u128) visit_f64(value: f64) visit_str(value: &str) visit_borrowed_str(value: &'de str)
        visit_string(value: String) visit_bytes(value: &[u8]) visit_borrowed_bytes(value: &'de [u8])
        visit_byte_buf(value: Vec<u8>) visit_none() visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self { visitor, is_name, .. } = self;
        visitor.visit_some(Quiet { inner, is_name }).map_err(de::Error::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self { visitor, is_name, .. } = self;
        visitor.visit_newtype_struct(Quiet { inner, is_name }).map_err(de::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Quiet::value(list)).map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.visitor
            .visit_map(Members { inner: members, fields: self.fields, field: None })
            .map_err(de::Error::custom)
    }
}

/// A member's name that is asked for as a boolean.
struct NameOfBool<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for NameOfBool<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<V::Value, E> {
        let read = match name {
            "true" => self.0.visit_bool(true),
            "false" => self.0.visit_bool(false),
            other => Err(de::Error::invalid_type(Unexpected::Str(other), &self.0)),
        };
        read.map_err(|error: Unquoted| E::custom(error))
    }
}

/// An enum, as serde writes it in JSON: the variant's name, or an object with that one member.
struct Variant<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Variant<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    pass_on! {
        0:
        visit_bool(value: bool) visit_i64(value: i64) visit_u64(value: u64) visit_f64(value: f64) visit_unit()
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(StrDeserializer::<Unquoted>::new(name)).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Quiet::value(list)).map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0
            .visit_enum(MapAccessDeserializer::new(Members { inner: members, fields: &[], field: None }))
            .map_err(de::Error::custom)
    }
}

/// What reads a part: a member's name, or a value.
struct Seed<S> {
    seed: S,
    is_name: bool,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Quiet { inner, is_name: self.is_name }).map_err(de::Error::custom)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Quiet<A> {
    type Error = Unquoted;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unquoted> {
        self.inner.next_element_seed(Seed { seed, is_name: false }).map_err(Unquoted::by)
    }
}

/// The members of an object.
struct Members<A> {
    inner: A,
    /// Those of the struct that it is read as, if it is one.
    fields: &'static [&'static str],
    /// The one whose value comes next. It is the type's name for it: any other name may be what somebody wrote.
    field: Option<&'static str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = Unquoted;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unquoted> {
        if self.fields.is_empty() {
            return self.inner.next_key_seed(Seed { seed, is_name: true }).map_err(Unquoted::by);
        }
        let Some(name) = self.inner.next_key::<String>().map_err(Unquoted::by)? else { return Ok(None) };
        self.field = self.fields.iter().copied().find(|field| *field == name);
        seed.deserialize(StrDeserializer::new(&name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unquoted> {
        let read = self.inner.next_value_seed(Seed { seed, is_name: false });
        read.map_err(|error| match self.field {
            Some(field) => Unquoted(format!("`{field}`: {error}")),
            None => Unquoted::by(error),
        })
    }
}
