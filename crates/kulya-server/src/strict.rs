//! What people send is read as it is documented, and in no other way. serde takes an array where an object is meant (its
//! members in order), a repeated name in a map (the last one counts), and, unless each type says otherwise, members that
//! nobody knows. [`json`] refuses all of it, for every type and at every depth, and names the place. It also refuses what
//! stands behind the value.
//!
//! [`Strict`] does it for any other format: it is a deserializer around a deserializer. What serde gathers before it reads it
//! (untagged and internally tagged enums, flattened members) is out of its reach, so no type of a request has them.

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

/// What becomes of members that a type does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They are passed over, as the Java registry does.
    Ignored,
    /// They are refused: a misspelt one would quietly mean something else.
    Refused,
}

/// Reads a JSON text.
///
/// # Errors
/// What is wrong, and where: `compatibility.policy: …`.
pub fn json<T: DeserializeOwned>(text: &[u8], unknown: Unknown) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let strict = Strict::new(&mut reader, unknown);
    let read = T::deserialize(serde_path_to_error::Deserializer::new(strict, &mut track));
    let value = read.map_err(|error| match track.path().to_string() {
        // the value as a whole
        place if place == "." => error.to_string(),
        place => format!("{place}: {error}"),
    })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A deserializer that takes objects for objects alone.
pub struct Strict<D> {
    inner: D,
    unknown: Unknown,
}

impl<D> Strict<D> {
    /// Around another.
    pub fn new(inner: D, unknown: Unknown) -> Self {
        Self { inner, unknown }
    }
}

/// A type's visitor, and what is expected of the object that it is shown.
struct Watched<V> {
    visitor: V,
    unknown: Unknown,
    /// The members of a struct; any where it is a map.
    members: Option<&'static [&'static str]>,
    /// Whether a whole number is expected: 4.0 is one, too, as JSON Schema has it.
    is_whole: bool,
}

/// Up to here each whole number is a float of its own.
const WHOLE: f64 = 9_007_199_254_740_992.0;

macro_rules! passed_on {
    ($is_whole:literal: $($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, unknown } = self;
            inner.$method(Watched { visitor, unknown, members: None, is_whole: $is_whole })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    passed_on!(
        true: deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16,
        deserialize_u32, deserialize_u64
    );

    passed_on!(
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
        inner.deserialize_unit_struct(name, Watched { visitor, unknown, members: None, is_whole: false })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        // a format's own word, for a text that is kept as it is
        if name.starts_with('$') {
            return inner.deserialize_newtype_struct(name, visitor);
        }
        inner.deserialize_newtype_struct(name, Watched { visitor, unknown, members: None, is_whole: false })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_tuple(len, Watched { visitor, unknown, members: None, is_whole: false })
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
            Watched { visitor, unknown, members: None, is_whole: false },
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
        // as a map: so an array is none
        inner.deserialize_map(Watched { visitor, unknown, members: Some(fields), is_whole: false })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, unknown } = self;
        inner.deserialize_enum(name, variants, Watched { visitor, unknown, members: None, is_whole: false })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! shown {
    ($($method:ident($type:ty)),*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    shown!(
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
        if self.is_whole && value.fract() == 0.0 && value.abs() <= WHOLE {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole, and not too large")]
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
        self.visitor.visit_some(Strict::new(inner, self.unknown))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict::new(inner, self.unknown))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        if self.members.is_some() {
            // a format that gives whatever is there
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.visitor.visit_seq(Items { inner, unknown: self.unknown })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, unknown, members, .. } = self;
        visitor.visit_map(Members { inner, unknown, members, seen: HashSet::new() })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Word { inner, unknown: self.unknown })
    }
}

/// What reads an inner value.
struct Seed<S> {
    seed: S,
    unknown: Unknown,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Strict::new(inner, self.unknown))
    }
}

