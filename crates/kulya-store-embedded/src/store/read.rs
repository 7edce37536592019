//! Reads events: finds the extents of a segment, reads and verifies their bytes, and splits them into
//! events. If a compaction moves the extents meanwhile, the read is retried.

use crate::disk::{ReadFile, read_exact_at};
use crate::error::{corrupt_log, disk_error};
use crate::extent::Extent;
use crate::store::EmbeddedStore;
use bytes::Bytes;
use kulya_store::{Error, ErrorKind, EventPointer, FramedChunk, Result, SegmentId, framing};
use std::path::PathBuf;
use std::sync::Arc;

/// The maximum size of a read, in bytes.
const MAX_READ_BYTES: usize = 32 << 20;
/// The maximum number of retries of a read because of compactions.
const MAX_RETRIES: usize = 100;

impl EmbeddedStore {
    /// Returns the segment's extents from `offset` on, `bytes` in total or a little more, and its head and
    /// tail. `None` if a compaction moved some of them between two index lookups: a cached block is from
    /// before, the next one from after it, and extents between them are missing.
    pub(super) fn extents(&self, segment: &SegmentId, offset: u64, bytes: u64) -> Result<Option<Extents>> {
        let state = self.state()?;
        let (key, found) = state.segment(segment)?;
        let is_inside = found.head <= offset && offset < found.tail;
        let extents = if is_inside { state.extents(key, found, offset, bytes)? } else { Vec::new() };
        let is_complete = !is_inside || is_contiguous(&extents, offset);
        Ok(is_complete.then_some(Extents { extents, head: found.head, tail: found.tail }))
    }

