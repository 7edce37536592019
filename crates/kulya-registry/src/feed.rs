//! The feed of changes: a stream of the system's own, to which each change of a group adds its line in the commit that
//! makes the change. So the feed tells no change that did not happen, misses none, and has a group's changes in order,
//! however many registries stand on the store.

use crate::table::from_store;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_codec::administration::{Change, ChangeEvent};
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{
    Append, Retention, SegmentId, StreamConfig, StreamCut, StreamId, StreamName, StreamStore, Tail, tail_cut,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// So much of the feed is kept: about a million changes.
const KEPT_BYTES: u64 = 256 << 20;
/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// The stream.
pub(crate) fn stream(scope: &kulya_store::Scope) -> RegistryResult<StreamId> {
    let name = StreamName::new("changes").map_err(from_store)?;
    Ok(StreamId { scope: scope.clone(), name })
}

/// One segment: all changes in one order.
pub(crate) fn config() -> StreamConfig {
    let retention = Retention { bytes: Some(KEPT_BYTES), ..Retention::default() };
    StreamConfig::with_segments(1).retention(retention)
}

/// A change, as it stands in the feed.
pub(crate) fn line(group: &GroupId, event: ChangeEvent, now_ms: u64) -> Bytes {
    let GroupId { namespace, name } = group.clone();
    let change = Change { namespace, group: name, timestamp: now_ms, event };
    crate::records::write(&change).into()
}

pub(crate) fn append(stream: &StreamId, line: Bytes) -> Append {
    Append { stream: stream.clone(), routing_key: Some(String::new()), event: line }
}

/// The changes behind a place, or from now on.
pub(crate) async fn follow(
    store: Arc<dyn StreamStore>,
    stream: &StreamId,
    from: Option<&str>,
) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
    let cut = match from {
        None => tail_cut(&*store, stream).await.map_err(from_store)?,
        Some(text) => {
            let wrong = || {
                let what =
                    format!("{text:.80?} is no place in the feed of changes: give one back as it was given");
                RegistryError::new(RegistryErrorKind::InvalidInput, what)
            };
            let cut: StreamCut = text.parse().map_err(|e| wrong().because(e))?;
            if cut.stream != *stream {
                return Err(wrong());
            }
            cut.check(&store.segments(stream).await.map_err(from_store)?).map_err(from_store)?;
            cut
        }
    };
    let follower = Follower { store, tail: Tail::from(cut), waiting: VecDeque::new(), is_over: false };
    let changes = stream::unfold(follower, |mut follower| async move {
        let change = follower.next().await?;
        Some((change, follower))
    });
    Ok(changes.boxed())
}

struct Follower {
    store: Arc<dyn StreamStore>,
    tail: Tail,
    waiting: VecDeque<(String, Bytes)>,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<RegistryResult<(String, Change)>> {
        while self.waiting.is_empty() && !self.is_over {
            let cut = self.tail.cut.clone();
            match self.tail.next(&*self.store, CHUNK_BYTES).await {
                Ok(Some((segment, chunk))) => self.take(cut, &segment, &chunk),
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(from_store(error)));
                }
            }
        }
        let (place, line) = self.waiting.pop_front()?;
        Some(crate::records::read("a change", &line).map(|change| (place, change)))
    }

    fn take(&mut self, mut cut: StreamCut, segment: &SegmentId, chunk: &kulya_store::ReadChunk) {
        for (pointer, (at, line)) in chunk.pointers(segment).zip(&chunk.events) {
            cut.advance(segment, at + u64::from(pointer.length));
            self.waiting.push_back((cut.to_string(), line.clone()));
        }
    }
}
