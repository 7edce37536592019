//! The staged events of an open transaction: where each run of them is in the log. A large transaction has
//! a run for each 16 KiB of its events, so the runs are packed, to about 12 bytes.
//!
//! A run is, as varints: the number of its segment among those of the transaction, in order of their first
//! runs (for the first run of a segment also its stream and number); the start, from the end of the
//! segment's run before; the file, from that of the run before; the position, from the end of the run
//! before; and the length; then the checksum u32. Differences are signed. Runs are packed into chunks of at
//! most 64 KiB, which clones share.

use crate::extent::Extent;
use crate::op::SegmentKey;
use crate::varint::{MAX_VARINT_BYTES, put_varint, take_varint, unzigzag, zigzag};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

/// The maximum size of a chunk, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// The maximum size of a packed run, in bytes.
const MAX_RUN_BYTES: usize = 7 * MAX_VARINT_BYTES + 4;

/// The staged events of an open transaction.
#[derive(Default)]
pub(crate) struct StagedEvents {
    pub(crate) runs: StagedRuns,
    /// The number of events.
    pub(crate) events: u64,
}

/// The runs of a transaction in the order in which they were staged, each with its segment. The start of an
/// extent is relative to the transaction's events for its segment until the commit; its time, which is that
/// of the commit, is 0. A clone shares the chunks.
#[derive(Clone, Default)]
pub(crate) struct StagedRuns {
    chunks: Vec<Arc<Vec<u8>>>,
    segments: BTreeMap<SegmentKey, StagedSegment>,
    files: BTreeSet<u32>,
    last: LastRun,
}

/// A segment with staged events.
#[derive(Clone, Copy)]
struct StagedSegment {
    /// Its number among those of the transaction.
    index: u64,
    /// The end of its last run.
    length: u64,
}

/// What the next run is relative to.
#[derive(Clone, Copy, Default)]
struct LastRun {
    file: u32,
    /// The position of its end.
    end: u64,
}

impl LastRun {
    fn of(extent: &Extent) -> Self {
        Self { file: extent.file, end: extent.position.wrapping_add(extent.length.into()) }
    }
}

impl StagedRuns {
    /// Adds a run.
    pub(crate) fn push(&mut self, segment: SegmentKey, extent: &Extent) {
        let next = self.segments.len() as u64;
        let is_full = |chunk: &Arc<Vec<u8>>| chunk.len() + MAX_RUN_BYTES > CHUNK_BYTES;
        if self.chunks.last().is_none_or(is_full) {
            self.chunks.push(Arc::default());
        }
        let found = self.segments.entry(segment).or_insert(StagedSegment { index: next, length: 0 });
        // a chunk that a clone shares is copied once
        let out = Arc::make_mut(self.chunks.last_mut().expect("a chunk was just added"));
        put_varint(out, found.index);
        if found.index == next {
            put_varint(out, segment.stream.into());
            put_varint(out, segment.number.into());
        }
        put_varint(out, zigzag(extent.start.wrapping_sub(found.length)));
        put_varint(out, zigzag(u64::from(extent.file).wrapping_sub(self.last.file.into())));
        put_varint(out, zigzag(extent.position.wrapping_sub(self.last.end)));
        put_varint(out, extent.length.into());
        out.extend(extent.checksum.to_be_bytes());
        found.length = extent.start.saturating_add(extent.length.into());
        self.last = LastRun::of(extent);
        self.files.insert(extent.file);
    }

    /// Restores runs from their chunks; `None` if these are not what [`chunks`](Self::chunks) returned.
    pub(crate) fn from_chunks(chunks: impl IntoIterator<Item = Vec<u8>>) -> Option<Self> {
        let mut runs = Self::default();
        let mut segments = Vec::new();
        for chunk in chunks {
            let mut rest = chunk.as_slice();
            while !rest.is_empty() {
                let (_, extent) = take_run(&mut rest, &mut segments, &mut runs.last)?;
                runs.files.insert(extent.file);
            }
            runs.chunks.push(Arc::new(chunk));
        }
        for (index, (segment, length)) in (0..).zip(&segments) {
            let found = StagedSegment { index, length: *length };
            // a segment has one number
            if runs.segments.insert(*segment, found).is_some() {
                return None;
            }
        }
        Some(runs)
    }

