//! Strict deserialization of requests and settings. serde accepts an array for a struct (its members in
//! order), a repeated name in a map (the last one counts), and, unless each type denies it, unknown members.
//! [`from_json`] rejects all of these, for every type and at every depth, and reports the path. It also
//! rejects text after the value.
//!
//! [`StrictDeserializer`] does the same for any other format: it wraps a deserializer. It does not reach what
//! serde buffers before parsing (untagged and internally tagged enums, flattened members), so no type of a
//! request has them.

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

/// The treatment of members that a type does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// Ignore them, as the Java registry does.
    Ignore,
    /// Reject them: a misspelt one would silently be ignored.
    Reject,
}

/// Parses a JSON text.
///
/// # Errors
/// The text is invalid; the error starts with the path: `compatibility.policy: …`.
pub fn from_json<T: DeserializeOwned>(text: &[u8], unknown: UnknownFields) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let strict = StrictDeserializer::new(&mut json, unknown);
    let parsed = T::deserialize(serde_path_to_error::Deserializer::new(strict, &mut track));
    let value = parsed.map_err(|error| match track.path().to_string() {
        // the value as a whole
        path if path == "." => error.to_string(),
        path => format!("{path}: {error}"),
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Wraps a deserializer and rejects arrays for structs, repeated members and, optionally, unknown members.
pub struct StrictDeserializer<D> {
    inner: D,
    unknown: UnknownFields,
}

impl<D> StrictDeserializer<D> {
    /// Delimiters another.
    pub fn new(inner: D, unknown: UnknownFields) -> Self {
        Self { inner, unknown }
    }
}

/// Wraps a type's visitor with what is expected of an object.
struct StrictVisitor<V> {
    visitor: V,
    unknown: UnknownFields,
    /// The members of a struct; `None` for a map, which may have any.
    members: Option<&'static [&'static str]>,
    /// Whether an integer is expected: 4.0 is one, as in JSON Schema.
    is_integer: bool,
}

/// The largest integer up to which every integer is exactly representable as a float.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

macro_rules! forward_deserialize {
    ($is_integer:literal: $($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, unknown } = self;
            inner.$method(StrictVisitor { visitor, unknown, members: None, is_integer: $is_integer })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StrictDeserializer<D> {
    type Error = D::Error;

    forward_deserialize!(
        true: deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16,
        deserialize_u32, deserialize_u64
    );

    forward_deserialize!(
        false: deserialize_any, deserialize_bool, deserialize_i128, deserialize_u128, deserialize_f32,
        deserialize_f64, deserialize_char, deserialize_str, deserialize_string, deserialize_bytes,
        deserialize_byte_buf, deserialize_option, deserialize_unit, deserialize_seq, deserialize_map,
        deserialize_identifier, deserialize_ignored_any
    );

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_unit_struct(
            name,
            StrictVisitor { visitor, unknown, members: None, is_integer: false },
        )
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        // a format's internal type, such as RawValue
        if name.starts_with('$') {
            return inner.deserialize_newtype_struct(name, visitor);
        }
        inner.deserialize_newtype_struct(
            name,
            StrictVisitor { visitor, unknown, members: None, is_integer: false },
        )
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_tuple(len, StrictVisitor { visitor, unknown, members: None, is_integer: false })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_tuple_struct(
            name,
            len,
            StrictVisitor { visitor, unknown, members: None, is_integer: false },
        )
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        if name.starts_with('$') {
            return inner.deserialize_struct(name, fields, visitor);
        }
        // as a map, so that an array is rejected
        inner.deserialize_map(StrictVisitor { visitor, unknown, members: Some(fields), is_integer: false })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_enum(
            name,
            variants,
            StrictVisitor { visitor, unknown, members: None, is_integer: false },
        )
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($method:ident($type:ty)),*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    forward_visit!(
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_char(char),
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>)
    );

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if self.is_integer && value.fract() == 0.0 && value.abs() <= MAX_EXACT_INTEGER {
            #[expect(clippy::cast_possible_truncation, reason = "it is an integer in the exact range")]
            return match value as i64 {
                value if value >= 0 => self.visitor.visit_u64(value.unsigned_abs()),
                value => self.visitor.visit_i64(value),
            };
        }
        self.visitor.visit_f64(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(StrictDeserializer::new(inner, self.unknown))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(StrictDeserializer::new(inner, self.unknown))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        if self.members.is_some() {
            // for formats that are self-describing
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.visitor.visit_seq(StrictSeq { inner, unknown: self.unknown })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, unknown, members, .. } = self;
        visitor.visit_map(StrictMap { inner, unknown, members, seen: HashSet::new() })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(StrictEnum { inner, unknown: self.unknown })
    }
}

/// Wraps the seed of an inner value.
struct StrictSeed<S> {
    seed: S,
    unknown: UnknownFields,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(StrictDeserializer::new(inner, self.unknown))
    }
}

struct StrictSeq<A> {
    inner: A,
    unknown: UnknownFields,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictSeq<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(StrictSeed { seed, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Rejects unknown and repeated members.
struct StrictMap<A> {
    inner: A,
    unknown: UnknownFields,
    members: Option<&'static [&'static str]>,
    seen: HashSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictMap<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Self { inner, unknown, members, seen } = self;
        let members = members.filter(|_| *unknown == UnknownFields::Reject);
        inner.next_key_seed(NameSeed { seed, members, seen })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(StrictSeed { seed, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Checks a member's name while the format parses it, so that the error has the position.
struct NameSeed<'a, S> {
    seed: S,
    members: Option<&'static [&'static str]>,
    seen: &'a mut HashSet<String>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for NameSeed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let name = String::deserialize(inner)?;
        if let Some(members) = self.members
            && !members.contains(&name.as_str())
        {
            return Err(D::Error::unknown_field(&name, members));
        }
        if !self.seen.insert(name.clone()) {
            return Err(D::Error::custom(format_args!("member `{name:.200}` occurs twice")));
        }
        let name: StringDeserializer<D::Error> = name.into_deserializer();
        self.seed.deserialize(name)
    }
}

/// The variant of an enum. A unit variant is its name alone, not an object with it.
struct StrictEnum<A> {
    inner: A,
    unknown: UnknownFields,
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for StrictEnum<A> {
    type Error = A::Error;
    type Variant = StrictVariant<'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, StrictVariant { inner, unknown: self.unknown, lifetime: PhantomData }))
    }
}

struct StrictVariant<'de, A> {
    inner: A,
    unknown: UnknownFields,
    lifetime: PhantomData<&'de ()>,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for StrictVariant<'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(StrictSeed { seed, unknown: self.unknown })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(
            len,
            StrictVisitor { visitor, unknown: self.unknown, members: None, is_integer: false },
        )
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let unknown = self.unknown;
        self.inner.struct_variant(
            fields,
            StrictVisitor { visitor, unknown, members: Some(fields), is_integer: false },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_registry_api::administration::{GroupChange, Search};
    use kulya_schema::{GroupProperties, SchemaInfo, VersionInfo};
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[serde(default)]
        inner: Option<Vec<Inner>>,
        #[serde(default)]
        words: BTreeMap<String, String>,
        raw: Option<Box<RawValue>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "number")]
        _number: u32,
    }

    fn error<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
        from_json::<T>(text.as_bytes(), UnknownFields::Reject).unwrap_err()
    }

    #[test]
    fn arrays_for_structs_are_rejected_at_any_depth() {
        for text in [
            "[]",
            "[null]",
            r#"[[{"number":1}],{},null]"#,
            r#"{"inner":[[1]]}"#,
            r#"{"inner":[{"number":1},[2]]}"#,
        ] {
            let message = error::<Outer>(text);
            assert!(message.contains("sequence"), "{text}: {message}");
        }
        assert!(error::<Outer>(r#"{"inner":[{"number":1},[2]]}"#).starts_with("inner[1]"));
        for text in ["[]", r#"[{"policy":"AllowAny"},null]"#, r#"{"compatibility":["AllowAny",null]}"#] {
            assert!(error::<GroupChange>(text).contains("sequence"), "{text}");
        }
        assert!(error::<Search>("[]").contains("sequence"));
        assert!(error::<VersionInfo>(r#"["T","Avro",0,0]"#).contains("sequence"));
        assert!(error::<GroupProperties>(r#"{"serializationFormat":["Avro",null],"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}"#)
            .starts_with("serializationFormat: "));
    }

    #[test]
    fn unknown_and_repeated_members_are_rejected() {
        let text = r#"{"inner":[{"number":1,"nummer":2}]}"#;
        assert!(error::<Outer>(text).contains("`nummer`"));
        assert!(from_json::<Outer>(text.as_bytes(), UnknownFields::Ignore).is_ok());
        let version = r#"{"type":"T","serializationFormat":"Avro","version":0,"id":0,"more":1}"#;
        assert!(error::<VersionInfo>(version).contains("`more`"));
        for text in
            [r#"{"words":{"a":"b","a":"b"}}"#, r#"{"words":{},"words":{}}"#, r#"{"other":1,"other":1}"#]
        {
            for unknown in [UnknownFields::Reject, UnknownFields::Ignore] {
                assert!(from_json::<Outer>(text.as_bytes(), unknown).is_err(), "{text}");
            }
        }
        assert!(error::<Outer>(r#"{"words":{"a":1}}"#).starts_with("words.a: "));
    }

    #[test]
    fn an_integer_may_have_a_decimal_point() {
        let parse = |number: &str| {
            let text = format!(r#"{{"type":"T","serializationFormat":"Avro","version":0,"id":{number}}}"#);
            from_json::<VersionInfo>(text.as_bytes(), UnknownFields::Reject).map(|version| version.id).ok()
        };
        for (number, expected) in [
            ("4270.0", Some(4270)),
            ("4.27e3", Some(4270)),
            ("0.0", Some(0)),
            ("4270.5", None),
            ("-1.0", None),
            ("1e300", None),
            ("4294967296.0", None),
            ("\"4270\"", None),
        ] {
            assert_eq!(parse(number), expected, "{number}");
        }
    }

    #[test]
    fn trailing_text_is_rejected_and_raw_values_are_kept() {
        assert!(error::<Outer>("{} {}").contains("trailing"));
        assert!(error::<SchemaInfo>("null").contains("null"));
        let outer: Outer =
            from_json(br#" {"raw":{ "a":1.50, "a":[] },"inner":null} "#, UnknownFields::Reject).unwrap();
        assert_eq!(outer.raw.unwrap().get(), r#"{ "a":1.50, "a":[] }"#);
        assert!(outer.inner.is_none() && outer.words.is_empty());
    }
}
