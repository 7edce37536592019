//! Readers of a whole stream: its current cuts, bounded reads up to the current tail or between two cuts, and
//! a tail reader.

use crate::{
    Error, ErrorKind, EventPointer, FramedChunk, ReadChunk, Result, SegmentId, SegmentInfo, StreamCut,
    StreamId, StreamStore, framing,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

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

/// A reader of one segment, up to the tail that it had when it was looked up, or between two offsets.
#[derive(Debug, Clone)]
pub struct BoundedSegment {
    /// The segment; its tail is where the reader ends.
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

    /// Creates a reader from offset `from` to offset `to`.
    ///
    /// # Errors
    /// `Truncated` if `from` is before the head, `InvalidInput` if `to` is before `from` or after the tail.
    pub fn between(mut segment: SegmentInfo, from: u64, to: u64) -> Result<Self> {
        let SegmentInfo { id, head, tail, .. } = &segment;
        if from > to || to > *tail {
            return Err(Error::invalid(format!(
                "segment {id} cannot be read from offset {from} to {to}: its tail is at {tail}"
            )));
        }
        if from < *head {
            return Err(Error::truncated(id, from, *head));
        }
        segment.tail = to;
        Ok(Self { segment, offset: from, from_head: Some(false) })
    }

    /// Creates a reader for each of a stream's segments, from one cut to another. Without `from` the readers
    /// start at the head, and without `to` they end at the tail.
    ///
    /// # Errors
    /// `InvalidInput` if a cut does not name each of the segments and no other, and as
    /// [`between`](Self::between).
    pub fn between_cuts(
        segments: Vec<SegmentInfo>,
        from: Option<&StreamCut>,
        to: Option<&StreamCut>,
    ) -> Result<Vec<Self>> {
        [from, to].into_iter().flatten().try_for_each(|cut| cut.check(&segments))?;
        let reader = |segment: SegmentInfo| {
            let offset = |cut: Option<&StreamCut>| cut.and_then(|cut| cut.offset(&segment.id));
            let to = offset(to).unwrap_or(segment.tail);
            if let Some(from) = offset(from) {
                return Self::between(segment, from, to);
            }
            // retention may have moved the head beyond the end: then no event is left
            let (head, to) = (segment.head, to.max(segment.head));
            Self::between(segment, head, to).map(|reader| Self { from_head: None, ..reader })
        };
        segments.into_iter().map(reader).collect()
    }

    /// Reads the next events, about `max_bytes` in total; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// As [`StreamStore::read`], and `InvalidInput` if the reader's end is inside an event. A reader that
    /// started at the head continues at the new head when retention truncates events before it reads them; a
    /// reader that was set to an offset returns `Truncated`.
    pub async fn next(&mut self, store: &dyn StreamStore, max_bytes: usize) -> Result<Option<ReadChunk>> {
        self.next_chunk(store, max_bytes).await
    }

    /// Reads the same events as [`next`](Self::next), in one buffer. Cancel-safe.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_framed(
        &mut self,
        store: &dyn StreamStore,
        max_bytes: usize,
    ) -> Result<Option<FramedChunk>> {
        self.next_chunk(store, max_bytes).await
    }

    async fn next_chunk<C: Chunk>(&mut self, store: &dyn StreamStore, max_bytes: usize) -> Result<Option<C>> {
        let from_head = *self.from_head.get_or_insert(self.offset == self.segment.head);
        let SegmentInfo { id, tail, .. } = &self.segment;
        let mut chunk = loop {
            if self.offset >= *tail {
                return Ok(None);
            }
            match C::read(store, id, self.offset, max_bytes).await {
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
        if chunk.next() == self.offset {
            let message =
                format!("segment {id} has no event at offset {}, before its tail {tail}", self.offset);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        // events appended since the lookup are not part of this read
        if let Some(at) = chunk.end_at(*tail) {
            let message =
                format!("segment {id} cannot be read to offset {tail}: it is inside the event at {at}");
            return Err(Error::invalid(message));
        }
        self.offset = chunk.next();
        Ok(Some(chunk))
    }
}

/// The forms of a batch of events.
#[async_trait]
trait Chunk: Sized {
    async fn read(store: &dyn StreamStore, id: &SegmentId, offset: u64, max_bytes: usize) -> Result<Self>;

    /// Returns the offset of the next read.
    fn next(&self) -> u64;

    /// Leaves out the events from offset `tail` on. Returns the offset of an event that `tail` is inside of.
    fn end_at(&mut self, tail: u64) -> Option<u64>;
}

#[async_trait]
impl Chunk for ReadChunk {
    async fn read(store: &dyn StreamStore, id: &SegmentId, offset: u64, max_bytes: usize) -> Result<Self> {
        store.read(id, offset, max_bytes).await
    }

    fn next(&self) -> u64 {
        self.next
    }

    fn end_at(&mut self, tail: u64) -> Option<u64> {
        self.events.retain(|(at, _)| *at < tail);
        self.next = self.next.min(tail);
        let (at, event) = self.events.last()?;
        (at + framing::framed_len(event.len()) > tail).then_some(*at)
    }
}

#[async_trait]
impl Chunk for FramedChunk {
    async fn read(store: &dyn StreamStore, id: &SegmentId, offset: u64, max_bytes: usize) -> Result<Self> {
        store.read_framed(id, offset, max_bytes).await
    }

    fn next(&self) -> u64 {
        self.next
    }

    fn end_at(&mut self, tail: u64) -> Option<u64> {
        self.end_at(tail)
    }
}

/// Returns when each event of a chunk was committed, of which these are the offsets, and `next` the offset
/// after them; `None` for an event that was truncated meanwhile.
///
/// # Errors
/// As [`StreamStore::append_times`].
pub async fn chunk_times(
    store: &dyn StreamStore,
    segment: &SegmentId,
    offsets: &[u64],
    next: u64,
) -> Result<Vec<Option<Duration>>> {
    let mut found = Vec::with_capacity(offsets.len());
    while let Some(from) = offsets.get(found.len()) {
        let times = store.append_times(segment, *from, next).await?;
        let rest = offsets.get(found.len()..).unwrap_or_default();
        let known = rest.iter().take_while(|at| **at < times.end());
        found.extend(known.map(|at| times.at(*at)));
        if times.end() <= *from {
            let message = format!("segment {segment} has no times from offset {from} on");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
    }
    Ok(found)
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

    /// Returns a store with ten events of ten bytes each, in one segment that starts at the third.
    async fn truncated_store() -> (MemoryStore, StreamId, SegmentInfo) {
        let (store, stream) = (MemoryStore::new(), StreamId::new("shop", "orders").unwrap());
        store.create_scope(&stream.scope).await.unwrap();
        store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        let events = (0..10).map(|number| Append::keyed(&stream, "k", format!("{number:02}")));
        store.commit(Commit::events(events.collect())).await.unwrap();
        store.truncate(&StreamCut::of(&stream, [(&stream.segment(0), 20)])).await.unwrap();
        let segment = store.segments(&stream).await.unwrap().remove(0);
        (store, stream, segment)
    }

    async fn offsets(store: &MemoryStore, mut reader: BoundedSegment) -> Result<Vec<u64>> {
        let mut offsets = Vec::new();
        while let Some(chunk) = reader.next(store, 25).await? {
            offsets.extend(chunk.events.iter().map(|(at, _)| *at));
        }
        Ok(offsets)
    }

    #[tokio::test]
    async fn read_between_offsets_returns_the_events_between_them() {
        let (store, _, segment) = truncated_store().await;
        let between = |from, to| BoundedSegment::between(segment.clone(), from, to);
        assert_eq!(offsets(&store, between(30, 60).unwrap()).await.unwrap(), [30, 40, 50]);
        assert_eq!(offsets(&store, between(20, 100).unwrap()).await.unwrap().len(), 8);
        assert_eq!(offsets(&store, between(50, 50).unwrap()).await.unwrap(), []);
        let error = between(10, 60).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
        let expected = "offset 10 of segment shop/orders/0.#epoch.0 is truncated: the segment starts at 20";
        assert_eq!(error.to_string(), expected);
        for (from, to) in [(60, 50), (50, 101), (0, 101)] {
            assert_eq!(between(from, to).unwrap_err().kind(), ErrorKind::InvalidInput, "{from} {to}");
        }
        for (from, to) in [(30, 55), (31, 60)] {
            let error = offsets(&store, between(from, to).unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "an offset inside an event: {error}");
        }
    }

    #[tokio::test]
    async fn read_between_offsets_ends_when_its_events_are_truncated() {
        let (store, stream, segment) = truncated_store().await;
        let reader = BoundedSegment::between(segment.clone(), segment.head, 60).unwrap();
        let readers = BoundedSegment::between_cuts(vec![segment.clone()], None, None).unwrap();
        store.truncate(&StreamCut::of(&stream, [(&segment.id, 40)])).await.unwrap();
        assert_eq!(offsets(&store, reader).await.unwrap_err().kind(), ErrorKind::Truncated, "asked for 20");
        let [reader] = <[_; 1]>::try_from(readers).unwrap();
        assert_eq!(offsets(&store, reader).await.unwrap(), [40, 50, 60, 70, 80, 90], "asked for the head");
    }

    #[tokio::test]
    async fn read_between_cuts_starts_and_ends_at_them() {
        let (store, stream, segment) = truncated_store().await;
        let cut = |offset| StreamCut::of(&stream, [(&segment.id, offset)]);
        let between = |from: Option<u64>, to: Option<u64>| {
            let (from, to) = (from.map(cut), to.map(cut));
            let readers = BoundedSegment::between_cuts(vec![segment.clone()], from.as_ref(), to.as_ref())?;
            Ok::<_, Error>(readers.into_iter().next().expect("one segment"))
        };
        for (from, to, expected) in [
            (Some(80), None, vec![80, 90]),
            (None, Some(40), vec![20, 30]),
            (Some(40), Some(60), vec![40, 50]),
            (None, Some(10), vec![]),
        ] {
            assert_eq!(offsets(&store, between(from, to).unwrap()).await.unwrap(), expected);
        }
        assert_eq!(between(Some(10), None).unwrap_err().kind(), ErrorKind::Truncated);
        let other = StreamId::new("shop", "other").unwrap();
        for cut in [StreamCut::of(&stream, []), StreamCut::of(&other, [(&segment.id, 40)])] {
            let error = BoundedSegment::between_cuts(vec![segment.clone()], Some(&cut), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }

    #[tokio::test]
    async fn chunk_has_a_time_for_each_event() {
        let clock = std::sync::Arc::new(crate::clock::ManualClock::default());
        let (store, stream) =
            (MemoryStore::with_clock(clock.clone()), StreamId::new("shop", "orders").unwrap());
        store.create_scope(&stream.scope).await.unwrap();
        store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        // more times than one call returns
        let commits = crate::MAX_APPEND_TIMES + 100;
        for _ in 0..commits {
            clock.advance(Duration::from_millis(1));
            let events = vec![Append::keyed(&stream, "k", "1"), Append::keyed(&stream, "k", "2")];
            store.commit(Commit::events(events)).await.unwrap();
        }
        let segment = stream.segment(0);
        let chunk = store.read(&segment, 0, usize::MAX).await.unwrap();
        let offsets: Vec<u64> = chunk.events.iter().map(|(at, _)| *at).collect();
        let times = chunk_times(&store, &segment, &offsets, chunk.next).await.unwrap();
        let expected = (0..2 * commits).map(|event| Some(Duration::from_millis(event as u64 / 2 + 1)));
        assert!(times.into_iter().eq(expected));
        store.truncate(&StreamCut::of(&stream, [(&segment, 9)])).await.unwrap();
        let times = chunk_times(&store, &segment, &offsets, chunk.next).await.unwrap();
        assert_eq!(times[..2], [None, Some(Duration::from_millis(1))], "the first was truncated meanwhile");
    }
}