    /// Returns the packed runs. Only the last chunk changes later.
    pub(crate) fn chunks(&self) -> &[Arc<Vec<u8>>] {
        &self.chunks
    }

    /// Returns the number of bytes that are staged for a segment.
    pub(crate) fn length_of(&self, segment: SegmentKey) -> u64 {
        self.segments.get(&segment).map_or(0, |found| found.length)
    }

    /// Iterates over the segments with staged events, and their lengths in bytes.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (SegmentKey, u64)> + '_ {
        self.segments.iter().map(|(segment, found)| (*segment, found.length))
    }

    /// Iterates over the log files that have the events.
    pub(crate) fn files(&self) -> impl Iterator<Item = u32> + '_ {
        self.files.iter().copied()
    }

    /// Iterates over the runs.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = (SegmentKey, Extent)> + '_ {
        Runs::new(self.chunks.iter().map(|chunk| &**chunk))
    }
}

impl IntoIterator for StagedRuns {
    type Item = (SegmentKey, Extent);
    type IntoIter = Runs<std::vec::IntoIter<Arc<Vec<u8>>>>;

    /// Iterates over the runs, and frees each chunk after its last one.
    fn into_iter(self) -> Self::IntoIter {
        Runs::new(self.chunks.into_iter())
    }
}

/// An iterator over the runs in chunks.
pub(crate) struct Runs<I: Iterator> {
    chunks: I,
    chunk: Option<I::Item>,
    /// The number of bytes of the chunk that were read.
    read: usize,
    /// The segments so far, and the end of the last run of each.
    segments: Vec<(SegmentKey, u64)>,
    last: LastRun,
}

impl<I: Iterator<Item: Deref<Target = Vec<u8>>>> Runs<I> {
    fn new(chunks: I) -> Self {
        Self { chunks, chunk: None, read: 0, segments: Vec::new(), last: LastRun::default() }
    }
}

impl<I: Iterator<Item: Deref<Target = Vec<u8>>>> Iterator for Runs<I> {
    type Item = (SegmentKey, Extent);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = &self.chunk
                && let Some(mut rest @ [_, ..]) = chunk.get(self.read..)
            {
                let run = take_run(&mut rest, &mut self.segments, &mut self.last);
                self.read = chunk.len() - rest.len();
                return Some(run.expect("the chunks hold whole runs"));
            }
            // frees the chunk before the next one
            self.chunk = None;
            self.chunk = Some(self.chunks.next()?);
            self.read = 0;
        }
    }
}

