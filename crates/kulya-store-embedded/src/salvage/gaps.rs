//! What is lost, as it is said to whoever asks: which files are damaged and where, which events are gone, and how many.

use crate::error::index_error;
use super::outcome::Salvage;
use super::report::{Hint, LostEvents};
use crate::checkpoint::CatalogRecord;
use crate::index;
use crate::op::{self, Op, SegmentKey};
use crate::state;
use kulya_store::{Error, ErrorKind, Result, StreamId};
use std::collections::BTreeMap;

/// Finds where events are missing, and says so in `given_up`. `unknown` bytes of the log's end are gone, of whatever streams.
pub(super) fn record_gaps(salvage: &mut Salvage, record: Option<&CatalogRecord>, unknown: u64) -> Result<()> {
    let known: BTreeMap<SegmentKey, u64> = record.into_iter().flat_map(CatalogRecord::tails).collect();
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
            let (_, block) = entry.and_then(|entry| state::block(&entry)).map_err(index_error)?;
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
        salvage.found.add_damage("log", "unsupported events that it should have".to_owned());
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
        let gone = Op::LostEvents { segment, start: at, time, length };
        op::encode(&mut salvage.loss_ops, &gone);
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
