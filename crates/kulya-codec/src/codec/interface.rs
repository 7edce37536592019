//! The trait of all codecs, and the bound of a decoder's output.

use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;
use std::io::Read;
use std::sync::Arc;

/// The maximum size of a decoded payload, in bytes; more is a decompression bomb and not an event.
pub const MAX_DECODED_BYTES: usize = 64 << 20;

/// Encodes and decodes payloads.
pub trait Codec: Send + Sync + 'static {
    /// Returns the name, and the properties that a decoder needs, for the registry.
    fn codec_type(&self) -> CodecType;
    /// Encodes one payload.
    ///
    /// # Errors
    /// `Codec` when the payload cannot be encoded, `Key` when the encryption key is not available.
    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>>;
    /// Decodes one payload to at most [`MAX_DECODED_BYTES`].
    ///
    /// # Errors
    /// `Codec` when the bytes are corrupt or decode to more, `Key` when the encryption key is not available.
    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>>;
}

impl Codec for Arc<dyn Codec> {
    fn codec_type(&self) -> CodecType {
        (**self).codec_type()
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        (**self).encode(payload)
    }

    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        (**self).decode(bytes, codec_type)
    }
}

/// Returns a codec type without properties.
pub(super) fn codec_type_named(name: &str) -> CodecType {
    CodecType { name: name.to_owned(), ..CodecType::default() }
}

/// Reads the output of a decompressor, up to [`MAX_DECODED_BYTES`].
pub(super) fn read_bounded(decoder: &mut impl Read, codec: &str) -> CodecResult<Vec<u8>> {
    let mut decoded = Vec::new();
    let limit = MAX_DECODED_BYTES as u64 + 1;
    decoder
        .take(limit)
        .read_to_end(&mut decoded)
        .map_err(|e| CodecError::Codec(format!("the payload is not {codec}: {e}")))?;
    check_decoded_size(decoded.len() as u64, codec)?;
    Ok(decoded)
}

/// Rejects a decoded size above [`MAX_DECODED_BYTES`].
pub(super) fn check_decoded_size(bytes: u64, codec: &str) -> CodecResult<()> {
    if bytes > MAX_DECODED_BYTES as u64 {
        return Err(CodecError::Codec(format!(
            "the {codec} payload is larger than {MAX_DECODED_BYTES} bytes"
        )));
    }
    Ok(())
}
