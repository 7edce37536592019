//! Finds gaps in the offsets of segments, which are lost events.

use super::outcome::Salvage;
use super::report::{Hint, LostEvents};
use crate::checkpoint::CatalogRecord;
use crate::error::index_error;
use crate::index;
use crate::op::{self, Op, SegmentKey};
use crate::state;
use kulya_store::{Error, Result, StreamId};
use std::collections::BTreeMap;

/// Finds the gaps, and records them in the report and in `loss_ops`. `unknown_bytes` bytes at the end of
/// the log are lost, of unknown streams.
pub(super) fn record_gaps(
    salvage: &mut Salvage,
    record: Option<&CatalogRecord>,
    unknown_bytes: u64,
) -> Result<()> {
    let tails: BTreeMap<SegmentKey, u64> = record.into_iter().flat_map(CatalogRecord::tails).collect();
    let hints = std::mem::take(&mut salvage.report.hints);
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
        let mut tail = tail.max(tails.get(&key).copied().unwrap_or_default());
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
                events: count_events(&hints, key, from, to),
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
        if unknown_bytes > 0 && !is_sealed {
            let (stream, segment) = (name, key.number);
            let skipped = LostEvents { stream, segment, from, to: from + unknown_bytes, events: None };
            skips.push((skipped, key, time));
        }
    }
    if !gaps.is_empty() && !salvage.report.is_damaged() {
        salvage.report.add_damage("log", "has gaps in the offsets of events".to_owned());
    }
    let total = salvage.report.events_lost.filter(|_| salvage.report.is_counted);
    if let (Some(total), [(lost, ..)]) = (total, gaps.as_mut_slice()) {
        lost.events = lost.events.or(Some(total).filter(|total| *total > 0));
    }
    if !salvage.report.is_counted {
        salvage.report.events_lost = None;
    }
    for (lost, segment, time) in gaps {
        record_loss(salvage, &lost, segment, time)?;
        salvage.report.lost.push(lost);
    }
    for (skipped, segment, time) in skips {
        record_loss(salvage, &skipped, segment, time)?;
        salvage.report.skipped.push(skipped);
    }
    Ok(())
}

/// Records a range of lost events, which readers skip.
fn record_loss(salvage: &mut Salvage, lost: &LostEvents, segment: SegmentKey, time: u64) -> Result<()> {
    let mut at = lost.from;
    while at < lost.to {
        let length = u32::try_from(lost.to - at).unwrap_or(u32::MAX);
        let op = Op::LostEvents { segment, start: at, time, length };
        op::encode(&mut salvage.loss_ops, &op);
        salvage.state.apply(&op, 0, 0).map_err(Error::invalid)?;
        at += u64::from(length);
    }
    Ok(())
}

/// Returns the number of events between two offsets, if damaged frames account for all of them.
fn count_events(hints: &[Hint], key: SegmentKey, from: u64, to: u64) -> Option<u64> {
    let mut matching: Vec<&Hint> =
        hints.iter().filter(|hint| hint.segment == key && from <= hint.start && hint.start < to).collect();
    matching.sort_by_key(|hint| hint.start);
    let (mut at, mut events) = (from, 0);
    for hint in matching {
        if hint.start != at || hint.count == 0 {
            return None;
        }
        at += u64::from(hint.length);
        events += hint.count;
    }
    (at == to).then_some(events)
}