struct Items<A> {
    inner: A,
    unknown: Unknown,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Seed { seed, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// An object's members, each name once.
struct Members<A> {
    inner: A,
    unknown: Unknown,
    members: Option<&'static [&'static str]>,
    seen: HashSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Self { inner, unknown, members, seen } = self;
        let members = members.filter(|_| *unknown == Unknown::Refused);
        inner.next_key_seed(Name { seed, members, seen })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Seed { seed, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// What reads a member's name: within the format's own reading, so that it can say where.
struct Name<'a, S> {
    seed: S,
    members: Option<&'static [&'static str]>,
    seen: &'a mut HashSet<String>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let name = String::deserialize(inner)?;
        if let Some(members) = self.members
            && !members.contains(&name.as_str())
        {
            return Err(D::Error::unknown_field(&name, members));
        }
        if !self.seen.insert(name.clone()) {
            return Err(D::Error::custom(format_args!("member `{name:.200}` is there twice")));
        }
        let name: StringDeserializer<D::Error> = name.into_deserializer();
        self.seed.deserialize(name)
    }
}

/// An enum's word. One without content is the word alone, and no object that holds it.
struct Word<A> {
    inner: A,
    unknown: Unknown,
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Word<A> {
    type Error = A::Error;
    type Variant = Content<'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Content { inner, unknown: self.unknown, lifetime: PhantomData }))
    }
}

struct Content<'de, A> {
    inner: A,
    unknown: Unknown,
    lifetime: PhantomData<&'de ()>,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Content<'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Seed { seed, unknown: self.unknown })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(len, Watched { visitor, unknown: self.unknown, members: None, is_whole: false })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let unknown = self.unknown;
        self.inner
            .struct_variant(fields, Watched { visitor, unknown, members: Some(fields), is_whole: false })
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

    fn refused<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
        json::<T>(text.as_bytes(), Unknown::Refused).unwrap_err()
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for text in [
            "[]",
            "[null]",
            r#"[[{"number":1}],{},null]"#,
            r#"{"inner":[[1]]}"#,
            r#"{"inner":[{"number":1},[2]]}"#,
        ] {
            let said = refused::<Outer>(text);
            assert!(said.contains("sequence"), "{text}: {said}");
        }
        assert!(refused::<Outer>(r#"{"inner":[{"number":1},[2]]}"#).starts_with("inner[1]"));
        for text in ["[]", r#"[{"policy":"AllowAny"},null]"#, r#"{"compatibility":["AllowAny",null]}"#] {
            assert!(refused::<GroupChange>(text).contains("sequence"), "{text}");
        }
        assert!(refused::<Search>("[]").contains("sequence"));
        assert!(refused::<VersionInfo>(r#"["T","Avro",0,0]"#).contains("sequence"));
        assert!(refused::<GroupProperties>(r#"{"serializationFormat":["Avro",null],"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}"#)
            .starts_with("serializationFormat: "));
    }

    #[test]
    fn members_are_known_and_stand_once() {
        let text = r#"{"inner":[{"number":1,"nummer":2}]}"#;
        assert!(refused::<Outer>(text).contains("`nummer`"));
        assert!(json::<Outer>(text.as_bytes(), Unknown::Ignored).is_ok());
        let version = r#"{"type":"T","serializationFormat":"Avro","version":0,"id":0,"more":1}"#;
        assert!(refused::<VersionInfo>(version).contains("`more`"));
        for text in
            [r#"{"words":{"a":"b","a":"b"}}"#, r#"{"words":{},"words":{}}"#, r#"{"other":1,"other":1}"#]
        {
            for unknown in [Unknown::Refused, Unknown::Ignored] {
                assert!(json::<Outer>(text.as_bytes(), unknown).is_err(), "{text}");
            }
        }
        assert!(refused::<Outer>(r#"{"words":{"a":1}}"#).starts_with("words.a: "));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = |number: &str| {
            let text = format!(r#"{{"type":"T","serializationFormat":"Avro","version":0,"id":{number}}}"#);
            json::<VersionInfo>(text.as_bytes(), Unknown::Refused).map(|version| version.id).ok()
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
            assert_eq!(read(number), expected, "{number}");
        }
    }

    #[test]
    fn nothing_stands_behind_the_value_and_a_text_is_kept() {
        assert!(refused::<Outer>("{} {}").contains("trailing"));
        assert!(refused::<SchemaInfo>("null").contains("null"));
        let outer: Outer = json(br#" {"raw":{ "a":1.50, "a":[] },"inner":null} "#, Unknown::Refused).unwrap();
        assert_eq!(outer.raw.unwrap().get(), r#"{ "a":1.50, "a":[] }"#);
        assert!(outer.inner.is_none() && outer.words.is_empty());
    }
}
