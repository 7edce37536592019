//! What is lost, as it is said to whoever asks: which files are damaged and where, which events are gone, and how many.

use super::Salvage;
use crate::checkpoint::Record;
use crate::index;
use crate::op::{self, Op, SegmentKey};
use crate::state;
use kulya_store::{Error, ErrorKind, Result, StreamId};
use std::collections::BTreeMap;

/// Something in a folder that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// What is wrong with it, as the rest of a sentence.
    pub what: String,
}

/// Events of one segment that are lost: all of those between two offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEvents {
    /// The stream.
    pub stream: StreamId,
    /// The segment's number.
    pub segment: u32,
    /// The offset at which the first of them began.
    pub from: u64,
    /// The offset behind the last.
    pub to: u64,
    /// How many there were, at most, where that is known.
    pub events: Option<u64>,
}

/// What a log is: what of it can be read, and what cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Log files that were read.
    pub files: usize,
    /// Frames that are as they were written: a frame is what was written at one time.
    pub frames: u64,
    /// Bytes of the log files up to their last frames.
    pub bytes: u64,
    /// What is damaged, missing or no file of this store.
    pub damage: Vec<Damage>,
    /// Behind the last frame of a log that is whole: a write that was cut off before anybody was told that it was done. Its
    /// file, where it begins, and its bytes. The next opening cuts it off.
    pub torn: Option<(String, u64, u64)>,
    /// Bytes in which no frame could be read.
    pub bytes_unread: u64,
    /// Frames that were written and are lost.
    pub frames_lost: u64,
    /// Events that were in them, at most: as many were written, to whatever stream, also such as were deleted later or
    /// belonged to a transaction. `None` where that is not known.
    pub events_lost: Option<u64>,
    /// The events that are lost, by where they were.
    pub lost: Vec<LostEvents>,
    /// Where frames are lost from the end of the log, nobody knows which streams they were of. So each stream passes over as
    /// many offsets as may have been given: none is given to two events.
    pub skipped: Vec<LostEvents>,
    /// Changes that can be read, but are of no use without what is lost.
    pub changes: u64,
    /// Streams and tables whose making was lost, and under which names what they hold is found.
    pub named: Vec<String>,
    pub(crate) is_counted: bool,
    pub(crate) hints: Vec<Hint>,
}

impl Default for Salvaged {
    fn default() -> Self {
        Self {
            files: 0,
            frames: 0,
            bytes: 0,
            damage: Vec::new(),
            torn: None,
            bytes_unread: 0,
            frames_lost: 0,
            events_lost: Some(0),
            lost: Vec::new(),
            skipped: Vec::new(),
            changes: 0,
            named: Vec::new(),
            is_counted: true,
            hints: Vec::new(),
        }
    }
}

/// Where a damaged frame says that it has events. It may be that which is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) segment: SegmentKey,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) length: u32,
    pub(crate) count: u64,
}

impl Salvaged {
    /// Whether anything is not as it was written. A write that was cut off is no damage.
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    pub(super) fn damaged(&mut self, file: &str, what: String) {
        self.damage.push(Damage { file: file.to_owned(), what });
    }

    /// The frames of these sequences are gone.
    pub(super) fn frames_lost(&mut self, from: u64, to: u64, events: Option<u64>) {
        self.frames_lost += to.saturating_sub(from) + 1;
        self.events_lost = self.events_lost.zip(events).map(|(before, more)| before.saturating_add(more));
    }

