//! Recovery from a damaged log: applies what can be applied, reports what cannot, and marks lost events so
//! that readers skip them. Also prepares the state of a backup, whose events are in other objects.

use super::model::{DataObject, State};
use super::segment::{Extent, Location, Segment};
use crate::object::Header;
use crate::record::{Log, Snapshot};
use kulya_store::SegmentId;

/// A range of lost events between two offsets of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRange {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the first lost event.
    pub from: u64,
    /// The offset after the last lost event.
    pub to: u64,
    /// The object that held the events, or the first missing one, and its damage.
    pub reason: String,
}

/// The parts of a log object that could not be applied.
#[derive(Debug, Default)]
pub(crate) struct PartialApply {
    pub(crate) lost: Vec<LostRange>,
    /// Changes that depend on missing ones.
    pub(crate) changes: Vec<String>,
}

impl State {
    /// Skips an object that is missing or invalid. The next object is accepted as its successor.
    pub(crate) fn skip_object(&mut self, number: u64, next_previous: Option<u32>) {
        self.next = number + 1;
        if let Some(previous) = next_previous {
            self.last = previous;
        }
        self.is_chained |= next_previous.is_some();
    }

    /// Applies as much as possible of an object after a gap. `why` names the object that caused the losses.
    pub(crate) fn apply_partial(
        &mut self,
        number: u64,
        header: &Header,
        log: &Log,
        reason: &str,
    ) -> PartialApply {
        let mut partial = PartialApply::default();
        self.time = self.time.max(log.time);
        for batch in &log.batches {
            let Ok(id) = batch.segment.clone().unwrap_or_default().segment() else { continue };
            if batch.transaction == 0 {
                let (time, from) = (self.time, self.segment(&id).map(|(segment, _)| segment.tail));
                match (from, self.segment_mut(&id)) {
                    (Ok(from), Ok(segment)) if from < batch.start => {
                        segment.extend_lost(batch.start, time, number);
                        partial.lost.push(LostRange {
                            segment: id,
                            from,
                            to: batch.start,
                            reason: reason.to_owned(),
                        });
                    }
                    (Ok(_), Ok(_)) => {}
                    _ => {
                        let (from, to) = (batch.start, batch.start + u64::from(batch.length));
                        partial.lost.push(LostRange { segment: id, from, to, reason: reason.to_owned() });
                        continue;
                    }
                }
            }
            if let Err(what) = self.apply_batch(number, header.events_offset(), batch) {
                partial.changes.push(what);
            }
        }
        for (index, record) in log.records.iter().enumerate() {
            let done = match &record.op {
                Some(op) => self.apply_op(number, index, op),
                None => Err("unknown operation: use a newer version of kulya".to_owned()),
            };
            partial.changes.extend(done.err());
        }
        self.advance(number, header);
        partial
    }

    /// Marks the events at a location as lost.
    pub(crate) fn mark_lost(&mut self, location: Location) {
        let number = self.next;
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.mark_lost(|extent| extent.location == location, number);
        }
        for open in self.open.values_mut() {
            open.parts.retain(|(_, part)| *part != location);
        }
    }

    /// Gives the extents in a data object with a damaged head a single time, that of their last commit.
    pub(crate) fn collapse_times(&mut self, object: u64) {
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.collapse_times(object);
        }
    }

    /// Returns every segment with its id.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (SegmentId, &Segment)> + '_ {
        self.streams.iter().flat_map(|(stream, found)| {
            found.segments.iter().enumerate().map(move |(number, segment)| {
                let id = SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch };
                (id, segment)
            })
        })
    }

    /// Returns the whole state as a full checkpoint without predecessors.
    pub(crate) fn standalone_snapshot(&mut self) -> Snapshot {
        (self.chain, self.chain_before, self.incremental_bytes) = (Vec::new(), Vec::new(), 0);
        self.lease.epoch += 1;
        self.lease.until = 0;
        self.snapshot(None)
    }

    /// Prepares the state of a backup: removes data objects, and open transactions, which end with their
    /// processes.
    pub(crate) fn clear_events(&mut self) {
        self.open.clear();
        self.data.clear();
    }

    /// Sets the extents of a segment in a backup.
    pub(crate) fn set_extents(
        &mut self,
        id: &SegmentId,
        head: u64,
        extents: Vec<Extent>,
    ) -> Result<(), String> {
        let number = self.next;
        for location in extents.iter().map(|extent| extent.location).filter(|location| !location.is_lost()) {
            let object = self.data.entry(location.object).or_insert(DataObject { number, bytes: 0 });
            object.bytes += u64::from(location.length);
        }
        let segment = self.segment_mut(id)?;
        *segment = Segment::restore(head, segment.tail, extents.into())?;
        Ok(())
    }
}
