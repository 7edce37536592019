//! The memory of a capture, and how it is divided.
//!
//! A batch is filled while others are on their way to the store, so that there are a few at a time. Beside
//! them there are the row that is being read, which may be larger than a batch, and what does not depend on
//! the number of changes: connections, descriptions of tables, the store.

use crate::{CdcError, CdcResult};

/// The default in bytes.
const DEFAULT_BYTES: u64 = 16 << 20;
/// The minimum in bytes: batches that are smaller cost more than what they have.
const MIN_BYTES: u64 = 2 << 20;
/// The part of the memory that a batch takes: there are at most five, one that is filled, one that waits, and
/// one that the store has in up to three forms. What remains is for what has not been decoded.
const BATCHES: u64 = 16;
/// The part of the memory for transactions that have not ended.
const SPOOLS: u64 = 4;

/// The memory of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory(u64);

impl Default for Memory {
    fn default() -> Self {
        Self(DEFAULT_BYTES)
    }
}

impl Memory {
    /// Takes a number of bytes.
    ///
    /// # Errors
    /// `Configuration` for less than the minimum.
    pub(crate) fn new(bytes: u64) -> CdcResult<Self> {
        if bytes < MIN_BYTES {
            return Err(CdcError::configuration(format!(
                "memory = {bytes} is too small: write at least {MIN_BYTES} bytes"
            )));
        }
        Ok(Self(bytes))
    }

    /// Returns the whole in bytes.
    pub(crate) fn total(self) -> u64 {
        self.0
    }

    /// Returns the size in bytes at which a batch is handed over.
    pub(crate) fn batch(self) -> usize {
        usize::try_from(self.0 / BATCHES).unwrap_or(usize::MAX)
    }

    /// Returns the size in bytes of the parts of transactions that have not ended and are in memory.
    pub(crate) fn spool(self) -> usize {
        usize::try_from(self.0 / SPOOLS).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_divided() {
        let memory = Memory::default();
        assert_eq!((memory.batch(), memory.spool()), (1 << 20, 4 << 20));
        let minimum = Memory::new(MIN_BYTES).unwrap();
        assert_eq!((minimum.total(), minimum.batch()), (MIN_BYTES, 128 << 10));
        let error = Memory::new(MIN_BYTES - 1).unwrap_err().to_string();
        assert!(error.contains("2097151") && error.contains("at least 2097152"), "{error}");
    }
}
