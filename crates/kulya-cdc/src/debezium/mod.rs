//! Debezium's event format, shared by all sources: the schemas of rows, the modes by which values are
//! represented, the JSON of values, and what surrounds the rows: topics, envelopes, schemas, headers and
//! transaction metadata; and the records that belong to no table.

pub mod avro;
pub(crate) mod change;
pub mod connect_schema;
pub mod connector;
mod encoding;
pub mod envelope;
pub(crate) mod events;
pub mod format;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub mod headers;
pub mod heartbeat;
pub(crate) mod json;
pub mod json_schema;
pub mod message;
pub(crate) mod modes;
pub mod name_adjustment;
mod replaced;
pub(crate) mod replaced_values;
pub(crate) mod required_columns;
pub(crate) mod row_image;
mod row_schema;
pub mod schema_change;
pub(crate) mod snapshot_mark;
pub mod topic;
pub mod transaction;
pub(crate) mod written;

#[cfg(test)]
mod tests;

pub use encoding::Encoding;
pub use modes::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode, TimePrecision,
    ValueModes,
};
pub use replaced::Replaced;
pub use row_schema::{ColumnDescription, ColumnHistory, RowSchema};
pub use written::Written;
