//! Debezium's event format, shared by all sources: the schemas of rows, the modes by which values are
//! represented, the JSON of values, and what surrounds the rows: topics, envelopes, transaction metadata.

pub(crate) mod change;
pub mod connector;
pub mod envelope;
pub mod format;
pub(crate) mod json;
pub(crate) mod modes;
pub(crate) mod replaced_values;
pub(crate) mod row_image;
mod row_schema;
pub mod topic;
pub mod transaction;

pub use modes::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode, TimePrecision,
    ValueModes,
};
pub use row_schema::{ColumnDescription, RowSchema};
