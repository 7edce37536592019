//! The bytes around a payload.

use std::sync::Arc;

/// What stands around a payload: `{"schema":…,"payload":` and `}`, or nothing. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaBlock {
    /// Empty for a payload without a schema.
    prefix: Arc<str>,
}

impl SchemaBlock {
    /// Returns the block of payloads without a schema.
    pub fn bare() -> Self {
        Self { prefix: Arc::from("") }
    }

    /// Returns the block of payloads with a schema.
    pub fn with_schema(schema: &str) -> Self {
        Self { prefix: Arc::from(format!("{{\"schema\":{schema},\"payload\":")) }
    }

    /// Returns the block of payloads with a schema, or without one.
    pub(super) fn of(has_schema: bool, schema: impl FnOnce(&mut Vec<u8>)) -> Self {
        if !has_schema {
            return Self::bare();
        }
        let mut json = Vec::new();
        schema(&mut json);
        Self::with_schema(&String::from_utf8_lossy(&json))
    }

    /// Whether payloads have a schema.
    pub fn has_schema(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Writes a payload and what stands around it. The payload's JSON is written by the caller, into the same
    /// buffer.
    pub fn write<R>(&self, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        out.extend_from_slice(self.prefix.as_bytes());
        let result = payload(out);
        if self.has_schema() {
            out.push(b'}');
        }
        result
    }
}
