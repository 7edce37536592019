//! RFC 1952 gzip (contract §5.3), by `flate2`.

use super::{Codec, bounded, named};
use crate::{CodecError, CodecResult};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use kulya_schema::CodecType;
use std::io::Read;

/// RFC 1952 gzip.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gzip;

impl Gzip {
    /// The name under which Java knows it.
    pub const NAME: &str = "application/x-gzip";
}

impl Codec for Gzip {
    fn codec_type(&self) -> CodecType {
        named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let mut encoded = Vec::new();
        GzEncoder::new(payload, Compression::default())
            .read_to_end(&mut encoded)
            .map_err(|e| CodecError::Codec(format!("gzip failed: {e}")))?;
        Ok(encoded)
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        // one member: what follows it is not read
        bounded(&mut GzDecoder::new(bytes), "gzip")
    }
}
