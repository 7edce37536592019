//! Debezium's event format, shared by all sources: the schemas of rows, the modes by which values are
//! represented, and the JSON of values.

pub(crate) mod json;
pub(crate) mod modes;
mod replaced;
mod row_schema;

pub use modes::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode, TimePrecision,
    ValueModes,
};
pub use replaced::Replaced;
pub use row_schema::{ColumnDescription, RowSchema};
