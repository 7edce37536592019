//! The part of the state that maintenance needs: which events are to be merged, how merges and checkpoints
//! are applied, and which checkpoint the next one is based on.

use super::model::{DataObject, OpenTransaction, State, error_text};
use super::segment::{Extent, Location, Segment};
use crate::record::{CheckpointRecord, MergeRecord, MergeRun};
use kulya_store::SegmentId;
use std::collections::{HashMap, HashSet};

/// A data object is merged again when less than 1/2 of it is live.
const SPARSE_DIVISOR: u64 = 2;
/// The base of the number system by which incremental checkpoints are based on one another.
const CHAIN_BASE: u64 = 4;
/// The size in bytes up to which incremental checkpoints may grow together, whatever the size of the full
/// one.
const MIN_FULL_CHECKPOINT_BYTES: u64 = 256 << 10;

/// The events to merge: adjacent extents of segments, and events staged by open transactions.
#[derive(Debug, Default)]
pub(crate) struct MergeCandidates {
    pub(crate) runs: Vec<(SegmentId, Vec<Extent>)>,
    pub(crate) parts: Vec<(u64, SegmentId, Location)>,
}

impl State {
    pub(super) fn apply_merge(&mut self, number: u64, merged: &MergeRecord) -> Result<(), String> {
        self.data.insert(merged.data, DataObject { number, bytes: merged.bytes });
        self.lease.until = self.lease.until.max(merged.until);
        for run in &merged.runs {
            let id = run.segment.clone().unwrap_or_default().segment().map_err(error_text)?;
            let extents = extents(run, merged.data, number)?;
            // the stream may have been deleted meanwhile
            if let Ok(segment) = self.segment_mut(&id) {
                segment.replace(extents);
            }
        }
        for part in &merged.parts {
            let Some(OpenTransaction { parts, .. }) = self.open.get_mut(&part.transaction) else { continue };
            for (_, location) in parts {
                if (location.object, location.at) == (part.object, part.old_at) {
                    (location.object, location.at) = (merged.data, part.at);
                }
            }
        }
        Ok(())
    }

    pub(super) fn apply_checkpoint(&mut self, checkpoint: &CheckpointRecord) {
        self.lease.until = 0;
        self.chain_before.clone_from(&self.chain);
        match checkpoint.base {
            None => {
                self.chain.clear();
                self.incremental_bytes = 0;
                self.changes.discard_before(checkpoint.number);
            }
            Some(base) => {
                self.chain.retain(|link| link.number <= base);
                self.incremental_bytes += checkpoint.bytes;
            }
        }
        self.chain.push(*checkpoint);
        self.bytes_since_checkpoint = 0;
    }

    /// Returns the number of the newest recorded checkpoint.
    pub(crate) fn newest_checkpoint(&self) -> u64 {
        self.chain.last().map_or(0, |link| link.number)
    }

    /// Returns the base of the next checkpoint and its position in the chain; no base when it must be full.
    pub(crate) fn next_checkpoint_base(&self) -> (Option<u64>, u64) {
        let (Some(whole), Some(last)) = (self.chain.first(), self.chain.last()) else { return (None, 0) };
        if self.incremental_bytes > whole.bytes.max(MIN_FULL_CHECKPOINT_BYTES) {
            return (None, 0);
        }
        let position = last.position + 1;
        let mut step = 1;
        while position.is_multiple_of(step * CHAIN_BASE) {
            step *= CHAIN_BASE;
        }
        let base = self.chain.iter().find(|link| link.position == position - step);
        base.map_or((None, 0), |base| (Some(base.number), position))
    }

    /// Returns the live bytes of each object that holds live events.
    fn live_bytes(&self) -> HashMap<u64, u64> {
        let mut live_bytes = HashMap::new();
        self.live_locations().for_each(|location| {
            *live_bytes.entry(location.object).or_default() += u64::from(location.length)
        });
        live_bytes
    }

