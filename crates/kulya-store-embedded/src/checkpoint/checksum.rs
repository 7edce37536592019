//! The CRC-32C before a value of the index that decides which part of the log is replayed.

use crate::index;
use std::io;

pub(super) fn add_checksum(bytes: &[u8]) -> Vec<u8> {
    [&crc32c::crc32c(bytes).to_be_bytes(), bytes].concat()
}

/// Returns what follows the checksum.
///
/// # Errors
/// `InvalidData` if the checksum is wrong.
pub(super) fn verify_checksum(bytes: &[u8]) -> io::Result<&[u8]> {
    let (checksum, bytes) = bytes.split_first_chunk::<4>().ok_or_else(index::corrupt)?;
    if crc32c::crc32c(bytes) == u32::from_be_bytes(*checksum) { Ok(bytes) } else { Err(index::corrupt()) }
}
