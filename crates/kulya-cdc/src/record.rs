//! The records that a sink receives.

use crate::RowSchema;
use std::borrow::Cow;
use std::sync::Arc;

/// An event to be written by a sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Debezium's topic name: `prefix.schema.table`, invalid characters replaced by `_`.
    pub topic: String,
    /// The changed table; `None` for transaction boundaries and logical decoding messages.
    pub table: Option<Arc<RowSchema>>,
    /// The primary key as JSON; `None` for tables without one.
    pub key: Option<String>,
    /// The envelope as JSON; `None` for a tombstone, which follows a delete.
    pub value: Option<String>,
    /// Debezium's headers: name and JSON value.
    pub headers: Vec<(Cow<'static, str>, String)>,
}
