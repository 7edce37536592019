//! The feed of changes: a stream of the system's own, to which each change of a group adds its line in the commit that
//! makes the change. So the feed tells no change that did not happen, misses none, and has a group's changes in order,
//! however many registries stand on the store.

use crate::table::{Table, from_store};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{Change, ChangeEvent};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{
    Append, ErrorKind, Retention, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamName,
    StreamStore, Tail,
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

/// The place behind all changes so far.
pub(crate) async fn end(table: &Table) -> RegistryResult<String> {
    let segments = segments(table).await?;
    Ok(StreamCut::tail(&table.feed, &segments).to_string())
}

/// The feed's segments. Who follows changes that nobody made yet needs a place to begin at, so the feed is made.
async fn segments(table: &Table) -> RegistryResult<Vec<SegmentInfo>> {
    match table.store.segments(&table.feed).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            table.create().await?;
            table.store.segments(&table.feed).await.map_err(from_store)
        }
        found => found.map_err(from_store),
    }
}

/// The changes behind a place, or from now on.
pub(crate) async fn follow(
    table: &Table,
    from: Option<&str>,
) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
    let segments = segments(table).await?;
    let cut = match from {
        None => StreamCut::tail(&table.feed, &segments),
        Some(text) => place_of(&table.feed, &segments, text)?,
    };
    let store = Arc::clone(&table.store);
    let follower = Follower { store, tail: Tail::from(cut), waiting: VecDeque::new(), is_over: false };
    let changes = stream::unfold(follower, |mut follower| async move {
        let change = follower.next().await?;
        Some((change, follower))
    });
    Ok(changes.boxed())
}

/// The refusal of a place.
pub(crate) fn no_place(text: &str) -> RegistryError {
    let what = format!("{text:.80?} is no place in the feed of changes: give one back as it was given");
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// The place that a text names. It begins with the feed's name, which only the system's own streams may have.
fn place_of(stream: &StreamId, segments: &[SegmentInfo], text: &str) -> RegistryResult<StreamCut> {
    let wrong = || no_place(text);
    let offsets = text.strip_prefix(&format!("{stream}@")).ok_or_else(wrong)?;
    let parsed: StreamCut = format!("feed/changes@{offsets}").parse().map_err(|e| wrong().because(e))?;
    let mut cut = StreamCut::of(stream, []);
    for (segment, offset) in parsed.offsets() {
        cut.advance(&SegmentId { stream: stream.clone(), ..segment }, offset);
    }
    cut.check(segments).map_err(|e| wrong().because(e))?;
    for segment in segments {
        let offset = cut.offset(&segment.id).ok_or_else(wrong)?;
        if offset < segment.head {
            let what = "what changed behind this place is no longer kept: read the registry anew, and go on from now";
            return Err(RegistryError::new(RegistryErrorKind::Gone, what));
        }
        if offset > segment.tail {
            return Err(wrong());
        }
    }
    Ok(cut)
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

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::Scope;

    #[test]
    fn a_place_is_known_gone_or_wrong() {
        let stream = stream(&Scope::system("_schemaregistry")).unwrap();
        let id = SegmentId { stream: stream.clone(), number: 0, epoch: 0 };
        let segment = SegmentInfo { id: id.clone(), key_range: 0.0..1.0, head: 100, tail: 200 };
        let at = |offset: u64| StreamCut::of(&stream, [(&id, offset)]).to_string();
        let place = |text: &str| place_of(&stream, std::slice::from_ref(&segment), text);
        for offset in [100, 150, 200] {
            assert_eq!(place(&at(offset)).unwrap().to_string(), at(offset));
        }
        assert_eq!(place(&at(99)).unwrap_err().kind(), RegistryErrorKind::Gone);
        for wrong in [
            &at(201),
            "",
            "shop/orders@0.0:150",
            "_schemaregistry/changes@1.0:150",
            "_schemaregistry/changes@",
        ] {
            assert_eq!(place(wrong).unwrap_err().kind(), RegistryErrorKind::InvalidInput, "{wrong}");
        }
    }
}
