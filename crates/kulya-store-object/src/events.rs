//! Reads events from the extents of a segment. Each extent is read as a whole and verified by its checksum.

use crate::journal::Journal;
use crate::record::DataRun;
use crate::state::{Extent, State, TimePosition};
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::log_backend::error::no_event;
use kulya_store::{
    Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, StreamCut, StreamId, framing,
};
use std::time::Duration;

/// The maximum number of bytes per read.
const MAX_BYTES: usize = 16 << 20;
/// The maximum number of extents per read; the caller continues with another read.
const MAX_EXTENTS: usize = 256;
/// The maximum number of uncached extents per read.
const MAX_REQUESTS: usize = 16;
/// The maximum number of attempts when events move to other objects while they are read.
pub(crate) const MAX_ATTEMPTS: usize = 5;

impl Journal {
    /// Reads events from an offset, about `max_bytes`. Everything written before the call is visible.
    ///
    /// # Errors
    /// `Truncated` when the offset is before the head; `InvalidInput` when no event begins there; `Corrupt`
    /// when the events are damaged.
    pub(crate) async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let max = max_bytes.min(MAX_BYTES) as u64;
        let found = self
            .extents(|state| {
                let (found, _) = state.segment(segment)?;
                if offset < found.head {
                    return Err(Error::truncated(segment, offset, found.head));
                }
                match offset.cmp(&found.tail) {
                    std::cmp::Ordering::Less => {
                        Ok(self.limit_requests(found.extents_from(offset, max, MAX_EXTENTS)))
                    }
                    std::cmp::Ordering::Equal => Ok(Vec::new()),
                    std::cmp::Ordering::Greater => Err(no_event(segment, offset)),
                }
            })
            .await?;
        let mut chunk = ReadChunk { events: Vec::new(), next: offset };
        for (extent, bytes) in found {
            if extent.location.is_lost() {
                chunk.next = extent.end();
                continue;
            }
            for (at, event) in framing::events(extent.start, &bytes)? {
                if at < chunk.next {
                    continue;
                }
                if at != chunk.next {
                    return Err(no_event(segment, offset));
                }
                let next = at + framing::framed_len(event.len());
                if !chunk.events.is_empty() && next - offset > max {
                    return Ok(chunk);
                }
                chunk.events.push((at, event));
                chunk.next = next;
            }
            // the offset lies inside the last event of this extent
            if chunk.next < extent.end() {
                return Err(no_event(segment, offset));
            }
        }
        Ok(chunk)
    }

    /// Keeps the first extents, up to the maximum number of requests per read.
    fn limit_requests(&self, mut extents: Vec<Extent>) -> Vec<Extent> {
        let mut requests = 0;
        let max = extents.iter().position(|extent| {
            requests += usize::from(!extent.location.is_lost() && !self.is_cached(&extent.location));
            requests > MAX_REQUESTS
        });
        extents.truncate(max.unwrap_or(extents.len()));
        extents
    }

    /// Reads the event at a pointer.
    ///
    /// # Errors
    /// `Truncated` when it was truncated; `InvalidInput` when no event is there; `Corrupt` when it is damaged
    /// or lost.
    pub(crate) async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let no_event_error = || Error::invalid(format!("no event at {pointer}"));
        let found = self
            .extents(|state| {
                let (found, _) = state.segment(&pointer.segment)?;
                if pointer.offset < found.head {
                    return Err(Error::truncated(&pointer.segment, pointer.offset, found.head));
                }
                Ok(found.extent_at(pointer.offset).into_iter().collect())
            })
            .await?;
        let (extent, bytes) = found.first().ok_or_else(no_event_error)?;
        if extent.location.is_lost() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the event at {pointer} was lost, as recorded by a repair"),
            ));
        }
        let events = framing::events(extent.start, bytes)?;
        let index =
            events.binary_search_by_key(&pointer.offset, |(at, _)| *at).map_err(|_| no_event_error())?;
        match events.get(index) {
            Some((_, event)) if framing::framed_len(event.len()) == u64::from(pointer.length) => {
                Ok(event.clone())
            }
            _ => Err(no_event_error()),
        }
    }

    /// Rejects a cut at an offset at which no event begins. An accepted cut stays valid.
    pub(crate) async fn check_cut(&self, cut: &StreamCut) -> Result<()> {
        let (locations, found): (Vec<(SegmentId, u64)>, _) = self
            .read_extents_with(|state| {
                let segment_infos = state.segment_infos(&cut.stream)?;
                cut.check(&segment_infos)?;
                let mut locations = Vec::new();
                for ((id, offset), info) in cut.offsets().zip(&segment_infos) {
                    let (segment, _) = state.segment(&id)?;
                    if offset > info.tail {
                        return Err(no_event(&id, offset));
                    }
                    if offset > info.head && offset < info.tail {
                        locations.extend(segment.extent_at(offset).map(|extent| ((id, offset), extent)));
                    }
                }
                Ok(locations.into_iter().unzip())
            })
            .await?;
        for ((id, offset), (extent, bytes)) in locations.into_iter().zip(found) {
            if extent.location.is_lost() {
                continue;
            }
            let events = framing::events(extent.start, &bytes)?;
            if events.binary_search_by_key(&offset, |(at, _)| *at).is_err() {
                return Err(no_event(&id, offset));
            }
        }
        Ok(())
    }

    /// Reads the extents selected from the current state.
    async fn extents(&self, select: impl Fn(&State) -> Result<Vec<Extent>>) -> Result<Vec<(Extent, Bytes)>> {
        let selected = |state: &State| select(state).map(|extents| (Vec::<()>::new(), extents));
        self.read_extents_with(selected).await.map(|(_, found)| found)
    }

    /// Reads the extents selected from the current state. Returns them with their bytes, and what was
    /// selected with them. Retries when an object was deleted by maintenance meanwhile.
    async fn read_extents_with<T>(
        &self,
        select: impl Fn(&State) -> Result<(T, Vec<Extent>)>,
    ) -> Result<(T, Vec<(Extent, Bytes)>)> {
        let mut missing_object = None;
        for _ in 0..MAX_ATTEMPTS {
            self.sync().await?;
            let (selected, extents) = self.with_state(&select)??;
            let read = async |extent: &Extent| match extent.location.is_lost() {
                true => Ok(Some(Bytes::new())),
                false => self.events(extent.location).await,
            };
            let read = try_join_all(extents.iter().map(read)).await?;
            // a deleted object held no live events: the current state does not name it
            missing_object =
                extents.iter().zip(&read).find(|(_, bytes)| bytes.is_none()).map(|(e, _)| e.location.object);
            if let Some(bytes) = read.into_iter().collect::<Option<Vec<_>>>() {
                return Ok((selected, extents.into_iter().zip(bytes).collect()));
            }
        }
        Err(self.bucket.missing_object_error(missing_object.unwrap_or_default()))
    }

    /// Returns the earliest cut after which every event was committed at `since_epoch` or later.
    pub(crate) async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        let millis = u64::try_from(since_epoch.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let mut missing_object = None;
        for _ in 0..MAX_ATTEMPTS {
            self.sync().await?;
            let (found, segment_infos) = self.with_state(|state| {
                Ok::<_, Error>((state.positions_since(stream, millis)?, state.segment_infos(stream)?))
            })??;
            let offsets =
                try_join_all(found.iter().zip(&segment_infos).map(async |((_, since), info)| match since {
                    TimePosition::Offset(offset) => Ok(Ok(*offset)),
                    TimePosition::Within(extent) => {
                        let found = self.offset_within(extent, millis).await?;
                        Ok::<_, Error>(
                            found.map(|offset| offset.max(info.head)).ok_or(extent.location.object),
                        )
                    }
                }));
            match offsets.await?.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(offsets) => return Ok(StreamCut::of(stream, found.iter().map(|(id, _)| id).zip(offsets))),
                Err(object) => missing_object = Some(object),
            }
        }
        Err(self.bucket.missing_object_error(missing_object.unwrap_or_default()))
    }

    /// Returns the offset of the first commit in an extent at or after a time; `None` when its object does
    /// not exist.
    async fn offset_within(&self, extent: &Extent, millis: u64) -> Result<Option<u64>> {
        let Some(run) = self.data_run(extent).await? else { return Ok(None) };
        let first = run.commits(extent.start).find(|(_, time)| *time >= millis);
        Ok(Some(first.map_or(extent.end(), |(offset, _)| offset)))
    }

    /// Returns the description of an extent from the head of its data object; `None` when the object does not
    /// exist.
    pub(crate) async fn data_run(&self, extent: &Extent) -> Result<Option<DataRun>> {
        let Some((data, events_offset)) = self.data_head(extent.location.object).await? else {
            return Ok(None);
        };
        let run = data.runs.iter().find(|run| events_offset + run.at == extent.location.at);
        let is_valid =
            |run: &&DataRun| run.length == extent.location.length && run.steps.len() == run.times.len();
        run.filter(is_valid).cloned().map(Some).ok_or_else(|| {
            let name = self.bucket.object_name(extent.location.object);
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "object {name} is damaged: its head does not describe the events at byte {}",
                    extent.location.at
                ),
            )
        })
    }
}
