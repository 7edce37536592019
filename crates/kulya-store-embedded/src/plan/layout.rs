//! Where the events of a request go: run by run, each run in one segment, framed as the log has them and with their
//! checksum. Whoever appends lays its events out on its own thread; the one committer only has to say where each run begins.

use crate::op::SegmentKey;
use crate::state::{State, Stream};
use kulya_store::{Append, Error, Pointers, Result, SegmentId, StreamId, framing, hash};
use rustc_hash::FxHashMap;

/// A run has no more, unless one event has: whoever reads one event reads its run, for the checksum.
pub(crate) const RUN_BYTES: u64 = 16 << 10;
/// The most bytes of events one commit may hold; more is a transaction's business.
pub(super) const MAX_COMMIT_BYTES: usize = 64 << 20;

/// Events to be appended, and how they are laid out, if somebody has done that.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) appends: Vec<Append>,
    pub(crate) layout: Option<EventLayout>,
}

impl Batch {
    /// A pointer to each event, its runs beginning where the committer has placed them.
    pub(crate) fn pointers(&self, starts: &[u64]) -> Pointers {
        let Some(layout) = &self.layout else { return Pointers::default() };
        let mut segments = Vec::new();
        // the number of each run's segment among them, and where the run begins
        let mut runs: Vec<(u32, u64)> = Vec::with_capacity(layout.runs.len());
        let mut known: FxHashMap<SegmentKey, u32> = FxHashMap::default();
        for ((run, first), start) in layout.runs.iter().zip(&layout.first_events).zip(starts) {
            let number = *known.entry(run.segment).or_insert_with(|| {
                if let Some(append) = self.appends.get(*first as usize) {
                    let (stream, number) = (append.stream.clone(), run.segment.number);
                    segments.push(SegmentId { stream, number, epoch: run.epoch });
                }
                segments.len() as u32 - 1
            });
            runs.push((number, *start));
        }
        let mut pointers = Pointers::into_segments(segments, self.appends.len());
        for (append, (run, at)) in self.appends.iter().zip(&layout.event_positions) {
            if let Some((segment, start)) = runs.get(*run as usize) {
                let length = framing::framed_len(append.event.len()) as u32;
                pointers.push(*segment, start + u64::from(*at), length);
            }
        }
        pointers
    }
}

/// Events in the order in which the log will have them.
#[derive(Debug, Default)]
pub(crate) struct EventLayout {
    runs: Vec<Run>,
    /// The framed events, run behind run.
    bytes: Vec<u8>,
    /// The number of each run's first event.
    first_events: Vec<u32>,
    /// The run of each event, and where in it.
    event_positions: Vec<(u32, u32)>,
}

/// Framed events of one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) segment: SegmentKey,
    epoch: u32,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

/// What is to be known of a stream to lay events out for it. None of it changes while the stream is there.
#[derive(Debug, Clone, Copy)]
struct Target {
    stream: u32,
    epoch: u32,
    segments: u32,
}

/// The streams of these events, as they are now. Refuses what no stream takes.
pub(crate) struct Targets(Vec<Target>);

impl Targets {
    pub(crate) fn find(state: &State, appends: &[Append]) -> Result<Self> {
        let total: usize = appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum();
        if total > MAX_COMMIT_BYTES.max(framing::MAX_EVENT_BYTES + framing::HEADER_BYTES) {
            return Err(Error::invalid(format!(
                "a commit of {total} bytes is larger than {MAX_COMMIT_BYTES}: use a transaction"
            )));
        }
        // by the identity of their names, which stay alive meanwhile
        let mut known: FxHashMap<(usize, usize), Target> = FxHashMap::default();
        let mut targets = Vec::with_capacity(appends.len());
        for append in appends {
            framing::check_size(&append.stream, append.event.len())?;
            let identity = append.stream.identity();
            let target = match known.get(&identity) {
                Some(target) => *target,
                None => *known.entry(identity).or_insert(target(state, &append.stream)?),
            };
            targets.push(target);
        }
        Ok(Self(targets))
    }
}

fn target(state: &State, name: &StreamId) -> Result<Target> {
    let stream = state.stream(name)?;
    if stream.sealed {
        return Err(Error::sealed(name));
    }
    Ok(Target { stream: stream.id, epoch: stream.epoch, segments: stream.segments.len() as u32 })
}

impl EventLayout {
    /// Lays events out, in a buffer that may have been used before; `spread` gives a number for each event without a key.
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
        // the run of each segment that takes its next event
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

    /// Copies the events to where they belong.
    fn fill(&mut self, appends: &[Append]) {
        let total: usize = self.runs.iter().map(|run| run.length as usize).sum();
        self.bytes.clear();
        self.bytes.resize(total, 0);
        let mut rooms = Vec::with_capacity(self.runs.len());
        let mut rest = self.bytes.as_mut_slice();
        for run in &self.runs {
            let (room, behind) = rest.split_at_mut(run.length as usize);
            rooms.push(room);
            rest = behind;
        }
        for (append, (run, at)) in appends.iter().zip(&self.event_positions) {
            let room = rooms.get_mut(*run as usize).and_then(|room| room.get_mut(*at as usize..));
            if let Some(mut room) = room {
                framing::put(&mut room, &append.event);
            }
        }
        for (run, room) in self.runs.iter_mut().zip(rooms) {
            run.checksum = crc32c::crc32c(room);
        }
    }

    /// The buffer, once the events are in the log.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Each run with its bytes.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Run, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.runs.iter().map(move |run| {
            let (events, behind) = rest.split_at(run.length as usize);
            rest = behind;
            (*run, events)
        })
    }
}

/// The streams that a group's requests write to, by their numbers.
#[derive(Default)]
pub(super) struct Streams<'a>(FxHashMap<u32, (&'a StreamId, &'a Stream)>);

impl<'a> Streams<'a> {
    /// The stream of this number, should it still be there.
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
