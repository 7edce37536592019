//! Decompression within MariaDB's events and columns: a header with the length, then zlib's bytes. The memory
//! used is bounded by a limit and by the declared length, and is reserved as the bytes come.

use super::error::BinlogError;
use super::reader::Reader;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use std::io::Read;

type Result<T> = std::result::Result<T, BinlogError>;

/// Decompresses the variable part of an event: one byte 0x80 | algorithm << 4 | n, then the length in n
/// bytes.
pub(super) fn decompress_event(bytes: &[u8], limit: u64, part: &'static str) -> Result<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let length = event_length(&mut reader, part)?;
    inflate(ZlibDecoder::new(reader.rest()), length, limit, part)
}

/// Reads what stands in front of the compressed part of an event: the length of the decompressed bytes.
pub(super) fn event_length(reader: &mut Reader<'_>, part: &'static str) -> Result<u64> {
    let head = reader.u8(part)?;
    if head & 0x80 == 0 {
        return Err(BinlogError::malformed(part));
    }
    let algorithm = head >> 4 & 0x7;
    if algorithm != 0 {
        return Err(BinlogError::CompressionAlgorithm { part, algorithm: algorithm.into() });
    }
    reader.uint_be(usize::from(head & 0x7), part)
}

/// Decompresses the bytes of a COMPRESSED column: one byte method << 4 | raw << 3 | n, then the length in n
/// bytes; method 0 is without compression and length.
pub(super) fn decompress_column(bytes: &[u8], limit: u64) -> Result<std::borrow::Cow<'_, [u8]>> {
    const PART: &str = "a COMPRESSED column";
    if bytes.is_empty() {
        return Ok(bytes.into());
    }
    let mut reader = Reader::new(bytes);
    let head = reader.u8(PART)?;
    match head >> 4 {
        0 => Ok(reader.rest().into()),
        8 => {
            let length = reader.uint_be(usize::from(head & 0x7), PART)?;
            let is_raw = head & 0x8 != 0;
            let decompressed = if is_raw {
                inflate(DeflateDecoder::new(reader.rest()), length, limit, PART)
            } else {
                inflate(ZlibDecoder::new(reader.rest()), length, limit, PART)
            };
            Ok(decompressed?.into())
        }
        algorithm => Err(BinlogError::CompressionAlgorithm { part: PART, algorithm: algorithm.into() }),
    }
}

/// Returns the declared length of the bytes of a COMPRESSED column; their own length if none is declared.
pub(super) fn column_length(bytes: &[u8]) -> u64 {
    let mut reader = Reader::new(bytes);
    let declared = reader.u8("").ok().filter(|head| head >> 4 == 8);
    let length = declared.and_then(|head| reader.uint_be(usize::from(head & 0x7), "").ok());
    length.unwrap_or(bytes.len() as u64)
}

/// Reads exactly `length` bytes.
fn inflate(decoder: impl Read, length: u64, limit: u64, part: &'static str) -> Result<Vec<u8>> {
    if length > limit {
        return Err(BinlogError::TooLarge { part, bytes: length, limit });
    }
    let mut decompressed = Vec::new();
    let read = decoder.take(length.saturating_add(1)).read_to_end(&mut decompressed);
    read.map_err(|error| BinlogError::Decompression { part, reason: error.to_string() })?;
    if decompressed.len() as u64 != length {
        let reason = format!("{length} bytes are declared, but there are others");
        return Err(BinlogError::Decompression { part, reason });
    }
    Ok(decompressed)
}