    /// Returns the locations of all live events.
    pub(crate) fn live_locations(&self) -> impl Iterator<Item = Location> + '_ {
        let extents = self.streams.values().flat_map(|stream| &stream.segments).flat_map(Segment::extents);
        let staged = self.open.values().flat_map(|open| &open.parts).map(|(_, location)| *location);
        extents.map(|extent| extent.location).chain(staged).filter(|location| !location.is_lost())
    }

    /// Selects the events in log objects and in sparse data objects.
    pub(crate) fn merge_candidates(&self) -> MergeCandidates {
        let live_bytes = self.live_bytes();
        let is_sparse = |(data, object): (&u64, &DataObject)| {
            let live_bytes = live_bytes.get(data).copied().unwrap_or(0);
            (live_bytes > 0 && live_bytes * SPARSE_DIVISOR < object.bytes).then_some(*data)
        };
        let sparse: HashSet<u64> = self.data.iter().filter_map(is_sparse).collect();
        let is_due = |location: &Location| {
            !location.is_lost() && (location.is_log() || sparse.contains(&location.object))
        };
        self.select(is_due)
    }

    /// Selects the events at matching locations.
    pub(crate) fn select(&self, is_due: impl Fn(&Location) -> bool) -> MergeCandidates {
        let mut selected = MergeCandidates::default();
        for (stream, found) in &self.streams {
            for (number, segment) in found.segments.iter().enumerate() {
                let id = SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch };
                let mut run = Vec::new();
                for extent in segment.extents() {
                    if is_due(&extent.location) {
                        run.push(*extent);
                    } else if !run.is_empty() {
                        selected.runs.push((id.clone(), std::mem::take(&mut run)));
                    }
                }
                if !run.is_empty() {
                    selected.runs.push((id, run));
                }
            }
        }
        for (transaction, open) in &self.open {
            let parts = open.parts.iter().filter(|(_, location)| is_due(location));
            selected.parts.extend(parts.map(|(id, location)| (*transaction, id.clone(), *location)));
        }
        selected
    }

    /// Returns the data objects without live events.
    pub(crate) fn unreferenced_data(&self) -> Vec<u64> {
        let live_bytes = self.live_bytes();
        self.data.keys().filter(|data| !live_bytes.contains_key(data)).copied().collect()
    }

    /// Returns the number before which no log object is needed, neither for events nor for recovery from the
    /// second newest checkpoint.
    pub(crate) fn first_needed_log(&self) -> u64 {
        let checkpoint = self.chain_before.last().map_or(0, |link| link.number);
        self.live_locations()
            .filter(Location::is_log)
            .map(|location| location.object)
            .fold(checkpoint, u64::min)
    }

    /// Returns the checkpoints in the chains of the newest two.
    pub(crate) fn needed_checkpoints(&self) -> HashSet<u64> {
        self.chain.iter().chain(&self.chain_before).map(|link| link.number).collect()
    }

    /// Returns the streams that exceed their retention at `now`, in milliseconds.
    pub(crate) fn over_retention(&self, now: u64) -> Vec<kulya_store::StreamId> {
        let is_over_retention = |stream: &super::model::Stream| {
            let size: u64 = stream.segments.iter().map(|segment| segment.tail - segment.head).sum();
            let from = stream.retention.age.map(|age| now.saturating_sub(age.as_millis() as u64));
            let is_old = |segment: &Segment| {
                from.is_some_and(|from| segment.extents().next().is_some_and(|first| first.time < from))
            };
            stream.retention.bytes.is_some_and(|bytes| size > bytes) || stream.segments.iter().any(is_old)
        };
        self.streams
            .iter()
            .filter(|(_, stream)| is_over_retention(stream))
            .map(|(id, _)| id.clone())
            .collect()
    }
}

/// Returns the extents of a run in a data object.
fn extents(run: &MergeRun, data: u64, number: u64) -> Result<Vec<Extent>, String> {
    let lists = [run.at.len(), run.checksums.len(), run.first_times.len(), run.last_times.len()];
    if lists.iter().any(|length| *length != run.lengths.len()) {
        return Err("lists of merged extents differ in length".into());
    }
    let mut start = run.start;
    let mut found = Vec::with_capacity(run.lengths.len());
    let locations = run.at.iter().zip(&run.lengths).zip(&run.checksums);
    for (((at, length), checksum), (time, last_time)) in
        locations.zip(run.first_times.iter().zip(&run.last_times))
    {
        let location = Location { object: data, at: *at, length: *length, checksum: *checksum };
        found.push(Extent { start, time: *time, last_time: *last_time, number, location });
        start = start.checked_add(u64::from(*length)).ok_or("offset overflow in merged extents")?;
    }
    Ok(found)
}
