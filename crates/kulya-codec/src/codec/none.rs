//! The identity codec (contract §5.3: the empty name).

use super::interface::Codec;
use crate::CodecResult;
use kulya_schema::CodecType;

/// The identity codec: payloads are not encoded.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCodec;

impl Codec for NoCodec {
    fn codec_type(&self) -> CodecType {
        CodecType::default()
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        Ok(payload.to_vec())
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        super::interface::check_decoded_size(bytes.len() as u64, "plain")?;
        Ok(bytes.to_vec())
    }
}
