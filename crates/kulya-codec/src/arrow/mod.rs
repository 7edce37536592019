//! Whole batches of events as Arrow record batches, for query engines.
//!
//! - [`AvroBatches`]: events of an Avro group, whatever schema each was written with, resolved to one reader schema;
//! - [`JsonBatches`]: events of a JSON group, by the columns that a JSON schema gives ([`columns`]);
//! - [`rows_to_batch`]: rows that are JSON objects already (the rows of a change log).

mod avro;
mod column;
mod json;

pub use avro::AvroBatches;
pub use column::{Column, ColumnType, arrow_schema, columns, primary_key};
pub use json::{JsonBatches, rows_to_batch};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 8192;
/// Bytes of events after which a batch is whole, however few rows it has.
const BATCH_BYTES: usize = 16 << 20;
