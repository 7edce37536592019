//! A registered schema, read once for the library that writes and reads its values.

use crate::{CodecError, CodecResult, protobuf};
use kulya_schema::{Format, SchemaInfo, VersionInfo};
use prost_reflect::MessageDescriptor;

/// What values of a schema are written and read with.
pub(crate) enum Parsed {
    Avro(Box<apache_avro::Schema>),
    Json,
    /// A typed message needs no descriptor, so one that cannot be had (an import is missing from the set) is missed only by
    /// dynamic messages; then this says why.
    Protobuf(Box<Result<MessageDescriptor, String>>),
    Custom,
}

impl Parsed {
    /// Reads a schema under its registered name.
    pub(crate) fn new(schema: &SchemaInfo, version: &VersionInfo) -> CodecResult<Self> {
        match &schema.format {
            Format::Avro => Ok(Self::Avro(Box::new(parse_avro(schema)?))),
            Format::Json => Ok(Self::Json),
            Format::Protobuf => {
                let named = SchemaInfo { type_name: version.type_name.clone(), ..schema.clone() };
                Ok(Self::Protobuf(Box::new(protobuf::message(&named).map_err(|e| e.to_string()))))
            }
            Format::Custom(_) => Ok(Self::Custom),
            Format::Any => Err(CodecError::Schema(format!("schema {} has no format", schema.type_name))),
        }
    }
}

/// The error of a schema that is asked for values of another format.
pub(crate) fn not_of(format: &str, version: &VersionInfo) -> CodecError {
    CodecError::Schema(format!("schema {} is {}, not {format}", version.type_name, version.format))
}

/// Reads an Avro schema with the library that writes its values.
pub(crate) fn parse_avro(schema: &SchemaInfo) -> CodecResult<apache_avro::Schema> {
    let text = String::from_utf8_lossy(&schema.data);
    apache_avro::Schema::parse_str(&text)
        .map_err(|e| CodecError::Schema(format!("Avro schema {} cannot be used: {e}", schema.type_name)))
}
