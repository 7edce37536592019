//! A registered schema, read once for the library that writes and reads its values.

use crate::{CodecError, CodecResult, protobuf};
use kulya_schema::{Format, SchemaInfo, VersionInfo, avro};
use prost_reflect::MessageDescriptor;

/// What values of a schema are written and read with.
pub(crate) enum Parsed {
    Avro(Box<AvroWriter>),
    Json,
    /// A typed message needs no descriptor, so one that cannot be had (an import is missing from the set) is missed only by
    /// dynamic messages; then this says why.
    Protobuf(Box<Result<MessageDescriptor, String>>),
    Custom,
}

/// An Avro schema that events were written with.
pub(crate) struct AvroWriter {
    /// For the library that makes values.
    pub(crate) values: apache_avro::Schema,
    /// Says where an event ends.
    extents: avro::Schema,
}

impl AvroWriter {
    pub(crate) fn new(schema: &SchemaInfo) -> CodecResult<Self> {
        let text = String::from_utf8_lossy(&schema.data);
        let extents = avro::parse(&text).map_err(|e| unusable(schema, &e))?;
        Ok(Self { values: parse_avro(schema)?, extents })
    }

    /// The one datum that a payload is, and how many values it holds. Zero bytes that a Java writer's buffer left behind it
    /// (contract §5.4) are no part of it; of anything else behind it nothing can be told, and it is refused.
    pub(crate) fn datum<'a>(&self, payload: &'a [u8]) -> Result<(&'a [u8], usize), String> {
        let extent = self.extents.extent(payload).map_err(|damage| damage.to_string())?;
        let (datum, behind) = payload.split_at_checked(extent.bytes).unwrap_or((payload, &[]));
        if behind.iter().any(|byte| *byte != 0) {
            return Err(format!("it is damaged: {} bytes follow it", behind.len()));
        }
        Ok((datum, extent.values))
    }
}

fn unusable(schema: &SchemaInfo, why: &dyn std::fmt::Display) -> CodecError {
    CodecError::Schema(format!("Avro schema {} cannot be used: {why}", schema.type_name))
}

impl Parsed {
    /// Reads a schema under its registered name.
    pub(crate) fn new(schema: &SchemaInfo, version: &VersionInfo) -> CodecResult<Self> {
        match &schema.format {
            Format::Avro => Ok(Self::Avro(Box::new(AvroWriter::new(schema)?))),
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
    apache_avro::Schema::parse_str(&text).map_err(|e| unusable(schema, &e))
}
