//! The layout of a request's events: runs of framed events of one segment, with their checksums, in the
//! order of the log. Callers compute it on their own threads; the committer only assigns the offset of each
//! run.

use crate::op::SegmentKey;
use crate::state::{State, Stream};
use kulya_store::{Append, Error, Pointers, Result, SegmentId, StreamId, framing, hash};
use rustc_hash::FxHashMap;

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
    /// Returns a pointer to each event, given the offset of each run.
    pub(crate) fn pointers(&self, starts: &[u64]) -> Pointers {
        let Some(layout) = &self.layout else { return Pointers::default() };
        let mut segments = Vec::new();
        // the index of each run's segment, and the offset of the run
        let mut runs: Vec<(u32, u64)> = Vec::with_capacity(layout.runs.len());
        let mut indexes: FxHashMap<SegmentKey, u32> = FxHashMap::default();
        for ((run, first), start) in layout.runs.iter().zip(&layout.first_events).zip(starts) {
            let number = *indexes.entry(run.segment).or_insert_with(|| {
                if let Some(append) = self.appends.get(*first as usize) {
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
    /// The framed events of all runs.
    bytes: Vec<u8>,
    /// The index of each run's first event.
    first_events: Vec<u32>,
    /// The run of each event, and its position in the run.
    event_positions: Vec<(u32, u32)>,
}

/// A run of framed events of one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) segment: SegmentKey,
    epoch: u32,
    pub(super) length: u32,
    pub(super) checksum: u32,
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
    /// Computes the layout of events, in a reused buffer; `next_unkeyed` returns the number of an event
    /// without a key.
    pub(crate) fn new(
        targets: &Targets,
        appends: &[Append],
        buffer: Vec<u8>,
        mut next_unkeyed: impl FnMut() -> u32,
    ) -> Self {
        let Targets(targets) = targets;
        let mut runs: Vec<Run> = Vec::new();
        let mut first_events = Vec::new();
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
                }
                _ => {
                    *run = next;
                    first_events.push(event_positions.len() as u32);
                    event_positions.push((next, 0));
                    runs.push(Run { segment, epoch: target.epoch, length, checksum: 0 });
                }
            }
        }
        let mut layout = Self { runs, bytes: buffer, first_events, event_positions };
        layout.fill(appends);
        layout
    }

    /// Copies the framed events to their positions.
    fn fill(&mut self, appends: &[Append]) {
        let total: usize = self.runs.iter().map(|run| run.length as usize).sum();
        // each byte is written below
        self.bytes.resize(total, 0);
        let mut slices = Vec::with_capacity(self.runs.len());
        let mut rest = self.bytes.as_mut_slice();
        for run in &self.runs {
            let (slice, remaining) = rest.split_at_mut(run.length as usize);
            slices.push(slice);
            rest = remaining;
        }
        for (append, (run, at)) in appends.iter().zip(&self.event_positions) {
            let slice = slices.get_mut(*run as usize).and_then(|slice| slice.get_mut(*at as usize..));
            if let Some(mut slice) = slice {
                framing::put(&mut slice, &append.event);
            }
        }
        for (run, slice) in self.runs.iter_mut().zip(slices) {
            run.checksum = crc32c::crc32c(slice);
        }
    }

    /// Returns the buffer for reuse.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Iterates over the runs with their bytes.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Run, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.runs.iter().map(move |run| {
            let (events, remaining) = rest.split_at(run.length as usize);
            rest = remaining;
            (*run, events)
        })
    }
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
