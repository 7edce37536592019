//! Recovery from a damaged log: applies what can be applied, reports what cannot, and marks lost events so
//! that readers skip them. Also prepares the state of a backup, whose events are in other objects.

use super::{DataObject, Extent, Place, Segment, State};
use crate::object::Header;
use crate::record::{Log, Snapshot};
use kulya_store::SegmentId;

/// A range of lost events between two offsets of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the first lost event.
    pub from: u64,
    /// The offset after the last lost event.
    pub to: u64,
    /// The object that held the events, or the first missing one, and its damage.
    pub why: String,
}

/// The parts of a log object that could not be applied.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) lost: Vec<Lost>,
    /// Changes that depend on missing ones.
    pub(crate) changes: Vec<String>,
}

impl State {
    /// Skips an object that is missing or invalid. The next object is accepted as its successor.
    pub(crate) fn pass_over(&mut self, number: u64, next_names: Option<u32>) {
        self.next = number + 1;
        if let Some(previous) = next_names {
            self.last = previous;
        }
        self.is_chained |= next_names.is_some();
    }

    /// Applies as much as possible of an object after a gap. `why` names the object that caused the losses.
    pub(crate) fn apply_rest(&mut self, number: u64, header: &Header, log: &Log, why: &str) -> Left {
        let mut left = Left::default();
        self.time = self.time.max(log.time);
        for batch in &log.batches {
            let Ok(id) = batch.segment.clone().unwrap_or_default().segment() else { continue };
            if batch.transaction == 0 {
                let (time, from) = (self.time, self.segment(&id).map(|(segment, _)| segment.tail));
                match (from, self.segment_mut(&id)) {
                    (Ok(from), Ok(segment)) if from < batch.start => {
                        segment.skip_to(batch.start, time, number);
                        left.lost.push(Lost { segment: id, from, to: batch.start, why: why.to_owned() });
                    }
                    (Ok(_), Ok(_)) => {}
                    _ => {
                        let (from, to) = (batch.start, batch.start + u64::from(batch.length));
                        left.lost.push(Lost { segment: id, from, to, why: why.to_owned() });
                        continue;
                    }
                }
            }
            if let Err(what) = self.take_batch(number, header.events_from(), batch) {
                left.changes.push(what);
            }
        }
        for (index, record) in log.records.iter().enumerate() {
            let done = match &record.act {
                Some(act) => self.take_act(number, index, act),
                None => Err("unknown operation: use a newer version of kulya".to_owned()),
            };
            left.changes.extend(done.err());
        }
        self.step(number, header);
        left
    }

    /// Marks the events at a location as lost.
    pub(crate) fn give_up(&mut self, place: Place) {
        let number = self.next;
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.give_up(|extent| extent.place == place, number);
        }
        for open in self.open.values_mut() {
            open.parts.retain(|(_, part)| *part != place);
        }
    }

    /// Gives the extents in a data object with a damaged head a single time, that of their last commit.
    pub(crate) fn forget_times(&mut self, object: u64) {
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.forget_times(object);
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
    pub(crate) fn alone(&mut self) -> Snapshot {
        (self.chain, self.chain_before, self.changed_bytes) = (Vec::new(), Vec::new(), 0);
        self.lease.epoch += 1;
        self.lease.until = 0;
        self.snapshot(None)
    }

    /// Prepares the state of a backup: removes data objects, and open transactions, which end with their
    /// processes.
    pub(crate) fn without_events(&mut self) {
        self.open.clear();
        self.data.clear();
    }

    /// Sets the extents of a segment in a backup.
    pub(crate) fn put_events(
        &mut self,
        id: &SegmentId,
        head: u64,
        extents: Vec<Extent>,
    ) -> Result<(), String> {
        let number = self.next;
        for place in extents.iter().map(|extent| extent.place).filter(|place| !place.is_lost()) {
            let object = self.data.entry(place.object).or_insert(DataObject { number, bytes: 0 });
            object.bytes += u64::from(place.length);
        }
        let segment = self.segment_mut(id)?;
        *segment = Segment::restore(head, segment.tail, extents.into())?;
        Ok(())
    }
}