fn take_run(
    bytes: &mut &[u8],
    segments: &mut Vec<(SegmentKey, u64)>,
    last: &mut LastRun,
) -> Option<(SegmentKey, Extent)> {
    let index = take_varint(bytes)? as usize;
    if index == segments.len() {
        let (stream, number) = (take_varint(bytes)? as u32, take_varint(bytes)? as u32);
        segments.push((SegmentKey { stream, number }, 0));
    }
    let (segment, length_before) = segments.get_mut(index)?;
    let start = length_before.wrapping_add(unzigzag(take_varint(bytes)?));
    let file = u64::from(last.file).wrapping_add(unzigzag(take_varint(bytes)?)) as u32;
    let position = last.end.wrapping_add(unzigzag(take_varint(bytes)?));
    let length = take_varint(bytes)? as u32;
    let (checksum, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    let checksum = u32::from_be_bytes(*checksum);
    let extent = Extent { start, time: 0, file, position, length, checksum };
    *length_before = start.saturating_add(length.into());
    *last = LastRun::of(&extent);
    Some((*segment, extent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Creates runs from any numbers.
    fn any_runs() -> impl Strategy<Value = Vec<(SegmentKey, Extent)>> {
        let key = prop_oneof![(0u32..3, 0u32..3), any::<(u32, u32)>()];
        let key = key.prop_map(|(stream, number)| SegmentKey { stream, number });
        let extent =
            any::<(u64, u32, u64, u32, u32)>().prop_map(|(start, file, position, length, checksum)| Extent {
                start,
                time: 0,
                file,
                position,
                length,
                checksum,
            });
        prop::collection::vec((key, extent), 0..200)
    }

    fn packed(runs: &[(SegmentKey, Extent)]) -> StagedRuns {
        let mut packed = StagedRuns::default();
        for (segment, extent) in runs {
            packed.push(*segment, extent);
        }
        packed
    }

    /// Returns runs as a transaction of one segment stages them: 16 KiB each, 64 in a frame.
    fn large_transaction(count: u64) -> impl Iterator<Item = (SegmentKey, Extent)> {
        (0..count).map(|number| {
            let (length, checksum) = (16_300, (number as u32).wrapping_mul(0x9e37_79b9));
            let (file, in_file) = ((number / 16_000) as u32, number % 16_000);
            let position = 64 + in_file * 16_333 + (in_file / 64 + 1) * 48;
            let start = number * u64::from(length);
            let extent = Extent { start, time: 0, file, position, length, checksum };
            (SegmentKey { stream: 1, number: 0 }, extent)
        })
    }

    proptest! {
        #[test]
        fn any_runs_are_returned_as_they_were_added(runs in any_runs()) {
            let packed = packed(&runs);
            prop_assert_eq!(&packed.iter().collect::<Vec<_>>(), &runs);
            let files: BTreeSet<u32> = runs.iter().map(|(_, extent)| extent.file).collect();
            prop_assert_eq!(packed.files().collect::<BTreeSet<_>>(), files);
            for (segment, length) in packed.segments() {
                let last = runs.iter().rfind(|(key, _)| *key == segment).unwrap().1;
                prop_assert_eq!(length, last.start.saturating_add(last.length.into()));
                prop_assert_eq!(packed.length_of(segment), length);
            }
            prop_assert_eq!(packed.into_iter().collect::<Vec<_>>(), runs);
        }

        #[test]
        fn runs_continue_after_they_were_restored(before in any_runs(), after in any_runs()) {
            let mut all = packed(&before);
            let chunks = all.chunks().iter().map(|chunk| chunk.to_vec());
            let mut restored = StagedRuns::from_chunks(chunks).unwrap();
            for (segment, extent) in &after {
                all.push(*segment, extent);
                restored.push(*segment, extent);
            }
            prop_assert_eq!(restored.chunks(), all.chunks());
            prop_assert!(restored.segments().eq(all.segments()));
            prop_assert!(restored.files().eq(all.files()));
        }

        #[test]
        fn any_chunks_are_restored_or_rejected(chunks: Vec<Vec<u8>>) {
            if let Some(runs) = StagedRuns::from_chunks(chunks) {
                let ends: BTreeMap<_, _> = runs.iter().map(|(segment, extent)| (segment, extent.start.saturating_add(extent.length.into()))).collect();
                prop_assert!(runs.segments().eq(ends));
            }
        }

        #[test]
        fn clone_does_not_see_later_runs(before in any_runs(), after in any_runs()) {
            let mut all = packed(&before);
            let clone = all.clone();
            for (segment, extent) in &after {
                all.push(*segment, extent);
            }
            prop_assert_eq!(clone.into_iter().collect::<Vec<_>>(), before.clone());
            prop_assert_eq!(all.into_iter().collect::<Vec<_>>(), [before, after].concat());
        }
    }

    #[test]
    fn run_of_a_large_transaction_takes_12_bytes() {
        let mut runs = StagedRuns::default();
        large_transaction(90_000).for_each(|(segment, extent)| runs.push(segment, &extent));
        assert!(runs.chunks.iter().all(|chunk| chunk.capacity() <= CHUNK_BYTES));
        let bytes: usize = runs.chunks.iter().map(|chunk| chunk.capacity()).sum();
        assert!(bytes <= 12 * 90_000, "{bytes} bytes");
        assert!(runs.iter().eq(large_transaction(90_000)));
        let clone = runs.clone();
        let is_shared = |(a, b): (&Arc<Vec<u8>>, &Arc<Vec<u8>>)| Arc::ptr_eq(a, b);
        assert!(runs.chunks.iter().zip(&clone.chunks).all(is_shared), "a clone copies no chunk");
    }

    #[test]
    fn consumed_chunks_are_freed() {
        let mut runs = StagedRuns::default();
        large_transaction(20_000).for_each(|(segment, extent)| runs.push(segment, &extent));
        let first = Arc::downgrade(runs.chunks.first().unwrap());
        let mut iterator = runs.into_iter();
        assert!(iterator.next().is_some());
        assert_eq!(first.strong_count(), 1);
        assert_eq!(iterator.by_ref().take(10_000).count(), 10_000);
        assert_eq!(first.strong_count(), 0, "the first chunk is freed while others are read");
    }
}
