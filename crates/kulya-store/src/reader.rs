//! Readers of a whole stream: its current cuts, a bounded read up to the current tail, and a tail reader.

use crate::{
    Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, SegmentInfo, StreamCut, StreamId,
    StreamStore,
};
use bytes::Bytes;

/// The size of one read of [`bounded_read`], in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Returns the cut at the head of a stream.
///
/// # Errors
/// As [`StreamStore::segments`].
pub async fn head_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::head(stream, &store.segments(stream).await?))
}

/// Returns the cut at the tail of a stream.
///
/// # Errors
/// As [`StreamStore::segments`].
pub async fn tail_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::tail(stream, &store.segments(stream).await?))
}

/// A reader of one segment up to the tail that it had when it was looked up.
#[derive(Debug, Clone)]
pub struct BoundedSegment {
    /// The segment.
    pub segment: SegmentInfo,
    /// The offset of the next chunk.
    pub offset: u64,
    /// Whether the first read was at the head; `None` before it.
    from_head: Option<bool>,
}

impl BoundedSegment {
    /// Creates a reader at the head of the segment.
    pub fn new(segment: SegmentInfo) -> Self {
        Self { offset: segment.head, segment, from_head: None }
    }

    /// Reads the next events, about `max_bytes` in total; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// As [`StreamStore::read`]. A reader that started at the head continues at the new head when retention
    /// truncates events before it reads them; a reader that was set to an offset returns `Truncated`.
    pub async fn next(&mut self, store: &dyn StreamStore, max_bytes: usize) -> Result<Option<ReadChunk>> {
        let from_head = *self.from_head.get_or_insert(self.offset == self.segment.head);
        let SegmentInfo { id, tail, .. } = &self.segment;
        let mut chunk = loop {
            if self.offset >= *tail {
                return Ok(None);
            }
            match store.read(id, self.offset, max_bytes).await {
                Err(error) if from_head && error.kind() == ErrorKind::Truncated => {
                    let segments = store.segments(&id.stream).await?;
                    let head = segments.iter().find(|segment| segment.id == *id).map(|segment| segment.head);
                    match head.filter(|head| *head > self.offset) {
                        Some(head) => self.offset = head,
                        None => return Err(error),
                    }
                }
                chunk => break chunk?,
            }
        };
        if chunk.next == self.offset {
            let message =
                format!("segment {id} has no event at offset {}, before its tail {tail}", self.offset);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        // events appended since the lookup are not part of this read
        chunk.events.retain(|(at, _)| at < tail);
        chunk.next = chunk.next.min(*tail);
        self.offset = chunk.next;
        Ok(Some(chunk))
    }
}

/// Reads every event that the stream has at the time of the call, segment by segment, each with its
/// pointer.
///
/// # Errors
/// As [`StreamStore::read`].
pub async fn bounded_read(store: &dyn StreamStore, stream: &StreamId) -> Result<Vec<(EventPointer, Bytes)>> {
    let mut events = Vec::new();
    for segment in store.segments(stream).await? {
        let mut reader = BoundedSegment::new(segment);
        while let Some(chunk) = reader.next(store, CHUNK_BYTES).await? {
            let pointers: Vec<_> = chunk.pointers(&reader.segment.id).collect();
            events.extend(pointers.into_iter().zip(chunk.events.into_iter().map(|(_, event)| event)));
        }
    }
    Ok(events)
}

/// A tail reader: returns events as they are appended, from all segments in turn.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The position of the reader.
    pub cut: StreamCut,
    /// The number of reads so far, for round robin over the segments.
    turn: usize,
}

impl Tail {
    /// Creates a reader at a cut.
    pub fn from(cut: StreamCut) -> Self {
        Self { cut, turn: 0 }
    }

    /// Waits for events after the cut, and reads about `max_bytes` of one segment; the cut moves after
    /// them. `None` when the stream is sealed and all events were read. Cancel-safe: the cut moves only
    /// when events are returned.
    ///
    /// # Errors
    /// As [`StreamStore::wait_for_data`] and [`StreamStore::read`].
    pub async fn next(
        &mut self,
        store: &dyn StreamStore,
        max_bytes: usize,
    ) -> Result<Option<(SegmentId, ReadChunk)>> {
        let Some((segment, offset)) = self.ready(store).await? else { return Ok(None) };
        let chunk = store.read(&segment, offset, max_bytes).await?;
        self.advance(&segment, chunk.next);
        Ok(Some((segment, chunk)))
    }

    /// Waits for events after the cut and returns their segment and offset, for callers that read in
    /// another way than [`next`](Self::next) and then [advance](Self::advance) the cut. `None` when the
    /// stream is sealed and all events were read. Cancel-safe.
    ///
    /// # Errors
    /// As [`StreamStore::wait_for_data`].
    pub async fn ready(&self, store: &dyn StreamStore) -> Result<Option<(SegmentId, u64)>> {
        let mut positions: Vec<_> = self.cut.offsets().collect();
        if positions.is_empty() {
            return Ok(None);
        }
        // round robin, so that a busy segment does not starve the others
        let turn = self.turn % positions.len();
        positions.rotate_left(turn);
        let waits = positions.iter().map(|(segment, offset)| store.wait_for_data(segment, *offset));
        let (ready, index, _) = futures::future::select_all(waits).await;
        let index = match ready {
            Ok(()) => Some(index),
            // one segment is sealed and read; others may still have events
            Err(error) if error.kind() == ErrorKind::Sealed => {
                let tails = tail_cut(store, &self.cut.stream).await?;
                positions
                    .iter()
                    .position(|(segment, offset)| tails.offset(segment).is_some_and(|tail| tail > *offset))
            }
            Err(error) => return Err(error),
        };
        let next = index.and_then(|index| positions.get(index));
        Ok(next.map(|(segment, offset)| (segment.clone(), *offset)))
    }

    /// Marks everything before `next_offset` in the segment as read.
    pub fn advance(&mut self, segment: &SegmentId, next_offset: u64) {
        self.cut.advance(segment, next_offset);
        self.turn = self.turn.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::{Append, Commit, StreamConfig};

    #[tokio::test]
    async fn read_from_head_survives_truncation() {
        let (store, stream) = (MemoryStore::new(), StreamId::new("shop", "orders").unwrap());
        store.create_scope(&stream.scope).await.unwrap();
        store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        for number in 0..10 {
            let event = Append::keyed(&stream, "k", format!("{number:02}"));
            store.commit(Commit::events(vec![event])).await.unwrap();
        }
        let segment = store.segments(&stream).await.unwrap().remove(0);
        let (mut from_head, mut from_offset) =
            (BoundedSegment::new(segment.clone()), BoundedSegment::new(segment.clone()));
        from_offset.offset = 10;
        assert_eq!(from_head.next(&store, 1).await.unwrap().unwrap().events.len(), 1);
        let mut cut = StreamCut::of(&stream, []);
        cut.advance(&segment.id, 50);
        store.truncate(&cut).await.unwrap();
        let mut events = 0;
        while let Some(chunk) = from_head.next(&store, 1).await.unwrap() {
            events += chunk.events.len();
        }
        assert_eq!(events, 5, "each event takes ten bytes");
        assert_eq!(from_offset.next(&store, 1).await.unwrap_err().kind(), ErrorKind::Truncated);
    }
}
