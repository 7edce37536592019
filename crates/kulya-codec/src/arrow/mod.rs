//! Decoders of events to Arrow record batches, for query engines.
//!
//! - [`AvroBatchDecoder`]: events of an Avro group with any writer schemas, resolved to one reader schema;
//! - [`JsonRows`]: payloads in JSON, with the columns of a JSON schema ([`columns`]) or of a Flink table
//!   ([`flink_columns`]); [`JsonBatchDecoder`]: events of a JSON group;
//! - [`ChangeLogRows`]: rows with their kinds from the events of a change log in JSON;
//! - [`CurrentRows`]: the rows of a table from its changelog in Debezium's JSON; [`change_event_json`] gives
//!   the JSON of events that are Avro, [`row_schema`] the schema of their rows, and [`RowHistory`] the
//!   present columns of older rows.

mod avro;
mod batch_decoder;
mod change_event;
mod change_log;
mod column;
mod current_rows;
mod decimal;
mod json;
mod row_history;

pub use avro::AvroBatchDecoder;
pub use batch_decoder::{BatchDecoder, BatchEncoder, Decoded, DecodedBatch, RowKind};
pub use change_event::{change_event_json, row_schema};
pub use change_log::{ChangeLogFormat, ChangeLogRows, TableFilter, metadata_columns};
pub use column::{Column, ColumnType, arrow_schema, columns, primary_key};
pub use current_rows::{CurrentRows, SpillTarget};
pub use json::{FlinkJsonOptions, JsonBatchDecoder, JsonRows, TimestampFormat, flink_columns};
pub use row_history::RowHistory;

/// The maximum number of rows of a batch.
pub const BATCH_ROWS: usize = 8192;
/// The size of events, in bytes, after which a batch is complete.
const BATCH_BYTES: usize = 16 << 20;
