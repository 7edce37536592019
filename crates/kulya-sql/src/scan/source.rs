//! Where the events of a scan come from: parts, each an ordered sequence of events between two offsets of a
//! segment.

use crate::{SqlError, SqlErrorKind, SqlResult};
use async_trait::async_trait;
use kulya_store::{
    BoundedSegment, ErrorKind, EventPointer, FramedChunk, SegmentId, StreamId, StreamStore, chunk_times,
    framing,
};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// The maximum size of a read from the store, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// A part of a table's events. Parts can be read at the same time.
pub(crate) trait SourcePart: Debug + Send + Sync {
    /// Opens a reader at the first event.
    fn open(&self) -> Box<dyn EventReader>;

    /// Returns the segment of the events.
    fn segment(&self) -> &SegmentId;

    /// Returns whether there is nothing to read.
    fn is_empty(&self) -> bool {
        false
    }

    /// Returns the pointer of an event.
    fn pointer(&self, offset: u64, event: &[u8]) -> EventPointer {
        let length = framing::framed_len(event.len()) as u32;
        EventPointer { segment: self.segment().clone(), offset, length }
    }
}

/// A reader of a part.
#[async_trait]
pub(crate) trait EventReader: Send {
    /// Returns the next events; `None` after the last ones. Cancel-safe.
    async fn next(&mut self) -> SqlResult<Option<FramedChunk>>;

    /// Returns when each event of a chunk was committed; `None` for one that was truncated meanwhile.
    ///
    /// # Errors
    /// `NotSupported` if the store does not know it.
    async fn times(&mut self, chunk: &FramedChunk) -> SqlResult<Vec<Option<Duration>>>;
}

/// Returns readers of segments as parts.
pub(crate) fn segment_parts(
    store: &Arc<dyn StreamStore>,
    segments: Vec<BoundedSegment>,
) -> Vec<Arc<dyn SourcePart>> {
    let part = |segment| Arc::new(SegmentPart { store: Arc::clone(store), segment }) as Arc<dyn SourcePart>;
    segments.into_iter().map(part).collect()
}

/// Returns a part without events, for a scan whose parts come later.
pub(crate) fn no_events(stream: &StreamId) -> Arc<dyn SourcePart> {
    Arc::new(NoEvents(stream.segment(0)))
}

#[derive(Debug)]
struct NoEvents(SegmentId);

impl SourcePart for NoEvents {
    fn open(&self) -> Box<dyn EventReader> {
        Box::new(NoReader)
    }

    fn segment(&self) -> &SegmentId {
        &self.0
    }
}

struct NoReader;

#[async_trait]
impl EventReader for NoReader {
    async fn next(&mut self) -> SqlResult<Option<FramedChunk>> {
        Ok(None)
    }

    async fn times(&mut self, _: &FramedChunk) -> SqlResult<Vec<Option<Duration>>> {
        Ok(Vec::new())
    }
}

struct SegmentPart {
    store: Arc<dyn StreamStore>,
    segment: BoundedSegment,
}

impl Debug for SegmentPart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.segment.segment.id)
    }
}

impl SourcePart for SegmentPart {
    fn open(&self) -> Box<dyn EventReader> {
        Box::new(SegmentReader { store: Arc::clone(&self.store), segment: self.segment.clone() })
    }

    fn segment(&self) -> &SegmentId {
        &self.segment.segment.id
    }

    fn is_empty(&self) -> bool {
        self.segment.offset >= self.segment.segment.tail
    }
}

struct SegmentReader {
    store: Arc<dyn StreamStore>,
    segment: BoundedSegment,
}

#[async_trait]
impl EventReader for SegmentReader {
    async fn next(&mut self) -> SqlResult<Option<FramedChunk>> {
        self.segment.next_framed(&*self.store, CHUNK_BYTES).await.map_err(|e| match e.kind() {
            // a cut of the user's
            ErrorKind::InvalidInput | ErrorKind::Truncated => {
                let what = format!("{e}: a query reads from one event to another");
                SqlError::new(SqlErrorKind::InvalidOption, what).because(e)
            }
            _ => e.into(),
        })
    }

    async fn times(&mut self, chunk: &FramedChunk) -> SqlResult<Vec<Option<Duration>>> {
        let offsets: Vec<u64> = chunk.offsets().collect();
        Ok(chunk_times(&*self.store, &self.segment.segment.id, &offsets, chunk.next).await?)
    }
}
