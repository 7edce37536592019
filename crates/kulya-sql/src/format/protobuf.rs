//! Protobuf without a header: the table's definition has the descriptors of its message, or they follow from
//! its columns.

use super::registry::projected;
use super::{RowFormat, WantedRows, no_columns};
use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    BatchDecoder, BatchEncoder, PROTOBUF_MESSAGE_NAME, PlainDecoder, ProtobufEncoder, ProtobufOptions,
    ProtobufPayloads, protobuf_schema,
};
use kulya_schema::{Format, SchemaInfo};
use std::sync::Arc;

/// The option with the descriptors.
const DESCRIPTORS: &str = "descriptor-set";
/// The option with the name of the message.
const MESSAGE: &str = "message-class-name";

#[derive(Debug)]
pub(super) struct Protobuf {
    schema: SchemaRef,
    message: SchemaInfo,
    options: ProtobufOptions,
}

impl Protobuf {
    /// Creates the format of a table with these columns.
    ///
    /// # Errors
    /// `InvalidOption` with only one of a message and its descriptors, `TypeMismatch` for columns that it
    /// does not have.
    pub(super) fn new(schema: SchemaRef, options: &Options) -> SqlResult<Self> {
        let message = match (options.get(MESSAGE), options.get(DESCRIPTORS)) {
            (None, None) => {
                let set = protobuf_schema(schema.fields()).map_err(no_columns)?;
                SchemaInfo::new(PROTOBUF_MESSAGE_NAME, Format::Protobuf, set)
            }
            (name, descriptors) => given_message(name, descriptors)?,
        };
        let options = ProtobufOptions {
            ignore_parse_errors: options.is_true("ignore-parse-errors"),
            read_default_values: options.is_true("read-default-values"),
            write_null_string_literal: options
                .get("write-null-string-literal")
                .unwrap_or_default()
                .to_owned(),
        };
        let format = Self { schema, message, options };
        let all: Vec<usize> = (0..format.schema.fields().len()).collect();
        format.decoder(&WantedRows { columns: &all, ..WantedRows::default() }).map_err(no_columns)?;
        ProtobufEncoder::new(&format.message, &format.schema, format.options.clone()).map_err(no_columns)?;
        Ok(format)
    }
}

/// Returns the message of the options.
fn given_message(name: Option<&str>, descriptors: Option<&str>) -> SqlResult<SchemaInfo> {
    let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
    let Some(name) = name else {
        let what =
            format!("'protobuf.{DESCRIPTORS}' needs 'protobuf.{MESSAGE}', the full name of the message type");
        return Err(invalid(what));
    };
    let Some(descriptors) = descriptors else {
        return Err(invalid(format!(
            "'protobuf.{MESSAGE}' needs 'protobuf.{DESCRIPTORS}', the descriptors of message {name}: in base64, as \
             protoc --include_imports --descriptor_set_out=/dev/stdout FILE.proto | base64 -w0 prints them"
        )));
    };
    let descriptors = STANDARD
        .decode(descriptors.trim())
        .map_err(|e| invalid(format!("option 'protobuf.{DESCRIPTORS}' is not base64: {e}")).because(e))?;
    let message = SchemaInfo::new(name, Format::Protobuf, descriptors);
    kulya_codec::protobuf::message_descriptor(&message)
        .map_err(|e| invalid(format!("option 'protobuf.{DESCRIPTORS}': {e}")).because(e))?;
    Ok(message)
}

#[async_trait]
impl RowFormat for Protobuf {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns = projected(&self.schema, wanted.columns)?;
        let payloads = ProtobufPayloads::new(columns, self.options.clone())?;
        let decoder = PlainDecoder::new(payloads, self.message.clone())?;
        Ok(Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let encoder = ProtobufEncoder::new(&self.message, &self.schema, self.options.clone());
        Ok(Box::new(encoder.map_err(no_columns)?))
    }
}
