//! The changelog: a system stream to which the commit of each change also appends an event. So it contains no
//! change that did not happen, misses none, and has each group's changes in order, however many registries
//! use the store.

use crate::error::{from_store, invalid_position};
use crate::records;
use crate::table::Table;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{Change, ChangeEvent};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{ErrorKind, SegmentId, SegmentInfo, StreamCut, StreamId, StreamStore, Tail};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes read from the store at a time.
const READ_BYTES: usize = 1 << 18;

/// Encodes a change as an event of the changelog.
pub(crate) fn encode(group: &GroupId, event: ChangeEvent, now_ms: u64) -> Vec<u8> {
    let GroupId { namespace, name } = group.clone();
    records::encode_change(Change { namespace, group: name, timestamp: now_ms, event })
}

/// Returns the position after the last change.
pub(crate) async fn tail(table: &Table) -> RegistryResult<String> {
    let segments = segments(table).await?;
    Ok(StreamCut::tail(&table.changelog, &segments).to_string())
}

/// The changelog's segments. Creates the changelog where it does not exist, since a reader needs a position
/// to start at.
async fn segments(table: &Table) -> RegistryResult<Vec<SegmentInfo>> {
    match table.store.segments(&table.changelog).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            table.create().await?;
            table.store.segments(&table.changelog).await.map_err(from_store)
        }
        segments => segments.map_err(from_store),
    }
}

/// Returns the changes after a position, or from now on, each with the position after it. The stream waits
/// for new changes.
pub(crate) async fn follow(
    table: &Table,
    from: Option<&str>,
) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
    let segments = segments(table).await?;
    let cut = match from {
        None => StreamCut::tail(&table.changelog, &segments),
        Some(text) => parse_position(&table.changelog, &segments, text)?,
    };
    let store = Arc::clone(&table.store);
    let reader = ChangelogReader { store, tail: Tail::from(cut), buffer: VecDeque::new(), has_ended: false };
    let changes = stream::unfold(reader, |mut reader| async move {
        let change = reader.next().await?;
        Some((change, reader))
    });
    Ok(changes.boxed())
}

/// Parses a position. It begins with the changelog's name, which only system streams can have.
fn parse_position(stream: &StreamId, segments: &[SegmentInfo], text: &str) -> RegistryResult<StreamCut> {
    let invalid = || invalid_position(text);
    let offsets = text.strip_prefix(&format!("{stream}@")).ok_or_else(invalid)?;
    // a cut's parser accepts no names of system streams
    let parsed: StreamCut =
        format!("changelog/changes@{offsets}").parse().map_err(|e| invalid().because(e))?;
    let mut cut = StreamCut::of(stream, []);
    for (segment, offset) in parsed.offsets() {
        cut.advance(&SegmentId { stream: stream.clone(), ..segment }, offset);
    }
    cut.check(segments).map_err(|e| invalid().because(e))?;
    for segment in segments {
        let offset = cut.offset(&segment.id).ok_or_else(invalid)?;
        if offset < segment.head {
            let what = "the changes after this position were removed by retention: read the registry again, and follow \
                        changes from now";
            return Err(RegistryError::new(RegistryErrorKind::Gone, what));
        }
        if offset > segment.tail {
            return Err(invalid());
        }
    }
    Ok(cut)
}

struct ChangelogReader {
    store: Arc<dyn StreamStore>,
    tail: Tail,
    /// Events read and not returned yet, each with the position after it.
    buffer: VecDeque<(String, Bytes)>,
    has_ended: bool,
}

impl ChangelogReader {
    async fn next(&mut self) -> Option<RegistryResult<(String, Change)>> {
        while self.buffer.is_empty() && !self.has_ended {
            let cut = self.tail.cut.clone();
            match self.tail.next(&*self.store, READ_BYTES).await {
                Ok(Some((segment, chunk))) => self.push(cut, &segment, &chunk),
                Ok(None) => self.has_ended = true,
                Err(error) => {
                    self.has_ended = true;
                    return Some(Err(from_store(error)));
                }
            }
        }
        let (position, event) = self.buffer.pop_front()?;
        Some(records::decode_change(&event).map(|change| (position, change)))
    }

    fn push(&mut self, mut cut: StreamCut, segment: &SegmentId, chunk: &kulya_store::ReadChunk) {
        for (pointer, (at, event)) in chunk.pointers(segment).zip(&chunk.events) {
            cut.advance(segment, at + u64::from(pointer.length));
            self.buffer.push_back((cut.to_string(), event.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::changelog_stream;
    use kulya_store::Scope;

    #[test]
    fn a_position_is_valid_removed_by_retention_or_invalid() {
        let stream = changelog_stream(&Scope::system("_schemaregistry")).unwrap();
        let id = SegmentId { stream: stream.clone(), number: 0, epoch: 0 };
        let segment = SegmentInfo { id: id.clone(), key_range: 0.0..1.0, head: 100, tail: 200 };
        let at = |offset: u64| StreamCut::of(&stream, [(&id, offset)]).to_string();
        let position = |text: &str| parse_position(&stream, std::slice::from_ref(&segment), text);
        for offset in [100, 150, 200] {
            assert_eq!(position(&at(offset)).unwrap().to_string(), at(offset));
        }
        assert_eq!(position(&at(99)).unwrap_err().kind(), RegistryErrorKind::Gone);
        for invalid in [
            &at(201),
            "",
            "shop/orders@0.0:150",
            "_schemaregistry/changes@1.0:150",
            "_schemaregistry/changes@",
        ] {
            assert_eq!(position(invalid).unwrap_err().kind(), RegistryErrorKind::InvalidInput, "{invalid}");
        }
    }
}
