//! The state where not all of the log is there: what can be applied is, what cannot is said, and events that nobody has any more
//! are passed over. And the state as a copy has it, whose events stand in other objects.

use super::{DataObject, Extent, Place, Segment, State};
use crate::object::Header;
use crate::record::{Log, Snapshot};
use kulya_store::SegmentId;

/// Events that are lost, between two offsets of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Whose they were.
    pub segment: SegmentId,
    /// Where the first one began.
    pub from: u64,
    /// Where the last one ended.
    pub to: u64,
    /// The object that held them, or the first one that is not there, and what is wrong with it.
    pub why: String,
}

/// What could not be applied of an object.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) lost: Vec<Lost>,
    /// Changes that speak of what is not there.
    pub(crate) changes: Vec<String>,
}

impl State {
    /// Goes on behind an object that is not there, or not what it must be. The next one is taken to follow.
    pub(crate) fn pass_over(&mut self, number: u64, next_names: Option<u32>) {
        self.next = number + 1;
        if let Some(previous) = next_names {
            self.last = previous;
        }
        self.is_chained |= next_names.is_some();
    }

    /// Takes over what can be taken over of an object behind a hole. `why` says which object is to blame for what is not there.
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
                None => Err("it holds an act that is not known: use a newer kulya".to_owned()),
            };
            left.changes.extend(done.err());
        }
        self.step(number, header);
        left
    }

    /// Gives up the events of a place.
    pub(crate) fn give_up(&mut self, place: Place) {
        let number = self.next;
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.give_up(|extent| extent.place == place, number);
        }
        for open in self.open.values_mut() {
            open.parts.retain(|(_, part)| *part != place);
        }
    }

    /// Of the extents in a data object that does not say any more when its commits were, the last time counts.
    pub(crate) fn forget_times(&mut self, object: u64) {
        for segment in self.streams.values_mut().flat_map(|stream| &mut stream.segments) {
            segment.forget_times(object);
        }
    }

    /// Every segment with its extents.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (SegmentId, &Segment)> + '_ {
        self.streams.iter().flat_map(|(stream, found)| {
            found.segments.iter().enumerate().map(move |(number, segment)| {
                let id = SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch };
                (id, segment)
            })
        })
    }

    /// Everything as a checkpoint that no other one precedes.
    pub(crate) fn alone(&mut self) -> Snapshot {
        (self.chain, self.chain_before, self.changed_bytes) = (Vec::new(), Vec::new(), 0);
        self.lease.epoch += 1;
        self.lease.until = 0;
        self.snapshot(None)
    }

    /// As a copy has it before its events are there: without open transactions, which end with their processes.
    pub(crate) fn without_events(&mut self) {
        self.open.clear();
        self.data.clear();
    }

    /// Says where a copy has a segment's events.
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
