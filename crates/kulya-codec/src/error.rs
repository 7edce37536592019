//! What can go wrong between a value and its bytes.

use crate::RegistryError;

/// The codec's result.
pub type CodecResult<T> = Result<T, CodecError>;

/// An error of writing or reading one event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The registry refused or did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The bytes are no event: too short, or of another protocol version.
    #[error("{0}")]
    Header(String),
    /// The codec is not known here, or its bytes are damaged or too large.
    #[error("{0}")]
    Codec(String),
    /// The key that an event is encrypted with is not known here, or the provider of keys failed: give it the key, or try
    /// again. Never says more of a key than its id.
    #[error("{0}")]
    Key(String),
    /// The schema cannot be used for what was asked.
    #[error("{0}")]
    Schema(String),
    /// The value does not fit the schema.
    #[error("the value does not fit schema {type_name}: {why}")]
    Value {
        /// The schema's type.
        type_name: String,
        /// What the encoder says.
        why: String,
    },
    /// The payload is not what its schema says.
    #[error("the payload is no {type_name}: {why}")]
    Payload {
        /// The schema's type.
        type_name: String,
        /// What the decoder says.
        why: String,
    },
}
