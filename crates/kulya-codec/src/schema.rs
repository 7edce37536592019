//! Registered schemas, parsed for the libraries that encode and decode values.

use crate::{CodecError, CodecResult, protobuf};
use kulya_schema::{Format, SchemaInfo, VersionInfo, avro};
use prost_reflect::MessageDescriptor;

/// A parsed schema, by its format.
pub(crate) enum ParsedSchema {
    Avro(Box<AvroWriterSchema>),
    Json,
    /// The descriptor, or why there is none (such as an import that is missing in the set). Only dynamic
    /// messages need it.
    Protobuf(Box<Result<MessageDescriptor, String>>),
    Custom,
}

/// The Avro schema of a writer.
pub(crate) struct AvroWriterSchema {
    /// For encoding and decoding values.
    pub(crate) values: apache_avro::Schema,
    /// For finding the end of a datum.
    extents: avro::Schema,
}

impl AvroWriterSchema {
    pub(crate) fn new(schema: &SchemaInfo) -> CodecResult<Self> {
        let text = String::from_utf8_lossy(&schema.data);
        let extents = avro::parse(&text).map_err(|e| unusable(schema, &e))?;
        Ok(Self { values: parse_avro(schema)?, extents })
    }

    /// Returns the datum in a payload, and the number of values in it. Trailing zero bytes of a Java writer's
    /// buffer (contract §5.4) are removed; a payload with any other trailing bytes is rejected.
    pub(crate) fn datum<'a>(&self, payload: &'a [u8]) -> Result<(&'a [u8], usize), String> {
        let extent = self.extents.datum_size(payload).map_err(|error| error.to_string())?;
        let (datum, trailing) = payload.split_at_checked(extent.bytes).unwrap_or((payload, &[]));
        if trailing.iter().any(|byte| *byte != 0) {
            return Err(format!("it is corrupt: {} bytes follow it", trailing.len()));
        }
        Ok((datum, extent.values))
    }
}

fn unusable(schema: &SchemaInfo, reason: &dyn std::fmt::Display) -> CodecError {
    CodecError::Schema(format!("Avro schema {} cannot be used: {reason}", schema.type_name))
}

impl ParsedSchema {
    /// Parses a schema under its registered name.
    pub(crate) fn new(schema: &SchemaInfo, version: &VersionInfo) -> CodecResult<Self> {
        match &schema.format {
            Format::Avro => Ok(Self::Avro(Box::new(AvroWriterSchema::new(schema)?))),
            Format::Json => Ok(Self::Json),
            Format::Protobuf => {
                let schema = SchemaInfo { type_name: version.type_name.clone(), ..schema.clone() };
                Ok(Self::Protobuf(Box::new(protobuf::message_descriptor(&schema).map_err(|e| e.to_string()))))
            }
            Format::Custom(_) => Ok(Self::Custom),
            Format::Any => Err(CodecError::Schema(format!("schema {} has no format", schema.type_name))),
        }
    }
}

/// The error of an operation for one format on a schema of another.
pub(crate) fn wrong_format(format: &str, version: &VersionInfo) -> CodecError {
    CodecError::Schema(format!("schema {} is {}, not {format}", version.type_name, version.format))
}

/// Parses an Avro schema for encoding and decoding values.
pub(crate) fn parse_avro(schema: &SchemaInfo) -> CodecResult<apache_avro::Schema> {
    let text = String::from_utf8_lossy(&schema.data);
    apache_avro::Schema::parse_str(&text).map_err(|e| unusable(schema, &e))
}
