//! Rows as Protobuf messages, with the options of Flink's format `protobuf`: a column is the field of its
//! name, by the descriptors of the writer's schema.

mod columns;
mod decoder;
mod encoder;
mod plan;
mod row;
mod wire;

pub use columns::protobuf_columns;
pub use decoder::ProtobufPayloads;
pub use encoder::ProtobufEncoder;

/// The full name of the message that is read and written as a timestamp.
const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The options of messages. The default is Flink's.
#[derive(Debug, Clone, Default)]
pub struct ProtobufOptions {
    /// `ignore-parse-errors`: a message that cannot be read is no row.
    pub ignore_parse_errors: bool,
    /// `read-default-values`: a field that is not there has its default instead of null. Fields that cannot
    /// tell whether they are there have it always.
    pub read_default_values: bool,
    /// `write-null-string-literal`, for null strings in arrays and maps; other types have their default
    /// there.
    pub write_null_string_literal: String,
}
