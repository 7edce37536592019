//! Decoders of events to Arrow record batches and encoders of rows, for query engines.
//!
//! - [`JsonRows`]: payloads in JSON, with the columns of a JSON schema ([`columns`]) or of a Flink table
//!   ([`flink_columns`]);
//! - [`RegistryDecoder`]: events with the five-byte header, and [`PlainDecoder`]: events without it, of a
//!   format's [`PayloadDecoder`]: [`AvroPayloads`], [`ProtobufPayloads`], [`CsvPayloads`], [`RawPayloads`];
//! - [`CollectingDecoder`]: events of a program's own format, by its [`EventDecoder`];
//! - [`BatchEncoder`]s: [`AvroEncoder`], [`JsonEncoder`], [`ProtobufEncoder`], [`CsvEncoder`],
//!   [`RawEncoder`], of changes [`JsonChangeEncoder`] and [`AvroChangeEncoder`], with the header
//!   [`HeaderEncoder`];
//! - [`avro_schema`], [`avro_envelope_schema`], [`json_schema`] and [`protobuf_schema`]: the schemas of
//!   columns in a registry;
//! - [`ChangeLogRows`]: rows with their kinds from the events of a change log in JSON;
//! - [`RowState`]: the rows that such changes leave, in memory and beyond a bound in a [`SpillTarget`];
//! - [`CurrentRows`]: the same from the events of a capture in Debezium's JSON, and [`CapturedChanges`] the
//!   changes of these for who keeps the rows; [`ChangeEvents`] gives the
//!   JSON of those with a header, [`row_schema`] the schema of their rows, and [`RowHistory`] the
//!   present columns of older rows.

mod avro;
mod batch_decoder;
mod change_event;
mod change_log;
mod collector;
mod column;
mod column_buffer;
mod csv;
mod current_rows;
mod decimal;
mod derivation;
mod encoder;
mod json;
mod payload;
mod protobuf;
mod raw;
mod row_history;
mod timestamp_format;

pub use avro::{AvroChangeEncoder, AvroChangePayloads, AvroEncoder, AvroPayloads};
pub use batch_decoder::{BatchDecoder, BatchEncoder, Decoded, DecodedBatch, RowKind};
pub use change_event::{ChangeEvents, row_schema};
pub use change_log::{ChangeLogFormat, ChangeLogRows, TableFilter, metadata_columns};
pub use collector::{CollectingDecoder, EventDecoder, RowCollector};
pub use column::{Column, ColumnType, arrow_schema, columns, primary_key};
pub use column_buffer::Scalar;
pub use csv::{CsvEncoder, CsvOptions, CsvPayloads};
pub use current_rows::{CapturedChanges, CurrentRows, RowIdentity, RowState, SpillTarget};
pub use derivation::{
    FLINK_RECORD_NAME, PROTOBUF_MESSAGE_NAME, TimestampMapping, avro_envelope_schema, avro_schema,
    json_schema, protobuf_schema,
};
pub use encoder::{ChangeForm, HeaderEncoder, JsonChangeEncoder, JsonEncoder, JsonOptions};
pub use json::{FlinkJsonOptions, JsonRows, flink_columns};
pub use payload::{PayloadDecoder, PayloadRows, PlainDecoder, RegistryDecoder};
pub use protobuf::{ProtobufEncoder, ProtobufOptions, ProtobufPayloads, protobuf_columns};
pub use raw::{Charset, RawEncoder, RawOptions, RawPayloads};
pub use row_history::RowHistory;
pub use timestamp_format::TimestampFormat;

/// The maximum number of rows of a batch.
pub const BATCH_ROWS: usize = 8192;
/// The size of events, in bytes, after which a batch is complete.
const BATCH_BYTES: usize = 16 << 20;
