//! The gzip codec (RFC 1952, contract §5.3), by `flate2`.

use super::interface::{Codec, codec_type_named, read_bounded};
use crate::{CodecError, CodecResult};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use kulya_schema::CodecType;
use std::io::Read;

/// The gzip codec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gzip;

impl Gzip {
    /// The name in the registry, as in Java.
    pub const NAME: &str = "application/x-gzip";
}

impl Codec for Gzip {
    fn codec_type(&self) -> CodecType {
        codec_type_named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let mut encoded = Vec::new();
        GzEncoder::new(payload, Compression::default())
            .read_to_end(&mut encoded)
            .map_err(|e| CodecError::Codec(format!("gzip failed: {e}")))?;
        Ok(encoded)
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        // one member: bytes after it are ignored
        read_bounded(&mut GzDecoder::new(bytes), "gzip")
    }
}
