//! Extents: where runs of framed events are stored in the log.

use crate::op::EVENTS_HEADER_BYTES;

/// Where a run of framed events lies: in which log file, from which byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    /// Segment offset of its first byte.
    pub(crate) start: u64,
    /// When its events were committed, in milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) file: u32,
    pub(crate) position: u64,
    pub(crate) length: u32,
    /// Of its bytes.
    pub(crate) checksum: u32,
}

/// The number of no log file: that of events that were lost and given up.
const NO_FILE: u32 = u32::MAX;

impl Extent {
    /// Events that a repair has given up.
    pub(crate) fn lost(start: u64, time: u64, length: u32) -> Self {
        Self { start, time, length, file: NO_FILE, ..Self::default() }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.file == NO_FILE
    }

    /// What it takes in its log file, with its op.
    pub(crate) fn size(&self) -> u64 {
        u64::from(self.length) + EVENTS_HEADER_BYTES as u64
    }

    /// The segment offset behind it.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.length)
    }
}
