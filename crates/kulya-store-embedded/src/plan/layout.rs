//! Where the events of a request go: run by run, each run in one segment, and in the frame right away, so that an event is
//! copied once.

use crate::op::{self, Op, SegmentKey};
use crate::state::{State, Stream};
use kulya_store::{Append, Result, StreamId, framing, hash};
use rustc_hash::FxHashMap;

/// A run has no more, unless one event has: whoever reads one event reads its run, for the checksum.
pub(crate) const RUN_BYTES: u64 = 16 << 10;

/// The streams that a group's requests name.
#[derive(Default)]
pub(super) struct Streams<'a> {
    /// By the identity of their names, which stay alive here.
    known: FxHashMap<(usize, usize), (StreamId, &'a Stream)>,
}

impl<'a> Streams<'a> {
    pub(super) fn find(&mut self, state: &'a State, name: &StreamId) -> Result<&'a Stream> {
        if let Some((_, stream)) = self.known.get(&name.identity()) {
            return Ok(stream);
        }
        let stream = state.stream(name)?;
        self.known.insert(name.identity(), (name.clone(), stream));
        Ok(stream)
    }
}

/// Framed events of one segment.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) segment: SegmentKey,
    pub(super) start: u64,
    length: u64,
    /// Where in the frame its next event goes.
    at: usize,
}

/// The runs of one request, in the order of their beginnings.
#[derive(Default)]
pub(super) struct Layout {
    runs: Vec<Run>,
    /// The run of each segment that takes its next event.
    last: FxHashMap<SegmentKey, u32>,
    /// The run of each event.
    of_event: Vec<u32>,
}

impl Layout {
    pub(super) fn with_capacity(events: usize) -> Self {
        Self { of_event: Vec::with_capacity(events), ..Self::default() }
    }

    /// Gives an event a place: at `offset` of its segment, behind the one that was placed there before. Gives its framed
    /// length.
    pub(super) fn place(&mut self, segment: SegmentKey, offset: u64, event: &[u8]) -> u64 {
        let length = framing::framed_len(event.len());
        let next = self.runs.len() as u32;
        let last = self.last.entry(segment).or_insert(next);
        match self.runs.get_mut(*last as usize) {
            Some(run) if run.length + length <= RUN_BYTES => run.length += length,
            _ => {
                *last = next;
                self.runs.push(Run { segment, start: offset, length, at: 0 });
            }
        }
        self.of_event.push(*last);
        length
    }

    /// Writes the runs behind what is in a frame; `op` makes a run's op, without its checksum and its events.
    pub(super) fn write<'a>(mut self, frame: &mut Vec<u8>, appends: &[Append], op: impl Fn(&Run) -> Op<'a>) {
        let bytes: u64 = self.runs.iter().map(|run| run.length).sum();
        frame.reserve(bytes as usize + self.runs.len() * op::EVENTS_HEADER_BYTES);
        for run in &mut self.runs {
            run.at = op::put_room(frame, &op(run), run.length as usize);
        }
        for (append, run) in appends.iter().zip(&self.of_event) {
            let Some(run) = self.runs.get_mut(*run as usize) else { continue };
            if let Some(mut room) = frame.get_mut(run.at..) {
                framing::put(&mut room, &append.event);
            }
            run.at += framing::HEADER_BYTES + append.event.len();
        }
        for run in &self.runs {
            op::put_checksum(frame, run.at - run.length as usize, run.length as usize);
        }
    }
}

/// The segment that an event goes to.
pub(super) fn choose(stream: &Stream, append: &Append, unkeyed: &mut u32) -> SegmentKey {
    let count = stream.segments.len() as u32;
    let number = match &append.routing_key {
        Some(key) => hash::segment_of(key, count),
        None => {
            *unkeyed = unkeyed.wrapping_add(1);
            *unkeyed % count
        }
    };
    SegmentKey { stream: stream.id, number }
}
