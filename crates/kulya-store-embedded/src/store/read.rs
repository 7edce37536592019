//! Reading events: from a segment's extents to its bytes, compared with their checksums, to the events in them. What is
//! compacted away in the middle of it is looked for again.

use crate::error::{corrupt_log, disk_error};
use crate::extent::Extent;
use crate::disk::{ReadFile, read_exact_at};
use crate::recovery;
use crate::store::EmbeddedStore;
use bytes::Bytes;
use kulya_store::{Error, ErrorKind, EventPointer, ReadChunk, Result, SegmentId, framing};
use std::path::PathBuf;
use std::sync::Arc;

/// One read gives no more, however much is asked.
const MAX_READ_BYTES: usize = 32 << 20;
/// A read begins anew no more often than this because what it reads was moved.
const MAX_RETRIES: usize = 100;

impl EmbeddedStore {
    /// The segment's extents from `offset` on, of `bytes` together or a little more, and where it begins and ends.
    /// `None` when some were moved between two looks at the index: a remembered block is as it was before a compaction,
    /// and the one that follows as it is behind it, so that what lies between them is in neither.
    fn extents(&self, segment: &SegmentId, offset: u64, bytes: u64) -> Result<Option<Extents>> {
        let state = self.state()?;
        let (key, found) = state.segment(segment)?;
        let is_inside = found.head <= offset && offset < found.tail;
        let extents = if is_inside { state.extents(key, found, offset, bytes)? } else { Vec::new() };
        let is_whole = !is_inside || is_contiguous(&extents, offset);
        Ok(is_whole.then_some(Extents { extents, head: found.head, tail: found.tail }))
    }

    /// The bytes of a segment from the beginning of the first extent to the end of the last, as they were written:
    /// anything else is damage. `None` when a file was compacted away since the extents were looked up.
    fn bytes_of(&self, segment: &SegmentId, extents: &[Extent]) -> Result<Option<Bytes>> {
        let total = extents.iter().map(|extent| extent.length as usize).sum();
        let mut bytes: Vec<u8> = Vec::new();
        // the one large allocation of a read: without it the read fails, and not the process
        bytes.try_reserve_exact(total).map_err(|e| {
            let what =
                format!("there is no memory for {total} bytes of events: ask for less, or raise ulimit -v");
            Error::new(ErrorKind::Failed, what).because(e)
        })?;
        bytes.resize(total, 0);
        let mut rest = bytes.as_mut_slice();
        let mut last: Option<(u32, Arc<dyn ReadFile>)> = None;
        for extent in extents {
            let file = match &last {
                Some((number, file)) if *number == extent.file => file,
                _ => {
                    let Some(file) = self.file(extent.file)? else { return Ok(None) };
                    &last.insert((extent.file, file)).1
                }
            };
            let (room, behind) = rest.split_at_mut(extent.length as usize);
            rest = behind;
            read_exact_at(&**file, room, extent.position)
                .map_err(|e| disk_error(&format!("cannot read {}", self.path_of(extent).display()), e))?;
            if crc32c::crc32c(room) != extent.checksum {
                return Err(self.corrupt_extent(segment, extent));
            }
        }
        Ok(Some(bytes.into()))
    }

    fn path_of(&self, extent: &Extent) -> PathBuf {
        let name =
            self.state().ok().and_then(|state| state.files.by_id.get(&extent.file).map(|info| info.name));
        name.map_or_else(PathBuf::new, |name| self.inner.folder.log_path(name))
    }

    fn corrupt_extent(&self, segment: &SegmentId, extent: &Extent) -> Error {
        let (path, position, start) = (self.path_of(extent), extent.position, extent.start);
        let what = format!("the events of segment {segment} from offset {start} on are not what was written");
        corrupt_log(&path, position, &what)
    }

