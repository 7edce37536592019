//! The description of a segment: its key range and its readable offsets.

use crate::SegmentId;

/// A segment and the range of its offsets that can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentInfo {
    /// The segment.
    pub id: SegmentId,
    /// The range of routing-key hashes of the segment, `low..high` within `[0, 1]`.
    pub key_range: std::ops::Range<f64>,
    /// The offset of the first retained event, in bytes.
    pub head: u64,
    /// The offset after the last acknowledged event, in bytes.
    pub tail: u64,
}
