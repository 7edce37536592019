//! A raw Snappy block, under a name that promises the framing format: so Java writes it, and so it is read (contract
//! §5.3). By `snap`.

use super::{Codec, fits, named};
use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;

/// A raw Snappy block: the length as a varint, then literals and copies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snappy;

impl Snappy {
    /// The name under which Java knows it, though the bytes are not the framing format.
    pub const NAME: &str = "application/x-snappy-framed";
}

impl Codec for Snappy {
    fn codec_type(&self) -> CodecType {
        named(Self::NAME)
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        snap::raw::Encoder::new()
            .compress_vec(payload)
            .map_err(|e| CodecError::Codec(format!("snappy failed: {e}")))
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let damaged = |why: &str| CodecError::Codec(format!("the payload is not snappy: {why}"));
        let length = snap::raw::decompress_len(bytes).map_err(|e| damaged(&e.to_string()))?;
        fits(length as u64, "snappy")?;
        // the length is only a claim until the elements add up to it; so no memory is taken for a false one
        let block = block(bytes, length).ok_or_else(|| damaged("its parts do not add up to its length"))?;
        snap::raw::Decoder::new().decompress_vec(block).map_err(|e| damaged(&e.to_string()))
    }
}

/// The block without the zero bytes behind it, if its elements give `length` bytes. The library takes only exact blocks,
/// and a block may itself end with zero bytes: where it ends is known by its elements alone (Snappy's format
/// description, section 2).
fn block(bytes: &[u8], length: usize) -> Option<&[u8]> {
    let preamble = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (mut at, mut given) = (preamble, 0usize);
    while given < length {
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
        given = given.checked_add(part)?;
    }
    let (block, rest) = bytes.split_at_checked(at)?;
    (given == length && rest.iter().all(|byte| *byte == 0)).then_some(block)
}
