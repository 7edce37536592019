//! Maintenance as the state sees it: which events stand in small objects or in mostly dead ones, where they stand once they
//! were merged, and on which checkpoint the next one is based.

use super::{DataObject, Extent, Open, Place, Segment, State, said};
use crate::record::{CheckpointRecord, MergedRecord, MergedRun};
use kulya_store::SegmentId;
use std::collections::{HashMap, HashSet};

/// Of a data object at least one half is alive, or what is goes into another one.
const SPARSE_PART: u64 = 2;
/// Checkpoints of changes are based on one another as the digits of a number to this base count.
const DIGITS: u64 = 4;
/// Checkpoints of changes may have so many bytes together, and as many as the one that holds everything.
const MOST_CHANGED_BYTES: u64 = 256 << 10;

/// What shall be merged: extents of a segment that touch, and what open transactions have staged.
#[derive(Debug, Default)]
pub(crate) struct ToMerge {
    pub(crate) runs: Vec<(SegmentId, Vec<Extent>)>,
    pub(crate) parts: Vec<(u64, SegmentId, Place)>,
}

impl State {
    pub(super) fn take_merged(&mut self, number: u64, merged: &MergedRecord) -> Result<(), String> {
        self.data.insert(merged.data, DataObject { number, bytes: merged.bytes });
        self.lease.until = self.lease.until.max(merged.until);
        for run in &merged.runs {
            let id = run.segment.clone().unwrap_or_default().segment().map_err(said)?;
            let extents = extents(run, merged.data, number)?;
            // it may have been deleted meanwhile
            if let Ok(segment) = self.segment_mut(&id) {
                segment.replace(extents);
            }
        }
        for part in &merged.parts {
            let Some(Open { parts, .. }) = self.open.get_mut(&part.transaction) else { continue };
            for (_, place) in parts {
                if (place.object, place.at) == (part.object, part.old_at) {
                    (place.object, place.at) = (merged.data, part.at);
                }
            }
        }
        Ok(())
    }

    pub(super) fn take_checkpoint(&mut self, checkpoint: &CheckpointRecord) {
        self.lease.until = 0;
        self.chain_before.clone_from(&self.chain);
        match checkpoint.base {
            None => {
                self.chain.clear();
                self.changed_bytes = 0;
                self.touched.forget(checkpoint.number);
            }
            Some(base) => {
                self.chain.retain(|link| link.number <= base);
                self.changed_bytes += checkpoint.bytes;
            }
        }
        self.chain.push(*checkpoint);
        self.fresh_bytes = 0;
    }

    /// The number of the newest checkpoint that the log speaks of.
    pub(crate) fn newest_checkpoint(&self) -> u64 {
        self.chain.last().map_or(0, |link| link.number)
    }

    /// On which checkpoint the next one is based, and its turn; none, when it shall hold everything.
    pub(crate) fn next_base(&self) -> (Option<u64>, u64) {
        let (Some(whole), Some(last)) = (self.chain.first(), self.chain.last()) else { return (None, 0) };
        if self.changed_bytes > whole.bytes.max(MOST_CHANGED_BYTES) {
            return (None, 0);
        }
        let turn = last.turn + 1;
        let mut step = 1;
        while turn.is_multiple_of(step * DIGITS) {
            step *= DIGITS;
        }
        let base = self.chain.iter().find(|link| link.turn == turn - step);
        base.map_or((None, 0), |base| (Some(base.number), turn))
    }

    /// Of each object that something alive stands in, how many bytes.
    fn alive(&self) -> HashMap<u64, u64> {
        let mut alive = HashMap::new();
        self.places().for_each(|place| *alive.entry(place.object).or_default() += u64::from(place.length));
        alive
    }

