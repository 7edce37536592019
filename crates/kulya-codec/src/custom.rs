//! Custom formats: the registry stores the schema's bytes, the user encodes and decodes the values.

use crate::{CodecError, CodecResult};
use kulya_schema::{Format, SchemaInfo, VersionInfo};

/// The error of a user's format.
pub type CustomError = Box<dyn std::error::Error + Send + Sync>;

/// A serialization format that the user implements (contract §5.2: user functions).
pub trait CustomFormat: Send + Sync {
    /// The type of the values.
    type Value;
    /// Returns the name in [`Format::Custom`].
    fn name(&self) -> &str;
    /// Encodes a value as a payload, by a registered schema.
    ///
    /// # Errors
    /// Any, when the value does not match the schema.
    fn encode(&self, schema: &SchemaInfo, value: &Self::Value) -> Result<Vec<u8>, CustomError>;
    /// Decodes a payload that was written with the schema `writer`. The bytes may be arbitrary, and a Java
    /// writer's payload may be followed by zero bytes (contract §5.4), since only the format knows where it
    /// ends.
    ///
    /// # Errors
    /// Any, when the payload is not valid.
    fn decode(&self, writer: &SchemaInfo, payload: &[u8]) -> Result<Self::Value, CustomError>;
}

/// Checks that a schema is of a custom format.
fn check_format<F: CustomFormat>(format: &F, schema: &SchemaInfo) -> CodecResult<()> {
    match &schema.format {
        Format::Custom(name) if name == format.name() => Ok(()),
        other => Err(CodecError::Schema(format!(
            "schema {} is {other}, not the custom format {}",
            schema.type_name,
            format.name()
        ))),
    }
}

pub(crate) fn encode<F: CustomFormat>(
    format: &F,
    schema: &SchemaInfo,
    version: &VersionInfo,
    value: &F::Value,
) -> CodecResult<Vec<u8>> {
    check_format(format, schema)?;
    format
        .encode(schema, value)
        .map_err(|e| CodecError::Value { type_name: version.type_name.clone(), reason: e.to_string() })
}

pub(crate) fn decode<F: CustomFormat>(
    format: &F,
    writer: &SchemaInfo,
    payload: &[u8],
) -> CodecResult<F::Value> {
    check_format(format, writer)?;
    format
        .decode(writer, payload)
        .map_err(|e| CodecError::Payload { type_name: writer.type_name.clone(), reason: e.to_string() })
}
