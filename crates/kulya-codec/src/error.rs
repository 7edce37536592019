//! The error of serializers and deserializers.

use crate::RegistryError;

/// The result of serializing or deserializing.
pub type CodecResult<T> = Result<T, CodecError>;

/// An error of serializing or deserializing one event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The registry returned an error or did not respond.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The bytes are not an event: they are too short, or have another protocol version.
    #[error("{0}")]
    Header(String),
    /// The codec is unknown, or the encoded payload is corrupt or too large.
    #[error("{0}")]
    Codec(String),
    /// The event's encryption key is unknown, or the key provider failed: provide the key, or try again. The
    /// text contains no more of a key than its id.
    #[error("{0}")]
    Key(String),
    /// The schema cannot be used for the operation.
    #[error("{0}")]
    Schema(String),
    /// Rows beyond the memory of a table cannot be stored or read back: the disk is full, or its limit
    /// exceeded.
    #[error("{0}")]
    Spill(String),
    /// The value does not match the schema.
    #[error("the value does not match schema {type_name}: {reason}")]
    Value {
        /// The type of the schema.
        type_name: String,
        /// The reason, from the encoder.
        reason: String,
    },
    /// The payload does not match the schema.
    #[error("the payload is not a valid {type_name}: {reason}")]
    Payload {
        /// The type of the schema.
        type_name: String,
        /// The reason, from the decoder.
        reason: String,
    },
}
