//! Reading integers and byte strings from the front of an event's bytes. Nothing is reserved for a length
//! before the bytes are there.

use super::error::BinlogError;

type Result<T> = std::result::Result<T, BinlogError>;

/// The bytes that are not read yet. `part` names what is read, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns all bytes that are not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize, part: &'static str) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(BinlogError::Malformed { part })?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(BinlogError::Malformed { part })?;
        self.bytes = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self, part: &'static str) -> Result<u8> {
        Ok(self.array::<1>(part)?[0])
    }

    #[inline]
    pub(crate) fn u16(&mut self, part: &'static str) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(part)?))
    }

    #[inline]
    pub(crate) fn u32(&mut self, part: &'static str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(part)?))
    }

    #[inline]
    pub(crate) fn u64(&mut self, part: &'static str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(part)?))
    }

    /// Reads a little-endian integer of `length` bytes, at most eight.
    #[inline]
    pub(crate) fn uint(&mut self, length: usize, part: &'static str) -> Result<u64> {
        let mut bytes = [0; 8];
        let target = bytes.get_mut(..length).ok_or(BinlogError::Malformed { part })?;
        target.copy_from_slice(self.take(length, part)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads a big-endian integer of `length` bytes, at most eight.
    #[inline]
    pub(crate) fn uint_be(&mut self, length: usize, part: &'static str) -> Result<u64> {
        let mut bytes = [0; 8];
        let start = bytes.len().checked_sub(length).ok_or(BinlogError::Malformed { part })?;
        bytes[start..].copy_from_slice(self.take(length, part)?);
        Ok(u64::from_be_bytes(bytes))
    }

    /// Reads a length-encoded integer: one byte up to 250, or a marker and two, three or eight bytes.
    pub(crate) fn lenenc(&mut self, part: &'static str) -> Result<u64> {
        match self.u8(part)? {
            small @ 0..=250 => Ok(small.into()),
            252 => self.uint(2, part),
            253 => self.uint(3, part),
            254 => self.uint(8, part),
            _ => Err(BinlogError::Malformed { part }),
        }
    }

    /// Reads bytes after their length-encoded length.
    pub(crate) fn lenenc_bytes(&mut self, part: &'static str) -> Result<&'a [u8]> {
        let length = usize::try_from(self.lenenc(part)?).map_err(|_| BinlogError::Malformed { part })?;
        self.take(length, part)
    }

    /// Reads bytes after a length of one byte.
    pub(crate) fn short_bytes(&mut self, part: &'static str) -> Result<&'a [u8]> {
        let length = self.u8(part)?;
        self.take(length.into(), part)
    }

    /// Reads bytes up to a zero byte, which is skipped.
    pub(crate) fn zero_terminated(&mut self, part: &'static str) -> Result<&'a [u8]> {
        let end = self.bytes.iter().position(|byte| *byte == 0).ok_or(BinlogError::Malformed { part })?;
        let taken = self.take(end, part)?;
        self.take(1, part)?;
        Ok(taken)
    }
}

/// Checks that bytes are UTF-8, the character set of the server's names.
pub(crate) fn utf8<'a>(bytes: &'a [u8], part: &'static str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| BinlogError::Malformed { part })
}