    /// The error for whoever needs all of it; `None` when nothing is damaged.
    pub fn error(&self) -> Option<Error> {
        let Damage { file, what } = self.damage.first()?;
        let more = match self.damage.len() {
            1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        let what = format!(
            "file {file} {what}{more}: see all of it with kulya store check, restore the folder from a copy, or give up what is lost with kulya store repair"
        );
        Some(Error::new(ErrorKind::Corrupt, what))
    }
}

/// Finds where events are missing, and says so in `given_up`. `unknown` bytes of the log's end are gone, of whatever streams.
pub(super) fn gaps(salvage: &mut Salvage, record: Option<&Record>, unknown: u64) -> Result<()> {
    let known: BTreeMap<SegmentKey, u64> = record.into_iter().flat_map(Record::tails).collect();
    let hints = std::mem::take(&mut salvage.found.hints);
    let segments: Vec<(StreamId, SegmentKey, u64, u64, bool)> = {
        let streams = salvage.state.streams.iter();
        let of = |(name, stream): (&StreamId, &state::Stream)| {
            let key = |number| SegmentKey { stream: stream.id, number };
            let one = |(number, segment): (u32, &state::Segment)| {
                (name.clone(), key(number), segment.head, segment.tail, stream.sealed)
            };
            (0..).zip(&stream.segments).map(one).collect::<Vec<_>>()
        };
        streams.flat_map(of).collect()
    };
    let mut gaps: Vec<(LostEvents, SegmentKey, u64)> = Vec::new();
    let mut skips: Vec<(LostEvents, SegmentKey, u64)> = Vec::new();
    for (name, key, head, tail, is_sealed) in segments {
        let mut tail = tail.max(known.get(&key).copied().unwrap_or_default());
        for hint in hints.iter().filter(|hint| hint.segment == key) {
            if hint.start == tail {
                tail += u64::from(hint.length);
            }
        }
        let (mut at, mut time) = (head, 0);
        let mut add = |from: u64, to: u64, time: u64| {
            let lost = LostEvents {
                stream: name.clone(),
                segment: key.number,
                from,
                to,
                events: counted(&hints, key, from, to),
            };
            gaps.push((lost, key, time));
        };
        for entry in salvage.state.index.range(&index::block_key(key, 0), &index::blocks_end(key)) {
            let (_, block) = entry.and_then(|entry| state::block(&entry)).map_err(state::index_failed)?;
            for extent in block {
                if extent.start > at {
                    add(at, extent.start, time);
                }
                at = at.max(extent.end());
                time = extent.time;
            }
        }
        if at < tail {
            add(at, tail, time);
        }
        let from = at.max(tail);
        if unknown > 0 && !is_sealed {
            let (stream, segment) = (name, key.number);
            let skipped = LostEvents { stream, segment, from, to: from + unknown, events: None };
            skips.push((skipped, key, time));
        }
    }
    if !gaps.is_empty() && !salvage.found.is_damaged() {
        salvage.found.damaged("log", "unsupported events that it should have".to_owned());
    }
    let total = salvage.found.events_lost.filter(|_| salvage.found.is_counted);
    if let (Some(total), [(lost, ..)]) = (total, gaps.as_mut_slice()) {
        lost.events = lost.events.or(Some(total).filter(|total| *total > 0));
    }
    if !salvage.found.is_counted {
        salvage.found.events_lost = None;
    }
    for (lost, segment, time) in gaps {
        give_up(salvage, &lost, segment, time)?;
        salvage.found.lost.push(lost);
    }
    for (skipped, segment, time) in skips {
        give_up(salvage, &skipped, segment, time)?;
        salvage.found.skipped.push(skipped);
    }
    Ok(())
}

/// Readers of what can be read pass over what is lost.
fn give_up(salvage: &mut Salvage, lost: &LostEvents, segment: SegmentKey, time: u64) -> Result<()> {
    let mut at = lost.from;
    while at < lost.to {
        let length = u32::try_from(lost.to - at).unwrap_or(u32::MAX);
        let gone = Op::Lost { segment, start: at, time, length };
        op::put(&mut salvage.given_up, &gone);
        salvage.state.apply(&gone, 0, 0).map_err(Error::invalid)?;
        at += u64::from(length);
    }
    Ok(())
}

/// How many events were between two offsets, when damaged frames say so of all that lies between them.
fn counted(hints: &[Hint], key: SegmentKey, from: u64, to: u64) -> Option<u64> {
    let mut within: Vec<&Hint> =
        hints.iter().filter(|hint| hint.segment == key && from <= hint.start && hint.start < to).collect();
    within.sort_by_key(|hint| hint.start);
    let (mut at, mut events) = (from, 0);
    for hint in within {
        if hint.start != at || hint.count == 0 {
            return None;
        }
        at += u64::from(hint.length);
        events += hint.count;
    }
    (at == to).then_some(events)
}
