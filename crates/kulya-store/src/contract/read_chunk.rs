//! A batch of events, each with a reference to its bytes.

use crate::{EventPointer, SegmentId};
use bytes::Bytes;

/// A batch of events read from one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadChunk {
    /// The offset and payload of each event.
    pub events: Vec<(u64, Bytes)>,
    /// The offset of the next read.
    pub next: u64,
}

impl ReadChunk {
    /// Returns a pointer to each of the events.
    pub fn pointers<'a>(&'a self, segment: &'a SegmentId) -> impl Iterator<Item = EventPointer> + 'a {
        self.events.iter().map(|(offset, event)| EventPointer {
            segment: segment.clone(),
            offset: *offset,
            length: crate::framing::framed_len(event.len()) as u32,
        })
    }
}
