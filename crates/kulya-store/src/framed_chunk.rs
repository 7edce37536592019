//! A batch of consecutive events as a segment stores them: their frames in one buffer, without an allocation
//! or a reference count for each event. It is for readers of millions of events, such as a scan of a table.

use crate::{ReadChunk, Result, framing};
use bytes::{Bytes, BytesMut};

/// Consecutive events of one segment in one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramedChunk {
    /// The offset of the first byte of the buffer.
    offset: u64,
    bytes: Bytes,
    /// The start and the end of each event's frame in the buffer.
    frames: Vec<(usize, usize)>,
    /// The offset of the next read.
    pub next: u64,
}

impl FramedChunk {
    /// Creates a chunk without events, after which a reader continues at `next`.
    pub fn empty(next: u64) -> Self {
        Self { offset: next, bytes: Bytes::new(), frames: Vec::new(), next }
    }

    /// Finds the events in the bytes of a segment from offset `offset` on: those that end within `max_bytes`,
    /// and at least one. An incomplete event at the end is ignored.
    ///
    /// # Errors
    /// `InvalidInput` if a header is not valid.
    pub fn parse(offset: u64, bytes: Bytes, max_bytes: usize) -> Result<Self> {
        let frames = framing::frames(offset, &bytes, max_bytes)?;
        let next = offset + frames.last().map_or(0, |(_, end)| *end as u64);
        Ok(Self { offset, bytes, frames, next })
    }

    /// Returns the number of events.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the offset of each event.
    pub fn offsets(&self) -> impl ExactSizeIterator<Item = u64> {
        self.frames.iter().map(|(start, _)| self.offset + *start as u64)
    }

    /// Returns the payload of each event.
    pub fn payloads(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let payload = |(start, end): &(usize, usize)| self.bytes.get(start + framing::HEADER_BYTES..*end);
        self.frames.iter().map(move |frame| payload(frame).unwrap_or_default())
    }

    /// Keeps only the events for which `is_kept`, which is asked once for each in their order.
    pub fn retain(&mut self, mut is_kept: impl FnMut() -> bool) {
        self.frames.retain(|_| is_kept());
    }

    /// Leaves out the events from offset `tail` on. Returns the offset of an event that `tail` is inside of.
    pub(crate) fn end_at(&mut self, tail: u64) -> Option<u64> {
        let offset = self.offset;
        let end = self.frames.partition_point(|(start, _)| offset + (*start as u64) < tail);
        self.frames.truncate(end);
        self.next = self.next.min(tail);
        let (start, end) = self.frames.last()?;
        (offset + *end as u64 > tail).then_some(offset + *start as u64)
    }
}

/// Copies the events.
impl From<ReadChunk> for FramedChunk {
    fn from(chunk: ReadChunk) -> Self {
        let size = chunk.events.iter().map(|(_, event)| framing::HEADER_BYTES + event.len()).sum();
        let (mut bytes, mut frames) = (BytesMut::with_capacity(size), Vec::with_capacity(chunk.events.len()));
        for (_, event) in &chunk.events {
            let start = bytes.len();
            framing::put(&mut bytes, event);
            frames.push((start, bytes.len()));
        }
        let offset = chunk.events.first().map_or(chunk.next, |(offset, _)| *offset);
        Self { offset, bytes: bytes.freeze(), frames, next: chunk.next }
    }
}

/// Gives each event a reference to the buffer.
impl From<FramedChunk> for ReadChunk {
    fn from(chunk: FramedChunk) -> Self {
        let FramedChunk { offset, bytes, frames, next } = chunk;
        let event = |(start, end): (usize, usize)| {
            (offset + start as u64, bytes.slice(start + framing::HEADER_BYTES..end))
        };
        Self { events: frames.into_iter().map(event).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Bytes {
        [framing::frame(b"one"), framing::frame(b""), framing::frame(b"three")].concat().into()
    }

    #[test]
    fn events_are_found_in_the_bytes_of_a_segment() {
        let chunk = FramedChunk::parse(100, bytes(), usize::MAX).unwrap();
        assert_eq!(chunk.offsets().collect::<Vec<_>>(), [100, 111, 119]);
        assert_eq!(chunk.payloads().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        assert_eq!(chunk.next, 132);
        let cut = bytes().slice(..30);
        assert_eq!(FramedChunk::parse(100, cut, usize::MAX).unwrap().len(), 2, "the third is incomplete");
        for (max_bytes, count) in [(1, 1), (11, 1), (18, 1), (19, 2), (31, 2), (32, 3)] {
            let chunk = FramedChunk::parse(100, bytes(), max_bytes).unwrap();
            assert_eq!(chunk.len(), count, "{max_bytes}");
        }
        assert!(FramedChunk::parse(3, Bytes::from_static(b"xxxxxxxxxxx"), 100).is_err());
    }

    #[test]
    fn a_chunk_of_events_has_the_same_frames() {
        let events = framing::events(100, &bytes()).unwrap();
        let read = ReadChunk { events, next: 132 };
        let chunk = FramedChunk::from(read.clone());
        assert_eq!(chunk, FramedChunk::parse(100, bytes(), usize::MAX).unwrap());
        assert_eq!(ReadChunk::from(chunk), read);
        assert_eq!(FramedChunk::from(ReadChunk { events: Vec::new(), next: 7 }), FramedChunk::empty(7));
    }

    #[test]
    fn a_chunk_ends_at_a_tail() {
        let ended = |tail| {
            let mut chunk = FramedChunk::parse(100, bytes(), usize::MAX).unwrap();
            let inside = chunk.end_at(tail);
            (chunk.len(), chunk.next, inside)
        };
        assert_eq!(ended(200), (3, 132, None));
        assert_eq!(ended(132), (3, 132, None));
        assert_eq!(ended(131), (3, 131, Some(119)));
        assert_eq!(ended(119), (2, 119, None));
        assert_eq!(ended(100), (0, 100, None));
    }

    #[test]
    fn events_are_left_out_by_a_choice() {
        let mut chunk = FramedChunk::parse(100, bytes(), usize::MAX).unwrap();
        let mut kept = [true, false, true].into_iter();
        chunk.retain(|| kept.next().unwrap());
        assert_eq!(chunk.offsets().collect::<Vec<_>>(), [100, 119]);
        assert_eq!((chunk.payloads().last(), chunk.next), (Some(&b"three"[..]), 132));
    }
}
