//! Formats: how the events of a table become rows, and rows events.

mod change_log;
mod library;
mod plain;
mod protobuf;
mod registry;
mod wanted;

pub use library::{FormatFactory, FormatTable};
pub use wanted::{ChangeKey, WantedRows};

pub(crate) use library::FormatLibrary;
pub(crate) use plain::{plain_format, timestamp_mapping};
pub(crate) use registry::{RegistryAvro, RegistryChanges, RegistryJson, RegistryProtobuf};

use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use kulya_codec::arrow::{BatchDecoder, BatchEncoder, FlinkJsonOptions, JsonOptions, TimestampFormat};
use kulya_codec::{CodecError, CodecResult};
use std::fmt::Debug;

/// A format of a table, with its options. A program implements it for a format of its own and adds it by a
/// [`FormatFactory`]; [`CollectingDecoder`](kulya_codec::arrow::CollectingDecoder) makes a decoder of a
/// function that turns one event into rows.
#[async_trait]
pub trait RowFormat: Debug + Send + Sync {
    /// Returns the schema of the rows: the physical columns of the table.
    fn schema(&self) -> SchemaRef;

    /// Returns a decoder of the wanted rows: batches of the wanted columns, then the metadata.
    ///
    /// # Errors
    /// `Schema` when the columns cannot be read in this format.
    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>>;

    /// Returns the metadata that events have beside the rows: keys without the prefix `from_format.`, and
    /// types.
    fn metadata(&self) -> Vec<Field> {
        Vec::new()
    }

    /// Returns whether events are changes of rows, of all four kinds.
    fn is_change_log(&self) -> bool {
        false
    }

    /// Returns an encoder of rows of the table.
    ///
    /// # Errors
    /// `Incompatible` when the registry refuses the rows' schema, and `NotSupported` for a format that is
    /// only read.
    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>>;
}

/// Returns the options for reading JSON.
fn json_reading(options: &Options) -> FlinkJsonOptions {
    FlinkJsonOptions {
        fail_on_missing_field: options.is_true("fail-on-missing-field"),
        ignore_parse_errors: options.is_true("ignore-parse-errors"),
        timestamp_format: timestamp_format(options),
    }
}

/// Returns the options for writing JSON.
fn json_writing(options: &Options) -> JsonOptions {
    JsonOptions {
        timestamp_format: timestamp_format(options),
        plain_decimals: options.is_true("encode.decimal-as-plain-number"),
        ignore_null_fields: options.is_true("encode.ignore-null-fields"),
    }
}

fn timestamp_format(options: &Options) -> TimestampFormat {
    match options.get("timestamp-format.standard") {
        Some("ISO-8601") => TimestampFormat::Iso8601,
        _ => TimestampFormat::Sql,
    }
}

/// Returns the error of columns that a format does not have.
fn no_columns(error: CodecError) -> SqlError {
    SqlError::new(SqlErrorKind::TypeMismatch, error.to_string()).because(error)
}
