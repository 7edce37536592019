//! Reading a whole stream: where it begins and ends now, everything in between, and what comes behind.

use crate::{
    Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, SegmentInfo, StreamCut, StreamId,
    StreamStore,
};
use bytes::Bytes;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Where a stream begins now.
pub async fn head_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::head(stream, &store.segments(stream).await?))
}

/// Where a stream ends now.
pub async fn tail_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::tail(stream, &store.segments(stream).await?))
}

/// One segment, read up to where it ended when it was looked up.
#[derive(Debug, Clone)]
pub struct BoundedSegment {
    /// The segment.
    pub segment: SegmentInfo,
    /// Where the next chunk begins.
    pub offset: u64,
    /// Whether the first one begins at the head; `None` before it.
    from_head: Option<bool>,
}

impl BoundedSegment {
    /// Begins at the segment's head.
    pub fn new(segment: SegmentInfo) -> Self {
        Self { offset: segment.head, segment, from_head: None }
    }

    /// The next events, of about `max_bytes` together; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// As of [`StreamStore::read`]. A reader that began at the segment's head goes on at its new one where retention has let
    /// go of what it was about to read; one that was given an offset is told `Truncated`.
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
            let what =
                format!("segment {id} cannot be read on from offset {}, before its tail {tail}", self.offset);
            return Err(Error::new(ErrorKind::Corrupt, what));
        }
        // what has come since is the next reader's
        chunk.events.retain(|(at, _)| at < tail);
        chunk.next = chunk.next.min(*tail);
        self.offset = chunk.next;
        Ok(Some(chunk))
    }
}

/// Every event the stream holds at the time of the call, segment after segment, each with its pointer.
pub async fn bounded_read(store: &dyn StreamStore, stream: &StreamId) -> Result<Vec<(EventPointer, Bytes)>> {
    let mut found = Vec::new();
    for segment in store.segments(stream).await? {
        let mut reader = BoundedSegment::new(segment);
        while let Some(chunk) = reader.next(store, CHUNK_BYTES).await? {
            let pointers: Vec<_> = chunk.pointers(&reader.segment.id).collect();
            found.extend(pointers.into_iter().zip(chunk.events.into_iter().map(|(_, event)| event)));
        }
    }
    Ok(found)
}

/// A reader at a stream's end: gives events as they come, from every segment in turn.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Where it is.
    pub cut: StreamCut,
    turn: usize,
}

impl Tail {
    /// Begins at a cut.
    pub fn from(cut: StreamCut) -> Self {
        Self { cut, turn: 0 }
    }

    /// Waits for events behind the cut and gives about `max_bytes` of one segment's; the cut moves behind them. `None`
    /// when the stream is sealed and everything was read. Cancel-safe: the cut moves only with an answer.
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

    /// Waits for events behind the cut and says where they are: for whoever reads them in another way than
    /// [`next`](Self::next), and then [advances](Self::advance). `None` when the stream is sealed and everything was read.
    /// Cancel-safe.
    pub async fn ready(&self, store: &dyn StreamStore) -> Result<Option<(SegmentId, u64)>> {
        let mut places: Vec<_> = self.cut.offsets().collect();
        if places.is_empty() {
            return Ok(None);
        }
        // a busy segment must not keep the others waiting for ever
        let turn = self.turn % places.len();
        places.rotate_left(turn);
        let waits = places.iter().map(|(segment, offset)| store.wait_beyond(segment, *offset));
        let (ready, place, _) = futures::future::select_all(waits).await;
        let place = match ready {
            Ok(()) => Some(place),
            // nothing more will come; what is there in other segments is still to be read
            Err(error) if error.kind() == ErrorKind::Sealed => {
                let tails = tail_cut(store, &self.cut.stream).await?;
                places
                    .iter()
                    .position(|(segment, offset)| tails.offset(segment).is_some_and(|tail| tail > *offset))
            }
            Err(error) => return Err(error),
        };
        let found = place.and_then(|place| places.get(place));
        Ok(found.map(|(segment, offset)| (segment.clone(), *offset)))
    }

    /// What lies before `next` was read.
    pub fn advance(&mut self, segment: &SegmentId, next: u64) {
        self.cut.advance(segment, next);
        self.turn = self.turn.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::{Append, Commit, StreamConfig};

    #[tokio::test]
    async fn retention_does_not_end_a_read_from_the_head() {
        let (store, stream) = (MemoryStore::new(), StreamId::new("shop", "orders").unwrap());
        store.create_scope(&stream.scope).await.unwrap();
        store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        for number in 0..10 {
            let event = Append::keyed(&stream, "k", format!("{number:02}"));
            store.commit(Commit::events(vec![event])).await.unwrap();
        }
        let segment = store.segments(&stream).await.unwrap().remove(0);
        let (mut whole, mut given) =
            (BoundedSegment::new(segment.clone()), BoundedSegment::new(segment.clone()));
        given.offset = 10;
        assert_eq!(whole.next(&store, 1).await.unwrap().unwrap().events.len(), 1);
        let mut cut = StreamCut::of(&stream, []);
        cut.advance(&segment.id, 50);
        store.truncate(&cut).await.unwrap();
        let mut events = 0;
        while let Some(chunk) = whole.next(&store, 1).await.unwrap() {
            events += chunk.events.len();
        }
        assert_eq!(events, 5, "each event takes ten bytes");
        assert_eq!(given.next(&store, 1).await.unwrap_err().kind(), ErrorKind::Truncated);
    }
}
