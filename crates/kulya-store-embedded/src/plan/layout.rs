//! The layout of a request's events: runs of framed events of one segment, with their checksums, in the
//! order of the log. Callers compute it on their own threads; the committer only assigns the offset of each
//! run, and copies the events into its frame.

use crate::op::SegmentKey;
use crate::state::{State, Stream};
use kulya_store::{Append, Error, Pointers, Result, SegmentId, StreamId, framing, hash};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// The maximum size of a run, in bytes, unless a single event is larger. Reading one event reads its run,
/// for the checksum.
pub(crate) const RUN_BYTES: u64 = 16 << 10;
/// The maximum size of a commit's events, in bytes; larger ones need a transaction.
pub(super) const MAX_COMMIT_BYTES: usize = 64 << 20;

/// Events to append, and their layout if it was computed.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) appends: Vec<Append>,
    pub(crate) layout: Option<EventLayout>,
}

impl Batch {
    /// Iterates over the runs of the layout, each with its events.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Run, impl Iterator<Item = &[u8]>)> {
        self.layout.iter().flat_map(|layout| layout.runs(&self.appends))
    }

    /// Returns a pointer to each event, given the offset of each run.
    pub(crate) fn pointers(&self, starts: &[u64]) -> Pointers {
        let Some(layout) = &self.layout else { return Pointers::default() };
        let mut segments = Vec::new();
        // the index of each run's segment, and the offset of the run
        let mut runs: Vec<(u32, u64)> = Vec::with_capacity(layout.runs.len());
        let mut indexes: FxHashMap<SegmentKey, u32> = FxHashMap::default();
        for (run, start) in layout.runs.iter().zip(starts) {
            let number = *indexes.entry(run.segment).or_insert_with(|| {
                let first = layout.order.get(run.events.start as usize);
                if let Some(append) = first.and_then(|first| self.appends.get(*first as usize)) {
                    let (stream, number) = (append.stream.clone(), run.segment.number);
                    segments.push(SegmentId { stream, number, epoch: run.epoch });
                }
                segments.len() as u32 - 1
            });
            runs.push((number, *start));
        }
        let mut pointers = Pointers::with_capacity(segments, self.appends.len());
        for (append, (run, at)) in self.appends.iter().zip(&layout.event_positions) {
            if let Some((segment, start)) = runs.get(*run as usize) {
                let length = framing::framed_len(append.event.len()) as u32;
                pointers.push(*segment, start + u64::from(*at), length);
            }
        }
        pointers
    }
}

/// The layout of a batch, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct EventLayout {
    runs: Vec<Run>,
    /// The indexes of the events, run by run.
    order: Vec<u32>,
    /// The run of each event, and its position in the run.
    event_positions: Vec<(u32, u32)>,
}

/// A run of framed events of one segment.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) segment: SegmentKey,
    epoch: u32,
    pub(super) length: u32,
    pub(super) checksum: u32,
    /// Its events' place in the order.
    events: Range<u32>,
}

/// What the layout needs to know of a stream; constant while the stream exists.
#[derive(Debug, Clone, Copy)]
struct StreamTarget {
    stream: u32,
    epoch: u32,
    segments: u32,
}

/// The target streams of a batch.
pub(crate) struct Targets(Vec<StreamTarget>);

impl Targets {
    /// Looks up the target streams.
    ///
    /// # Errors
    /// `InvalidInput` if the batch or an event is too large, `NotFound`, `Sealed`.
    pub(crate) fn find(state: &State, appends: &[Append]) -> Result<Self> {
        let total: usize = appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum();
        if total > MAX_COMMIT_BYTES.max(framing::MAX_EVENT_BYTES + framing::HEADER_BYTES) {
            return Err(Error::invalid(format!(
                "a commit of {total} bytes exceeds the maximum of {MAX_COMMIT_BYTES} bytes: use a transaction"
            )));
        }
        // by identity, since the ids stay alive meanwhile
        let mut targets_by_identity: FxHashMap<(usize, usize), StreamTarget> = FxHashMap::default();
        let mut targets = Vec::with_capacity(appends.len());
        for append in appends {
            framing::check_size(&append.stream, append.event.len())?;
            let identity = append.stream.identity();
            let target = match targets_by_identity.get(&identity) {
                Some(target) => *target,
                None => *targets_by_identity.entry(identity).or_insert(find_target(state, &append.stream)?),
            };
            targets.push(target);
        }
        Ok(Self(targets))
    }
}

