//! Encodes ops.

use super::{Op, SegmentKey};
use bytes::BufMut;
use kulya_store::{Retention, framing};

/// Appends an op. For `Append` and `Stage`, returns the position of the events in `out`.
pub(crate) fn encode(out: &mut Vec<u8>, op: &Op<'_>) -> usize {
    match op {
        Op::CreateScope { name } => {
            out.put_u8(1);
            put_name(out, name);
        }
        Op::CreateStream { id, segments, epoch, retention, scope, name } => {
            out.put_u8(2);
            out.put_u32(*id);
            out.put_u32(*segments);
            out.put_u32(*epoch);
            put_retention(out, *retention);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::CreateTable { id, scope, name } => {
            out.put_u8(3);
            out.put_u32(*id);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::Append { segment, start, time, checksum, events } => {
            out.put_u8(4);
            put_segment(out, *segment);
            out.put_u64(*start);
            out.put_u64(*time);
            out.put_u32(*checksum);
            return put_events(out, events);
        }
        Op::Put { table, version, key, value } => {
            out.put_u8(5);
            out.put_u32(*table);
            out.put_u64(*version);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Op::Remove { table, version, key } => {
            out.put_u8(6);
            out.put_u32(*table);
            out.put_u64(*version);
            put_bytes(out, key);
        }
        Op::Stage { transaction, segment, offset, checksum, events } => {
            out.put_u8(7);
            out.put_u64(*transaction);
            put_segment(out, *segment);
            out.put_u64(*offset);
            out.put_u32(*checksum);
            return put_events(out, events);
        }
        Op::CommitStaged { transaction, version, changes, time, starts } => {
            out.put_u8(8);
            out.put_u64(*transaction);
            out.put_u64(*version);
            out.put_u32(*changes);
            out.put_u64(*time);
            out.put_u32(starts.len() as u32);
            for (segment, start) in starts {
                put_segment(out, *segment);
                out.put_u64(*start);
            }
        }
        Op::AbortStaged { transaction } => {
            out.put_u8(9);
            out.put_u64(*transaction);
        }
        Op::DeleteScope { name } => {
            out.put_u8(10);
            put_name(out, name);
        }
        Op::SealStream { id } => {
            out.put_u8(11);
            out.put_u32(*id);
        }
        Op::DeleteStream { id } => {
            out.put_u8(12);
            out.put_u32(*id);
        }
        Op::Truncate { segment, offset } => {
            out.put_u8(13);
            put_segment(out, *segment);
            out.put_u64(*offset);
        }
        Op::DeleteTable { id } => {
            out.put_u8(14);
            out.put_u32(*id);
        }
        Op::WriterMark { writer, event_number } => {
            out.put_u8(15);
            out.put_u128(*writer);
            out.put_u64(*event_number);
        }
        Op::ReserveTransactions { up_to } => {
            out.put_u8(16);
            out.put_u64(*up_to);
        }
        Op::UpdateStream { id, retention } => {
            out.put_u8(17);
            out.put_u32(*id);
            put_retention(out, *retention);
        }
        Op::DeletedEpoch { epoch, scope, name } => {
            out.put_u8(18);
            out.put_u32(*epoch);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::Outcome { transaction, version, changes } => {
            out.put_u8(19);
            out.put_u64(*transaction);
            out.put_u64(*version);
            out.put_u32(*changes);
        }
        Op::LostEvents { segment, start, time, length } => {
            out.put_u8(21);
            put_segment(out, *segment);
            out.put_u64(*start);
            out.put_u64(*time);
            out.put_u32(*length);
        }
        Op::Footer {
            frames,
            sequence,
            log_end,
            version,
            last_transaction,
            next_stream,
            next_table,
            time,
        } => {
            out.put_u8(if log_end.is_some() { 22 } else { 20 });
            out.put_u32(*frames);
            out.put_u64(*sequence);
            out.put_u64(*version);
            out.put_u64(*last_transaction);
            out.put_u32(*next_stream);
            out.put_u32(*next_table);
            out.put_u64(*time);
            if let Some((chain, events)) = log_end {
                out.put_u32(*chain);
                out.put_u64(*events);
            }
        }
    }
    out.len()
}

/// Appends an `Append` or `Stage` with events that are not framed yet; those of the op are empty.
pub(crate) fn encode_with_events<'a>(out: &mut Vec<u8>, op: &Op<'_>, events: impl Iterator<Item = &'a [u8]>) {
    let at = encode(out, op);
    for event in events {
        framing::put(out, event);
    }
    // the length stands before the events
    let length = (out.len() - at) as u32;
    if let Some(place) = at.checked_sub(4).and_then(|start| out.get_mut(start..at)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    // names are at most 255 bytes
    out.put_u16(name.len() as u16);
    out.put_slice(name.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_events(out: &mut Vec<u8>, events: &[u8]) -> usize {
    out.put_u32(events.len() as u32);
    let at = out.len();
    out.put_slice(events);
    at
}

fn put_segment(out: &mut Vec<u8>, segment: SegmentKey) {
    out.put_u32(segment.stream);
    out.put_u32(segment.number);
}

fn put_retention(out: &mut Vec<u8>, retention: Retention) {
    out.put_u64(retention.age.map_or(u64::MAX, |age| age.as_millis() as u64));
    out.put_u64(retention.bytes.unwrap_or(u64::MAX));
}
