//! The LZ4 frame format, by `lz4_flex`. The frame rather than the bare block: it says its own size, carries a checksum,
//! and every other LZ4 (the command line's, Java's `LZ4FrameInputStream`) reads it. Java's registry has no LZ4, so the
//! name is ours: the one that file managers know the format by.

use super::{Codec, bounded, named};
use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{Read, Write};

/// An LZ4 frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lz4;

impl Lz4 {
    /// Its name in the registry.
    pub const NAME: &str = "application/x-lz4";
}

/// The library takes an input that ends between two blocks for a whole frame. These bytes behind the input would end
/// such a frame; if they were read, the frame's own end was missing.
const BEHIND: [u8; 16] = [0; 16];

impl Codec for Lz4 {
    fn codec_type(&self) -> CodecType {
        named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let failed = |why: String| CodecError::Codec(format!("lz4 failed: {why}"));
        let info = FrameInfo::new().content_size(Some(payload.len() as u64)).content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(payload).map_err(|e| failed(e.to_string()))?;
        encoder.finish().map_err(|e| failed(e.to_string()))
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let mut decoder = FrameDecoder::new(bytes.chain(&BEHIND[..]));
        let decoded = bounded(&mut decoder, "lz4")?;
        let (_, behind) = decoder.into_inner().into_inner();
        if behind.len() < BEHIND.len() {
            return Err(CodecError::Codec("the payload is not lz4: the frame's end is missing".into()));
        }
        Ok(decoded)
    }
}
