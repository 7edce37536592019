//! The Snappy codec, by `snap`. It uses the raw block format under the name of the framing format, as Java
//! does (contract §5.3).

use super::interface::{Codec, check_decoded_size, codec_type_named};
use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;

/// The Snappy codec: a raw block, which is the length as a varint, then literals and copies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snappy;

impl Snappy {
    /// The name in the registry, as in Java, although the bytes are not in the framing format.
    pub const NAME: &str = "application/x-snappy-framed";
}

impl Codec for Snappy {
    fn codec_type(&self) -> CodecType {
        codec_type_named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        snap::raw::Encoder::new()
            .compress_vec(payload)
            .map_err(|e| CodecError::Codec(format!("snappy failed: {e}")))
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let corrupt = |reason: &str| CodecError::Codec(format!("the payload is not snappy: {reason}"));
        let length = snap::raw::decompress_len(bytes).map_err(|e| corrupt(&e.to_string()))?;
        check_decoded_size(length as u64, "snappy")?;
        // the declared length is checked against the elements first, so that no memory is allocated for a
        // false one
        let block =
            block(bytes, length).ok_or_else(|| corrupt("its elements do not add up to its length"))?;
        snap::raw::Decoder::new().decompress_vec(block).map_err(|e| corrupt(&e.to_string()))
    }
}

/// Returns the block without trailing zero bytes, if its elements decode to `length` bytes. The library
/// accepts only exact blocks, and a block may itself end with zero bytes, so its end is found by its elements
/// (Snappy's format description, section 2).
fn block(bytes: &[u8], length: usize) -> Option<&[u8]> {
    let preamble = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (mut at, mut decoded) = (preamble, 0usize);
    while decoded < length {
        let tag = usize::from(*bytes.get(at)?);
        at += 1;
        let part = match tag & 3 {
            0 => {
                let mut literal = tag >> 2;
                // 60 to 63: the length is in the next one to four bytes
                if literal >= 60 {
                    let more = literal - 59;
                    let digits = bytes.get(at..at + more)?;
                    literal = digits.iter().rev().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
                    at += more;
                }
                literal = literal.checked_add(1)?;
                at = at.checked_add(literal)?;
                literal
            }
            1 => {
                at += 1;
                (tag >> 2 & 7) + 4
            }
            wide => {
                at += 2 * (wide - 1);
                (tag >> 2) + 1
            }
        };
        decoded = decoded.checked_add(part)?;
    }
    let (block, rest) = bytes.split_at_checked(at)?;
    (decoded == length && rest.iter().all(|byte| *byte == 0)).then_some(block)
}
