//! Events as they are read: from the extents of a segment, each of which is read whole and compared with its checksum.

use crate::journal::Journal;
use crate::plan::no_event;
use crate::state::{Extent, State};
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::{Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, StreamCut, framing};

/// One read gives no more, whatever is asked for.
const MOST_BYTES: usize = 16 << 20;
/// Objects may be given back while they are read; more often than this nobody does it.
const MOST_LOOKS: usize = 10;

impl Journal {
    /// Events from an offset on, about so many bytes; everything that was written before the call is seen.
    pub(crate) async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let most = max_bytes.min(MOST_BYTES) as u64;
        let found = self
            .extents(|state| {
                let (found, _) = state.segment(segment)?;
                if offset < found.head {
                    return Err(Error::truncated(segment, offset, found.head));
                }
                match offset.cmp(&found.tail) {
                    std::cmp::Ordering::Less => Ok(found.extents_from(offset, most)),
                    std::cmp::Ordering::Equal => Ok(Vec::new()),
                    std::cmp::Ordering::Greater => Err(no_event(segment, offset)),
                }
            })
            .await?;
        let mut chunk = ReadChunk { events: Vec::new(), next: offset };
        for (extent, bytes) in found {
            for (at, event) in framing::events(extent.start, &bytes)? {
                if at < offset {
                    continue;
                }
                if at != chunk.next {
                    return Err(no_event(segment, offset));
                }
                let next = at + framing::framed_len(event.len());
                if !chunk.events.is_empty() && next - offset > most {
                    return Ok(chunk);
                }
                chunk.events.push((at, event));
                chunk.next = next;
            }
            // an offset within the last event of this extent
            if chunk.events.is_empty() {
                return Err(no_event(segment, offset));
            }
        }
        Ok(chunk)
    }

    /// The event that a pointer leads to.
    pub(crate) async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let none = || Error::invalid(format!("no event stands at {pointer}"));
        let found = self
            .extents(|state| {
                let (found, _) = state.segment(&pointer.segment)?;
                if pointer.offset < found.head {
                    return Err(Error::truncated(&pointer.segment, pointer.offset, found.head));
                }
                Ok(found.extent_at(pointer.offset).into_iter().collect())
            })
            .await?;
        let (extent, bytes) = found.first().ok_or_else(none)?;
        let events = framing::events(extent.start, bytes)?;
        let place = events.binary_search_by_key(&pointer.offset, |(at, _)| *at).map_err(|_| none())?;
        match events.get(place) {
            Some((_, event)) if framing::framed_len(event.len()) == u64::from(pointer.length) => {
                Ok(event.clone())
            }
            _ => Err(none()),
        }
    }

    /// Refuses a cut at an offset where no event begins. What is right about it stays right.
    pub(crate) async fn check_cut(&self, cut: &StreamCut) -> Result<()> {
        let (places, found): (Vec<(SegmentId, u64)>, _) = self
            .extents_of(|state| {
                let infos = state.infos(&cut.stream)?;
                cut.check(&infos)?;
                let mut places = Vec::new();
                for ((id, offset), info) in cut.offsets().zip(&infos) {
                    let (segment, _) = state.segment(&id)?;
                    if offset > info.tail {
                        return Err(no_event(&id, offset));
                    }
                    if offset > info.head && offset < info.tail {
                        places.extend(segment.extent_at(offset).map(|extent| ((id, offset), extent)));
                    }
                }
                Ok(places.into_iter().unzip())
            })
            .await?;
        for ((id, offset), (extent, bytes)) in places.into_iter().zip(found) {
            let events = framing::events(extent.start, &bytes)?;
            if events.binary_search_by_key(&offset, |(at, _)| *at).is_err() {
                return Err(no_event(&id, offset));
            }
        }
        Ok(())
    }

    async fn extents(&self, choose: impl Fn(&State) -> Result<Vec<Extent>>) -> Result<Vec<(Extent, Bytes)>> {
        let chosen = |state: &State| choose(state).map(|extents| (Vec::<()>::new(), extents));
        self.extents_of(chosen).await.map(|(_, found)| found)
    }

    /// The extents that are chosen from the state as it is now, each with its bytes; and what was chosen with them.
    async fn extents_of<T>(
        &self,
        choose: impl Fn(&State) -> Result<(T, Vec<Extent>)>,
    ) -> Result<(T, Vec<(Extent, Bytes)>)> {
        for _ in 0..MOST_LOOKS {
            self.sync().await?;
            let (chosen, extents) = self.with(&choose)??;
            let read = try_join_all(extents.iter().map(|extent| self.events(extent.place))).await?;
            // one that was given back was dead before: the state as it is now does not name it
            if let Some(bytes) = read.into_iter().collect::<Option<Vec<_>>>() {
                return Ok((chosen, extents.into_iter().zip(bytes).collect()));
            }
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            "the log names events that were given back: it was not written by a right kulya",
        ))
    }
}