    /// Reads the bytes of contiguous extents, and verifies their checksums. `None` if a compaction removed
    /// a file since the extents were looked up.
    fn read_extents(&self, segment: &SegmentId, extents: &[Extent]) -> Result<Option<Bytes>> {
        let total = extents.iter().map(|extent| extent.length as usize).sum();
        let mut bytes: Vec<u8> = Vec::new();
        // the only large allocation of a read: if it fails, the read fails and not the process
        bytes.try_reserve_exact(total).map_err(|e| {
            let message =
                format!("cannot allocate {total} bytes for events: read less at a time, or raise ulimit -v");
            Error::new(ErrorKind::Failed, message).because(e)
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
            let (slice, remaining) = rest.split_at_mut(extent.length as usize);
            rest = remaining;
            read_exact_at(&**file, slice, extent.position)
                .map_err(|e| disk_error(&format!("cannot read {}", self.path_of(extent).display()), e))?;
            if crc32c::crc32c(slice) != extent.checksum {
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
        let message =
            format!("the events of segment {segment} from offset {start} on do not match their checksum");
        corrupt_log(&path, position, &message)
    }

    /// Retries an attempt that returns `None` because of a compaction.
    pub(super) fn retry_if_compacted<T>(&self, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        for _ in 0..MAX_RETRIES {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            self.state()?.clear_block_cache();
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the index does not locate these events: retry, and if it persists, close the store and remove its index, which is rebuilt from the log",
        ))
    }

    /// Reads events, about `max_bytes`: an extent that would exceed that by at most `excess` is read to its
    /// end. Only a whole extent can be verified, so that one that is read in parts is read several times.
    pub(super) fn read_blocking(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: usize,
        excess: usize,
    ) -> Result<FramedChunk> {
        let max_bytes = max_bytes.clamp(1, MAX_READ_BYTES);
        let limit = max_bytes.saturating_add(excess);
        self.retry_if_compacted(|| {
            let Some(part) = self.extents(segment, offset, max_bytes as u64)? else { return Ok(None) };
            let Extents { extents, head, tail } = part;
            if offset < head {
                return Err(Error::truncated(segment, offset, head));
            }
            if offset > tail {
                return Err(no_event(segment, offset));
            }
            let Some(first) = extents.first() else { return Ok(Some(FramedChunk::empty(offset))) };
            if first.is_lost() {
                // lost events are skipped
                return Ok(Some(FramedChunk::empty(first.end())));
            }
            let end = extents.iter().position(Extent::is_lost).unwrap_or(extents.len());
            let readable = whole(extents.get(..end).unwrap_or_default(), offset, limit);
            let fits_whole = fits(readable, offset, limit);
            let Some(bytes) = self.read_extents(segment, readable)? else { return Ok(None) };
            let bytes = bytes_from(segment, first, &bytes, offset)?;
            FramedChunk::parse(offset, bytes, if fits_whole { limit } else { max_bytes }).map(Some)
        })
    }

    /// Checks that an offset is an event boundary or the tail.
    pub(super) fn check_boundary(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.retry_if_compacted(|| {
            let Some(part) = self.extents(segment, offset, 1)? else { return Ok(None) };
            let Extents { extents, head, tail } = part;
            if offset <= head || offset == tail {
                return Ok(Some(()));
            }
            let extent = extents.first().ok_or_else(|| no_event(segment, offset))?;
            if extent.is_lost() {
                let is_edge = extent.start == offset;
                return if is_edge { Ok(Some(())) } else { Err(no_event(segment, offset)) };
            }
            let Some(bytes) = self.read_extents(segment, std::slice::from_ref(extent))? else {
                return Ok(None);
            };
            let bytes = bytes_from(segment, extent, &bytes, offset)?;
            framing::events(offset, &bytes).map(|_| Some(()))
        })
    }

    pub(super) fn read_event_blocking(&self, pointer: &EventPointer) -> Result<Bytes> {
        let no_such_event = || Error::invalid(format!("no event is at {pointer}"));
        let EventPointer { segment, offset, length } = pointer;
        self.retry_if_compacted(|| {
            let Some(Extents { extents, head, .. }) = self.extents(segment, *offset, 1)? else {
                return Ok(None);
            };
            if *offset < head {
                return Err(Error::truncated(segment, *offset, head));
            }
            let extent = extents.first().ok_or_else(no_such_event)?;
            if extent.is_lost() {
                let message = format!("the event at {pointer} was damaged, and dropped by a repair");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            let Some(bytes) = self.read_extents(segment, std::slice::from_ref(extent))? else {
                return Ok(None);
            };
            let bytes = bytes_from(segment, extent, &bytes, *offset).map_err(|_| no_such_event())?;
            let events = framing::events(*offset, &bytes).map_err(|_| no_such_event())?;
            match events.into_iter().next() {
                Some((_, event)) if framing::framed_len(event.len()) == u64::from(*length) => Ok(Some(event)),
                _ => Err(no_such_event()),
            }
        })
    }
}

/// Returns the bytes of an extent from `offset` on, which must be an event boundary: found by walking from
/// the start of the extent, since a payload can look like events.
fn bytes_from(segment: &SegmentId, extent: &Extent, bytes: &Bytes, offset: u64) -> Result<Bytes> {
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
    Ok(bytes.slice(at.min(bytes.len())..))
}

/// Returns the extents whose events from `offset` on have at most `limit` bytes, and at least one.
fn whole(extents: &[Extent], offset: u64, limit: usize) -> &[Extent] {
    match extents {
        [first, .., _] if !fits(extents, offset, limit) => {
            let fitting = extents.partition_point(|extent| extent.end() - offset <= limit as u64);
            extents.get(..fitting.max(1)).unwrap_or(std::slice::from_ref(first))
        }
        _ => extents,
    }
}

/// Returns whether all events of extents from `offset` on have at most `limit` bytes.
fn fits(extents: &[Extent], offset: u64, limit: usize) -> bool {
    extents.last().is_none_or(|last| last.end() - offset <= limit as u64)
}

/// Returns whether the first extent contains `offset` and the extents are contiguous.
fn is_contiguous(extents: &[Extent], offset: u64) -> bool {
    let contains_offset = |first: &Extent| first.start <= offset && offset < first.end();
    extents.first().is_some_and(contains_offset) && extents.is_sorted_by(|one, next| one.end() == next.start)
}

/// Extents of a segment, with its head and tail.
pub(super) struct Extents {
    pub(super) extents: Vec<Extent>,
    pub(super) head: u64,
    pub(super) tail: u64,
}

fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("segment {segment} has no event at offset {offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(ends: &[u64]) -> Vec<Extent> {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let extent =
            |(start, end): (u64, &u64)| Extent { start, length: (end - start) as u32, ..Extent::default() };
        starts.zip(ends).map(extent).collect()
    }

    #[test]
    fn extents_are_read_whole_if_one_fits() {
        for (ends, offset, limit, count, fits_whole) in [
            (&[100, 200][..], 0, 200, 2, true),
            (&[100, 200], 0, 199, 1, true),
            (&[100, 200], 0, 99, 1, false),
            (&[100, 200], 60, 40, 1, true),
            (&[100, 200], 60, 39, 1, false),
            (&[100, 200, 300], 60, 150, 2, true),
            (&[100], 0, 99, 1, false),
            (&[], 0, 99, 0, true),
        ] {
            let extents = extents(ends);
            let chosen = whole(&extents, offset, limit);
            assert_eq!(
                (chosen.len(), fits(chosen, offset, limit)),
                (count, fits_whole),
                "{ends:?} {offset} {limit}"
            );
        }
    }
}
