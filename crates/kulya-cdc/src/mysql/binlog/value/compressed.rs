//! Values of MariaDB's COMPRESSED columns.

use crate::mysql::binlog::compression;
use crate::mysql::binlog::error::BinlogError;
use std::borrow::Cow;

/// The compressed bytes of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressedBytes<'a>(&'a [u8]);

impl<'a> CompressedBytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes of the text or BLOB, as the server has declared it.
    pub(crate) fn length(self) -> u64 {
        compression::column_length(self.0)
    }

    /// Returns the bytes of the text or BLOB, at most `limit`. The server keeps short ones as they are; those
    /// are borrowed.
    ///
    /// # Errors
    /// [`BinlogError::TooLarge`] beyond the limit, [`BinlogError::Decompression`] for invalid bytes,
    /// [`BinlogError::CompressionAlgorithm`] for another algorithm than zlib's.
    pub fn decompress(self, limit: u64) -> Result<Cow<'a, [u8]>, BinlogError> {
        compression::decompress_column(self.0, limit)
    }
}