    /// Every place where events stand that somebody may read.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let extents = self.streams.values().flat_map(|stream| &stream.segments).flat_map(Segment::extents);
        let staged = self.open.values().flat_map(|open| &open.parts).map(|(_, place)| *place);
        extents.map(|extent| extent.place).chain(staged).filter(|place| !place.is_lost())
    }

    /// The events that stand in the log's objects, or in data objects that are mostly dead.
    pub(crate) fn to_merge(&self) -> ToMerge {
        let alive = self.alive();
        let is_sparse = |(data, object): (&u64, &DataObject)| {
            let alive = alive.get(data).copied().unwrap_or(0);
            (alive > 0 && alive * SPARSE_PART < object.bytes).then_some(*data)
        };
        let sparse: HashSet<u64> = self.data.iter().filter_map(is_sparse).collect();
        let is_due = |place: &Place| !place.is_lost() && (place.is_log() || sparse.contains(&place.object));
        self.choose(is_due)
    }

    /// The events whose places are chosen.
    pub(crate) fn choose(&self, is_due: impl Fn(&Place) -> bool) -> ToMerge {
        let mut chosen = ToMerge::default();
        for (stream, found) in &self.streams {
            for (number, segment) in found.segments.iter().enumerate() {
                let id = SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch };
                let mut run = Vec::new();
                for extent in segment.extents() {
                    if is_due(&extent.place) {
                        run.push(*extent);
                    } else if !run.is_empty() {
                        chosen.runs.push((id.clone(), std::mem::take(&mut run)));
                    }
                }
                if !run.is_empty() {
                    chosen.runs.push((id, run));
                }
            }
        }
        for (transaction, open) in &self.open {
            let parts = open.parts.iter().filter(|(_, place)| is_due(place));
            chosen.parts.extend(parts.map(|(id, place)| (*transaction, id.clone(), *place)));
        }
        chosen
    }

    /// Data objects in which nothing is alive.
    pub(crate) fn dead_data(&self) -> Vec<u64> {
        let alive = self.alive();
        self.data.keys().filter(|data| !alive.contains_key(data)).copied().collect()
    }

    /// Before this number nobody needs a log object: neither who reads events, nor who begins with the second newest
    /// checkpoint.
    pub(crate) fn needed_from(&self) -> u64 {
        let checkpoint = self.chain_before.last().map_or(0, |link| link.number);
        self.places().filter(Place::is_log).map(|place| place.object).fold(checkpoint, u64::min)
    }

    /// The checkpoints that the newest two are made of.
    pub(crate) fn needed_checkpoints(&self) -> HashSet<u64> {
        self.chain.iter().chain(&self.chain_before).map(|link| link.number).collect()
    }

    /// The streams of which not everything is kept, and which hold more than they should at a time, in milliseconds.
    pub(crate) fn overdue(&self, now: u64) -> Vec<kulya_store::StreamId> {
        let is_overdue = |stream: &super::Stream| {
            let size: u64 = stream.segments.iter().map(|segment| segment.tail - segment.head).sum();
            let from = stream.retention.age.map(|age| now.saturating_sub(age.as_millis() as u64));
            let is_old = |segment: &Segment| {
                from.is_some_and(|from| segment.extents().next().is_some_and(|first| first.time < from))
            };
            stream.retention.bytes.is_some_and(|bytes| size > bytes) || stream.segments.iter().any(is_old)
        };
        self.streams.iter().filter(|(_, stream)| is_overdue(stream)).map(|(id, _)| id.clone()).collect()
    }
}

/// The extents that a run says, in a data object.
fn extents(run: &MergedRun, data: u64, number: u64) -> Result<Vec<Extent>, String> {
    let lists = [run.at.len(), run.checksums.len(), run.first_times.len(), run.last_times.len()];
    if lists.iter().any(|length| *length != run.lengths.len()) {
        return Err("merged extents are not all there".into());
    }
    let mut start = run.start;
    let mut found = Vec::with_capacity(run.lengths.len());
    let places = run.at.iter().zip(&run.lengths).zip(&run.checksums);
    for (((at, length), checksum), (time, last_time)) in
        places.zip(run.first_times.iter().zip(&run.last_times))
    {
        let place = Place { object: data, at: *at, length: *length, checksum: *checksum };
        found.push(Extent { start, time: *time, last_time: *last_time, number, place });
        start = start.checked_add(u64::from(*length)).ok_or("merged extents end nowhere")?;
    }
    Ok(found)
}
