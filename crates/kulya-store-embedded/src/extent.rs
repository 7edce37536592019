//! Extents: where runs of framed events are stored in the log.

use crate::op::EVENTS_HEADER_BYTES;

/// The location of a run of framed events: the log file and the position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    /// The segment offset of its first byte.
    pub(crate) start: u64,
    /// The time of the commit, in milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) file: u32,
    pub(crate) position: u64,
    pub(crate) length: u32,
    /// The CRC-32C of its bytes.
    pub(crate) checksum: u32,
}

/// The file id of lost events, which are in no log file.
const NO_FILE: u32 = u32::MAX;

impl Extent {
    /// Creates the extent of events that a repair has dropped.
    pub(crate) fn lost(start: u64, time: u64, length: u32) -> Self {
        Self { start, time, length, file: NO_FILE, ..Self::default() }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.file == NO_FILE
    }

    /// Returns its size in the log with its op, in bytes.
    pub(crate) fn size(&self) -> u64 {
        u64::from(self.length) + EVENTS_HEADER_BYTES as u64
    }

    /// Returns the segment offset after it.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.length)
    }
}
