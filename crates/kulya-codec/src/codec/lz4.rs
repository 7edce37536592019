//! The LZ4 codec, by `lz4_flex`. It uses the frame format and not bare blocks: a frame has its size and a
//! checksum, and other LZ4 implementations (the command line tool, Java's `LZ4FrameInputStream`) can read it.
//! Java's registry has no LZ4; the name is the MIME type that desktops use for the format.

use super::interface::{Codec, codec_type_named, read_bounded};
use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{Read, Write};

/// The LZ4 codec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lz4;

impl Lz4 {
    /// The name in the registry.
    pub const NAME: &str = "application/x-lz4";
}

/// Bytes appended to the input. The library accepts an input that ends between two blocks as a whole frame;
/// these bytes would be the end mark of such a frame, so if any of them were read, the frame was truncated.
const END_MARK: [u8; 16] = [0; 16];

impl Codec for Lz4 {
    fn codec_type(&self) -> CodecType {
        codec_type_named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let failed = |reason: String| CodecError::Codec(format!("lz4 failed: {reason}"));
        let info = FrameInfo::new().content_size(Some(payload.len() as u64)).content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(payload).map_err(|e| failed(e.to_string()))?;
        encoder.finish().map_err(|e| failed(e.to_string()))
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let mut decoder = FrameDecoder::new(bytes.chain(&END_MARK[..]));
        let decoded = read_bounded(&mut decoder, "lz4")?;
        let (_, unread) = decoder.into_inner().into_inner();
        if unread.len() < END_MARK.len() {
            return Err(CodecError::Codec("the payload is not lz4: the frame is truncated".into()));
        }
        Ok(decoded)
    }
}
