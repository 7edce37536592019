//! The Zstandard codec (RFC 8878), by `zstd`, the reference implementation. Java's registry has no Zstandard;
//! the name is the media type that the RFC registers.

use super::interface::{Codec, check_decoded_size, codec_type_named, read_bounded};
use crate::{CodecError, CodecResult};
use ::zstd::stream::read::Decoder;
use ::zstd::zstd_safe::get_frame_content_size;
use kulya_schema::CodecType;

/// The Zstandard codec: a frame with its size and a checksum.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zstd;

impl Zstd {
    /// The name in the registry.
    pub const NAME: &str = "application/zstd";
}

/// The decoder's maximum window, as a power of two: the maximum decoded size.
const WINDOW_LOG: u32 = super::interface::MAX_DECODED_BYTES.ilog2();

impl Codec for Zstd {
    fn codec_type(&self) -> CodecType {
        codec_type_named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let failed = |e: std::io::Error| CodecError::Codec(format!("zstd failed: {e}"));
        let mut compressor =
            ::zstd::bulk::Compressor::new(::zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?;
        compressor.include_checksum(true).map_err(failed)?;
        compressor.compress(payload).map_err(failed)
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let corrupt = |reason: String| CodecError::Codec(format!("the payload is not zstd: {reason}"));
        let declared_size = get_frame_content_size(bytes).map_err(|e| corrupt(e.to_string()))?;
        check_decoded_size(declared_size.unwrap_or_default(), "zstd")?;
        let mut decoder = Decoder::with_buffer(bytes).map_err(|e| corrupt(e.to_string()))?.single_frame();
        decoder.window_log_max(WINDOW_LOG).map_err(|e| corrupt(e.to_string()))?;
        read_bounded(&mut decoder, "zstd")
    }
}
