//! A record while it is transformed.

use crate::batch::{DefaultPlaces, Destination, Record};
use crate::debezium::connect_schema::ConnectSchema;
use crate::debezium::json;
use crate::{CdcError, CdcResult};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A record while it is transformed. What no transformation changes is that of the source.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// The destination that the source gave it.
    pub(super) origin: &'a Arc<Destination>,
    pub(super) topic: Cow<'a, str>,
    /// The key as JSON, with its schema where keys have one.
    pub(super) key: Option<Cow<'a, [u8]>>,
    pub(super) routing_key: Option<Cow<'a, [u8]>>,
    pub(super) value: Value<'a>,
    /// Where default values stand for null in the source's event.
    pub(super) defaults: DefaultPlaces<'a>,
    /// Members of a JSON object.
    pub(super) headers: Cow<'a, [u8]>,
    /// Whether a transformation before made a copy of the record, with headers of its own.
    pub(super) is_copy: bool,
}

/// The value of a record.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// There is none: the record is a tombstone.
    Absent,
    /// Null in place of a deleted row: the schema that it has, and that of rows.
    Null { schema: Arc<ConnectSchema>, row: Arc<ConnectSchema> },
    /// That of a record which is not of a table.
    Other(&'a [u8]),
    /// The envelope of a change, as the source wrote it, and its schema.
    Envelope(&'a [u8], Arc<ConnectSchema>),
    /// A row: its JSON without a schema, and its schema.
    Row(Cow<'a, str>, Arc<ConnectSchema>),
}

impl<'a> Draft<'a> {
    pub(super) fn new(record: Record<'a>) -> Self {
        let Record { destination, key, routing_key, value, headers, defaults } = record;
        let value = match (value, &destination.envelope) {
            (None, _) => Value::Absent,
            (Some(value), Some(schema)) => Value::Envelope(value, Arc::clone(schema)),
            (Some(value), None) => Value::Other(value),
        };
        Self {
            origin: destination,
            topic: Cow::Borrowed(&destination.topic),
            key: key.map(Cow::Borrowed),
            routing_key: routing_key.map(Cow::Borrowed),
            value,
            defaults,
            headers: Cow::Borrowed(headers),
            is_copy: false,
        }
    }

    /// A record without content, by which the destination of a table's changes is found; `None` for what is
    /// not a table's.
    pub(super) fn of_table(destination: &'a Arc<Destination>) -> Option<Self> {
        let schema = destination.table.as_ref().and(destination.envelope.as_ref())?;
        Some(Self {
            origin: destination,
            topic: Cow::Borrowed(&destination.topic),
            key: None,
            routing_key: None,
            value: Value::Envelope(&[], Arc::clone(schema)),
            defaults: DefaultPlaces::default(),
            headers: Cow::Borrowed(&[]),
            is_copy: false,
        })
    }

    /// Returns whether a schema is that of the envelopes that the source writes.
    pub(super) fn has_own(&self, schema: &Arc<ConnectSchema>) -> bool {
        self.origin.envelope.as_ref().is_some_and(|own| Arc::ptr_eq(own, schema))
    }

    /// Adds a header.
    pub(super) fn add_header(&mut self, header: &[u8]) {
        let headers = self.headers.to_mut();
        if !headers.is_empty() && !header.is_empty() {
            headers.push(b',');
        }
        headers.extend_from_slice(header);
    }
}

/// Reads JSON that a source has written.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> CdcResult<T> {
    serde_json::from_slice(json)
        .map_err(|error| CdcError::source("an event is not of the form that it has").because(error))
}

/// A payload behind its schema.
#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) schema: &'a RawValue,
    #[serde(borrow)]
    pub(super) payload: &'a RawValue,
}

/// Returns the payload of a document, which has a schema or not.
pub(super) fn payload(document: &[u8], has_schema: bool) -> CdcResult<&str> {
    if has_schema {
        return Ok(parse::<Document<'_>>(document)?.payload.get());
    }
    std::str::from_utf8(document).map_err(|error| CdcError::source("an event is not text").because(error))
}

/// The members of a JSON object, in their order, with the text of their values.
pub(super) struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// Returns a member that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(found, _)| found.0 == name)?;
        Some(found.1.get()).filter(|value| *value != "null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// Appends a member to the JSON of an object.
pub(super) fn add_member(object: &mut String, name: &str, value: &str) {
    let has_end = object.pop();
    debug_assert_eq!(has_end, Some('}'));
    if !object.ends_with('{') {
        object.push(',');
    }
    object.push_str(&text(name));
    object.push(':');
    object.push_str(value);
    object.push('}');
}

/// Returns a text as JSON.
pub(super) fn text(text: &str) -> String {
    let mut out = Vec::new();
    json::write(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}
