//! Debezium's event format, shared by all sources: the schemas of rows, the modes by which values are
//! represented, the JSON of values, and what surrounds the rows: topics, envelopes, schemas, headers and
//! transaction metadata; and the records that belong to no table.

pub mod connect_schema;
pub mod connector;
pub mod envelope;
pub mod format;
pub mod headers;
pub mod heartbeat;
pub(crate) mod json;
pub mod message;
pub(crate) mod modes;
mod row_schema;
pub mod schema_change;
pub mod topic;
pub mod transaction;

#[cfg(test)]
mod tests;

pub use modes::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode, TimePrecision,
    ValueModes,
};
pub use row_schema::{ColumnDescription, RowSchema};
