//! Payloads of a user's own format: the registry keeps the schema's bytes, the user turns values into payloads and back.

use crate::{CodecError, CodecResult};
use kulya_schema::{Format, SchemaInfo, VersionInfo};

/// What goes wrong in a user's format.
pub type CustomError = Box<dyn std::error::Error + Send + Sync>;

/// A format that is known to its user alone (contract §5.2: user functions).
pub trait CustomFormat: Send + Sync {
    /// What is written and read.
    type Value;
    /// The name in [`Format::Custom`].
    fn name(&self) -> &str;
    /// A value's payload under a registered schema.
    fn write(&self, schema: &SchemaInfo, value: &Self::Value) -> Result<Vec<u8>, CustomError>;
    /// The value of a payload that was written under `writer`. Any bytes may come; and behind the payload of a Java writer
    /// there may be zero bytes (contract §5.4), since only the format knows where it ends.
    fn read(&self, writer: &SchemaInfo, payload: &[u8]) -> Result<Self::Value, CustomError>;
}

/// Refuses a schema that is of another format.
fn check<F: CustomFormat>(format: &F, schema: &SchemaInfo) -> CodecResult<()> {
    match &schema.format {
        Format::Custom(name) if name == format.name() => Ok(()),
        other => Err(CodecError::Schema(format!(
            "schema {} is {other}, not the custom format {}",
            schema.type_name,
            format.name()
        ))),
    }
}

pub(crate) fn write<F: CustomFormat>(
    format: &F,
    schema: &SchemaInfo,
    version: &VersionInfo,
    value: &F::Value,
) -> CodecResult<Vec<u8>> {
    check(format, schema)?;
    format
        .write(schema, value)
        .map_err(|e| CodecError::Value { type_name: version.type_name.clone(), why: e.to_string() })
}

pub(crate) fn read<F: CustomFormat>(
    format: &F,
    writer: &SchemaInfo,
    payload: &[u8],
) -> CodecResult<F::Value> {
    check(format, writer)?;
    format
        .read(writer, payload)
        .map_err(|e| CodecError::Payload { type_name: writer.type_name.clone(), why: e.to_string() })
}
