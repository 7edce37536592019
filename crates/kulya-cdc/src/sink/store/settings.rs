//! The settings of a sink that writes to a stream store.

use crate::debezium::Encoding;
use serde::Deserialize;

/// The settings of a [`StoreSink`](super::StoreSink).
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The connector's name, under which the position is stored.
    pub name: String,
    /// The scope of the streams.
    pub scope: String,
    /// The template of stream names, with `{prefix}`, `{schema}` and `{table}`; invalid characters become
    /// `-`.
    pub stream_template: String,
    /// The number of segments of a new stream.
    pub segments: u32,
    /// How the values of tables' events are encoded.
    pub encoding: Encoding,
    /// What happens when the registry refuses a table's schema.
    pub refused_schema: RefusedSchema,
}

/// What happens when the registry refuses the schema of a table, because the policy of its group does not
/// allow the change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedSchema {
    /// The events of the table go to the dead-letter stream, until its schema or the policy changes.
    #[default]
    DeadLetters,
    /// The capture stops.
    Stop,
}
