//! Protocol-buffers messages that log entries of several backends contain. Field numbers never change their
//! meaning.

use crate::{Result, StreamId, TableChange, TableId};
use bytes::Bytes;

/// A message without fields.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}

/// The name of a stream or a table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Name {
    /// The scope.
    #[prost(string, tag = "1")]
    pub scope: String,
    /// The name within the scope.
    #[prost(string, tag = "2")]
    pub name: String,
}

impl Name {
    /// Encodes the name of a stream.
    pub fn of_stream(stream: &StreamId) -> Self {
        Self { scope: stream.scope.to_string(), name: stream.name.to_string() }
    }

    /// Encodes the name of a table.
    pub fn of_table(table: &TableId) -> Self {
        Self { scope: table.scope.to_string(), name: table.name.to_string() }
    }

    /// Decodes the name of a stream.
    ///
    /// # Errors
    /// `InvalidInput` when it is not a valid name.
    pub fn stream(&self) -> Result<StreamId> {
        StreamId::stored(&self.scope, &self.name)
    }

    /// Decodes the name of a table.
    ///
    /// # Errors
    /// `InvalidInput` when it is not a valid name.
    pub fn table(&self) -> Result<TableId> {
        TableId::stored(&self.scope, &self.name)
    }
}

/// A change of one table entry, decided: without its condition.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Change {
    /// The table.
    #[prost(message, optional, tag = "1")]
    pub table: Option<Name>,
    /// The key.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: Bytes,
    /// The new value; none removes the entry.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub value: Option<Bytes>,
}

impl Change {
    /// Encodes a table change.
    pub fn of(change: &TableChange) -> Self {
        let table = Some(Name::of_table(&change.table));
        Self { table, key: change.key.clone(), value: change.value.clone() }
    }
}