    /// Does something with extents again for as long as they are moved under it.
    fn retry_if_compacted<T>(&self, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        for _ in 0..MAX_RETRIES {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            self.state()?.clear_block_cache();
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the index does not say where these events are: try again, and if it stays so, close the store and remove its index, which is made again from the log",
        ))
    }

    pub(crate) fn read_now(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let max_bytes = max_bytes.clamp(1, MAX_READ_BYTES) as u64;
        self.retry_if_compacted(|| {
            let Some(found) = self.extents(segment, offset, max_bytes)? else { return Ok(None) };
            let Extents { extents, head, tail } = found;
            if offset < head {
                return Err(Error::truncated(segment, offset, head));
            }
            if offset > tail {
                return Err(no_event(segment, offset));
            }
            let mut chunk = ReadChunk { events: Vec::new(), next: offset };
            let Some(first) = extents.first() else { return Ok(Some(chunk)) };
            if first.is_lost() {
                // a repair has given them up: readers go on behind them
                chunk.next = first.end();
                return Ok(Some(chunk));
            }
            let whole = extents.iter().position(Extent::is_lost).unwrap_or(extents.len());
            let whole = extents.get(..whole).unwrap_or_default();
            let Some(bytes) = self.bytes_of(segment, whole)? else { return Ok(None) };
            chunk.events = events_from(segment, first, &bytes, offset)?;
            let behind = |(at, event): &(u64, Bytes)| at + framing::framed_len(event.len());
            let fits = chunk.events.partition_point(|event| behind(event) - offset <= max_bytes);
            chunk.events.truncate(fits.max(1));
            chunk.next = chunk.events.last().map_or(offset, behind);
            Ok(Some(chunk))
        })
    }

    /// Refuses an offset at which no event begins, and that is not the tail either.
    pub(crate) fn check_boundary(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.retry_if_compacted(|| {
            let Some(found) = self.extents(segment, offset, 1)? else { return Ok(None) };
            let Extents { extents, head, tail } = found;
            if offset <= head || offset == tail {
                return Ok(Some(()));
            }
            let extent = extents.first().ok_or_else(|| no_event(segment, offset))?;
            if extent.is_lost() {
                let is_edge = extent.start == offset;
                return if is_edge { Ok(Some(())) } else { Err(no_event(segment, offset)) };
            }
            let Some(bytes) = self.bytes_of(segment, std::slice::from_ref(extent))? else { return Ok(None) };
            events_from(segment, extent, &bytes, offset).map(|_| Some(()))
        })
    }

    pub(crate) fn event_now(&self, pointer: &EventPointer) -> Result<Bytes> {
        let nothing = || Error::invalid(format!("no event stands at {pointer}"));
        let EventPointer { segment, offset, length } = pointer;
        self.retry_if_compacted(|| {
            let Some(Extents { extents, head, .. }) = self.extents(segment, *offset, 1)? else {
                return Ok(None);
            };
            if *offset < head {
                return Err(Error::truncated(segment, *offset, head));
            }
            let extent = extents.first().ok_or_else(nothing)?;
            if extent.is_lost() {
                let what = format!("the event at {pointer} was lost to damage, and given up by a repair");
                return Err(Error::new(ErrorKind::Corrupt, what));
            }
            let Some(bytes) = self.bytes_of(segment, std::slice::from_ref(extent))? else { return Ok(None) };
            let events = events_from(segment, extent, &bytes, *offset).map_err(|_| nothing())?;
            match events.into_iter().next() {
                Some((_, event)) if framing::framed_len(event.len()) == u64::from(*length) => Ok(Some(event)),
                _ => Err(nothing()),
            }
        })
    }
}

/// The events of an extent from `offset` on, where one must begin: found by walking from the extent's beginning, since a
/// payload may look like events.
fn events_from(
    segment: &SegmentId,
    extent: &Extent,
    bytes: &Bytes,
    offset: u64,
) -> Result<Vec<(u64, Bytes)>> {
    let mut at = 0usize;
    while extent.start + (at as u64) < offset {
        let rest = bytes.get(at..).unwrap_or_default();
        match framing::payload_len(extent.start + at as u64, rest)? {
            Some(payload) => at += framing::HEADER_BYTES + payload,
            None => break,
        }
    }
    if extent.start + at as u64 != offset {
        return Err(no_event(segment, offset));
    }
    framing::events(offset, &bytes.slice(at.min(bytes.len())..))
}

/// Whether the first of these extents holds `offset` and each begins where the one before it ends.
fn is_contiguous(extents: &[Extent], offset: u64) -> bool {
    let holds = |first: &Extent| first.start <= offset && offset < first.end();
    extents.first().is_some_and(holds) && extents.is_sorted_by(|one, next| one.end() == next.start)
}

/// A part of a segment.
struct Extents {
    extents: Vec<Extent>,
    head: u64,
    tail: u64,
}

fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("no event of segment {segment} begins at offset {offset}"))
}
