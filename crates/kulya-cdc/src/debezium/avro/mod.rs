//! Avro's encoding of events, as Kafka Connect's converter has it: the Avro schema that follows from the
//! schema of an event, and the binary encoding of the event's JSON.
//!
//! Events are written as JSON first, by writers chosen once for a version of a table; that JSON is encoded
//! in one pass over its bytes, by a plan that is made once too. Nothing is allocated for a value, and there
//! is no tree. This is no parser of any JSON: members have the order of the schema.

mod cursor;
mod error;
mod names;
mod plan;
mod properties;
mod schema;
mod transcode;

#[cfg(test)]
mod tests;

pub use error::NotEncodable;

use super::connect_schema::{ConnectSchema, ConnectType};
use super::row_schema::RowSchema;
use plan::Node;
use serde_json::{Map, Value};

/// The Avro encoding of the events of one version of a table.
#[derive(Debug, Clone)]
pub struct AvroEncoding {
    schema: String,
    type_name: String,
    root: Node,
}

impl AvroEncoding {
    /// Returns the encoding of events with a schema. `key` has the names of the columns of the primary key,
    /// which the Avro schema repeats as its attribute `x-primary-key`; it is left out if there is none.
    ///
    /// # Errors
    /// Two columns have the same name in Avro, or two structs of one name have different fields.
    pub fn new(envelope: &ConnectSchema, key: &[String]) -> Result<Self, NotEncodable> {
        Self::with_columns(envelope, key, Map::new())
    }

    /// Returns the encoding of a table's events. The Avro schema has what is known of older rows as its
    /// attribute `x-columns`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_table(envelope: &ConnectSchema, table: &RowSchema) -> Result<Self, NotEncodable> {
        Self::with_columns(envelope, &table.key, table.column_annotations(names::field))
    }

    fn with_columns(
        envelope: &ConnectSchema,
        key: &[String],
        columns: Map<String, Value>,
    ) -> Result<Self, NotEncodable> {
        if envelope.kind != ConnectType::Struct || envelope.optional {
            return Err(NotEncodable::new("an event is a struct"));
        }
        let type_name = names::Name::of(envelope.name.as_deref()).full();
        Ok(Self {
            schema: schema::of(envelope, key, columns)?.to_string(),
            type_name,
            root: Node::of(envelope),
        })
    }

    /// Returns the Avro schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the full name of the schema's record.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Appends the binary encoding of an event to a buffer.
    ///
    /// # Errors
    /// The event is not JSON, or a value is not of the type that the schema says. The buffer then has a part
    /// of the encoding.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), NotEncodable> {
        transcode::event(&self.root, json, out)
    }
}