fn find_target(state: &State, name: &StreamId) -> Result<StreamTarget> {
    let stream = state.stream(name)?;
    if stream.sealed {
        return Err(Error::sealed(name));
    }
    Ok(StreamTarget { stream: stream.id, epoch: stream.epoch, segments: stream.segments.len() as u32 })
}

impl EventLayout {
    /// Computes the layout of events; `next_unkeyed` returns the number of an event without a key.
    pub(crate) fn new(targets: &Targets, appends: &[Append], mut next_unkeyed: impl FnMut() -> u32) -> Self {
        let Targets(targets) = targets;
        let mut runs: Vec<Run> = Vec::new();
        let mut event_positions = Vec::with_capacity(appends.len());
        // the current run of each segment
        let mut last: FxHashMap<SegmentKey, u32> = FxHashMap::default();
        for (append, target) in appends.iter().zip(targets) {
            let number = match &append.routing_key {
                Some(key) => hash::segment_of(key, target.segments),
                None => next_unkeyed() % target.segments,
            };
            let segment = SegmentKey { stream: target.stream, number };
            let length = framing::framed_len(append.event.len()) as u32;
            let next = runs.len() as u32;
            let run = last.entry(segment).or_insert(next);
            match runs.get_mut(*run as usize) {
                Some(found) if u64::from(found.length) + u64::from(length) <= RUN_BYTES => {
                    event_positions.push((*run, found.length));
                    found.length += length;
                    found.events.end += 1;
                }
                _ => {
                    *run = next;
                    event_positions.push((next, 0));
                    runs.push(Run { segment, epoch: target.epoch, length, checksum: 0, events: 0..1 });
                }
            }
        }
        let order = order(&mut runs, &event_positions);
        let mut layout = Self { runs, order, event_positions };
        layout.compute_checksums(appends);
        layout
    }

    fn compute_checksums(&mut self, appends: &[Append]) {
        for run in &mut self.runs {
            run.checksum = events(&self.order, run, appends).fold(0, |checksum, event| {
                let checksum = crc32c::crc32c_append(checksum, &framing::header(event.len()));
                crc32c::crc32c_append(checksum, event)
            });
        }
    }

    /// Iterates over the runs, each with its events, given those of the batch.
    pub(super) fn runs<'a>(
        &'a self,
        appends: &'a [Append],
    ) -> impl Iterator<Item = (&'a Run, impl Iterator<Item = &'a [u8]>)> {
        self.runs.iter().map(|run| (run, events(&self.order, run, appends)))
    }
}

/// Returns the events' order, and sets each run's place in it; the runs have the numbers of their events.
fn order(runs: &mut [Run], event_positions: &[(u32, u32)]) -> Vec<u32> {
    let mut end = 0;
    for run in &mut *runs {
        let start = end;
        end += run.events.end;
        // the end moves on with each event
        run.events = start..start;
    }
    let mut order = vec![0; event_positions.len()];
    for (event, (run, _)) in event_positions.iter().enumerate() {
        let Some(Run { events, .. }) = runs.get_mut(*run as usize) else { continue };
        if let Some(slot) = order.get_mut(events.end as usize) {
            *slot = event as u32;
        }
        events.end += 1;
    }
    order
}

fn events<'a>(order: &'a [u32], run: &Run, appends: &'a [Append]) -> impl Iterator<Item = &'a [u8]> {
    let indexes = order.get(run.events.start as usize..run.events.end as usize).unwrap_or_default();
    indexes.iter().filter_map(|index| Some(appends.get(*index as usize)?.event.as_ref()))
}

/// A cache of the streams that a group writes to, by id.
#[derive(Default)]
pub(super) struct Streams<'a>(FxHashMap<u32, (&'a StreamId, &'a Stream)>);

impl<'a> Streams<'a> {
    /// Returns a stream by id, if it still exists.
    pub(super) fn find(&mut self, state: &'a State, number: u32) -> Option<(&'a StreamId, &'a Stream)> {
        if let Some(found) = self.0.get(&number) {
            return Some(*found);
        }
        let name = state.stream_names.get(&number)?;
        let found = (name, state.streams.get(name)?);
        self.0.insert(number, found);
        Some(found)
    }
}
