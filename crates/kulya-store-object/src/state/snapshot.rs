//! Conversion of the state to the head of a checkpoint and back, full or incremental.

use super::model::{ChangeTracker, DataObject, OpenTransaction, State, Stream, error_text, record_id};
use super::segment::{Extent, Location, Segment};
use crate::record::{
    Change, DataObjectSnapshot, DeletedStreamSnapshot, EntrySnapshot, Name, OutcomeSnapshot, SegmentName,
    SegmentSnapshot, Snapshot, StagedSnapshot, StreamRecord, StreamSnapshot, TableSnapshot,
    TransactionSnapshot, WriterMarkRecord,
};
use kulya_store::log_backend::copy_bytes;
use kulya_store::log_backend::outcomes::TransactionOutcome;
use kulya_store::{Entries, Entry, Scope, StreamId, TableId};
use std::collections::VecDeque;

impl State {
    /// Returns an incremental snapshot since the checkpoint `base`, which must be in the chain of the newest
    /// one; without a base a full one. Inverse of [`State::restore`].
    pub(crate) fn snapshot(&self, base: Option<u64>) -> Snapshot {
        let from = base.unwrap_or(0);
        let first_version = base.map_or(0, |base| record_id(base, 0));
        let is_recent = |changed_at: Option<&u64>| base.is_none() || changed_at.is_some_and(|at| *at >= from);
        let outcome = |(transaction, outcome): (u64, TransactionOutcome)| OutcomeSnapshot {
            transaction,
            version: outcome.version,
            changes: outcome.changes,
        };
        let deleted =
            self.deleted_epochs.iter().filter(|(stream, _)| is_recent(self.changes.streams.get(stream)));
        let streams = self.streams.iter().filter_map(|(id, stream)| {
            let has_grown = |segment: &Segment| segment.extents().any(|extent| extent.number >= from);
            let changed = is_recent(self.changes.streams.get(id)) || stream.segments.iter().any(has_grown);
            changed.then(|| stream_snapshot(id, stream, from))
        });
        let tables = self.tables.iter().filter_map(|(table, entries)| {
            let is_full = is_recent(self.changes.tables.get(table));
            let changed = entries.iter().filter(|entry| is_full || entry.version.0 >= first_version);
            let entries: Vec<_> = changed.map(EntrySnapshot::of).collect();
            let table = Some(Name::of_table(table));
            (is_full || !entries.is_empty()).then_some(TableSnapshot { table, entries, is_full })
        });
        let writers = self.writers.oldest_first();
        let writers = writers.filter(|mark| is_recent(self.changes.writers.get(&mark.writer)));
        let data = self.data.iter().filter(|(_, object)| base.is_none() || object.number >= from);
        let scopes_changed = base.is_none() || self.changes.scopes >= from;
        let scopes = self.scopes.iter().filter(|_| scopes_changed);
        let mut snapshot = Snapshot {
            time: self.time,
            scopes: scopes.map(ToString::to_string).collect(),
            streams: streams.collect(),
            deleted_streams: deleted
                .map(|(stream, epoch)| DeletedStreamSnapshot {
                    stream: Some(Name::of_stream(stream)),
                    epoch: *epoch,
                })
                .collect(),
            tables: tables.collect(),
            writers: writers.map(WriterMarkRecord::of).collect(),
            outcomes: self.outcomes.iter_from(first_version).map(outcome).collect(),
            open: self.open.iter().map(transaction_snapshot).collect(),
            base,
            last: self.last,
            lease: Some(self.lease),
            chain: self.chain.clone(),
            chain_before: self.chain_before.clone(),
            incremental_bytes: self.incremental_bytes,
            data: data
                .map(|(data, object)| DataObjectSnapshot { data: *data, bytes: object.bytes })
                .collect(),
            scopes_changed,
            is_chained: self.is_chained,
            ..Snapshot::default()
        };
        if base.is_some() {
            self.add_removed(&mut snapshot, from);
        }
        snapshot
    }

    fn add_removed(&self, snapshot: &mut Snapshot, from: u64) {
        let ChangeTracker { streams, tables, removed_entries, removed_data, .. } = &self.changes;
        let removed = streams.iter().filter(|(id, at)| **at >= from && !self.streams.contains_key(id));
        snapshot.removed_streams = removed.map(|(id, _)| Name::of_stream(id)).collect();
        let removed = tables.iter().filter(|(id, at)| **at >= from && !self.tables.contains(id));
        snapshot.removed_tables = removed.map(|(id, _)| Name::of_table(id)).collect();
        let is_removed = |table: &TableId, key: &[u8]| {
            self.tables.get(table).is_some_and(|entries| entries.version(key).is_none())
        };
        let removed =
            removed_entries.iter().filter(|((table, key), at)| **at >= from && is_removed(table, key));
        let change = |((table, key), _): (&(TableId, bytes::Bytes), _)| Change {
            table: Some(Name::of_table(table)),
            key: key.clone(),
            value: None,
        };
        snapshot.removed_entries = removed.map(change).collect();
        let removed = removed_data.iter().filter(|(_, at)| **at >= from);
        snapshot.removed_data = removed.map(|(data, _)| *data).collect();
    }

    /// Restores the state from a checkpoint; an incremental one is applied to the state of its base.
    ///
    /// # Errors
    /// A description of the inconsistency.
    pub(crate) fn restore(number: u64, snapshot: &Snapshot, base: Option<Self>) -> Result<Self, String> {
        if snapshot.base != base.as_ref().map(|base| base.next) || snapshot.base.is_some_and(|b| b >= number)
        {
            return Err("its base is another checkpoint".into());
        }
        let mut state = base.unwrap_or_default();
        // counts as changed at the latest possible number: the next checkpoint is based on this one, or on
        // one before its base
        let changed_at = number.saturating_sub(1);
        state.next = number;
        state.time = snapshot.time;
        state.last = snapshot.last;
        state.is_chained = snapshot.is_chained;
        state.lease = snapshot.lease.unwrap_or_default();
        state.chain.clone_from(&snapshot.chain);
        state.chain_before.clone_from(&snapshot.chain_before);
        state.incremental_bytes = snapshot.incremental_bytes;
        state.bytes_since_checkpoint = 0;
        if snapshot.base.is_none() || snapshot.scopes_changed {
            state.scopes.clear();
            state.changes.scopes = changed_at;
        }
        for scope in &snapshot.scopes {
            state.scopes.insert(Scope::stored(scope).map_err(error_text)?);
        }
        state.restore_streams(snapshot, changed_at)?;
        state.restore_tables(snapshot, changed_at)?;
        for writer in &snapshot.writers {
            state.writers.record(writer.mark());
            state.changes.writers.insert(writer.mark().writer, changed_at);
        }
        for OutcomeSnapshot { transaction, version, changes } in &snapshot.outcomes {
            let outcome = TransactionOutcome { version: *version, changes: *changes };
            state.outcomes.insert(*version, *transaction, outcome);
        }
        state.open.clear();
        for piece in &snapshot.open {
            let mut open = OpenTransaction { time: piece.time, parts: Vec::new() };
            for part in &piece.parts {
                let segment = part.segment.clone().unwrap_or_default().segment().map_err(error_text)?;
                let StagedSnapshot { object, at, length, checksum, .. } = *part;
                open.parts.push((segment, Location { object, at, length, checksum }));
            }
            state.open.insert(piece.transaction, open);
        }
        for DataObjectSnapshot { data, bytes } in &snapshot.data {
            state.data.insert(*data, DataObject { number: changed_at, bytes: *bytes });
        }
        for data in &snapshot.removed_data {
            state.data.remove(data);
            state.changes.removed_data.insert(*data, changed_at);
        }
        Ok(state)
    }

    fn restore_streams(&mut self, snapshot: &Snapshot, changed_at: u64) -> Result<(), String> {
        for name in &snapshot.removed_streams {
            let stream = name.stream().map_err(error_text)?;
            self.streams.remove(&stream);
            self.changes.streams.insert(stream, changed_at);
        }
        for piece in &snapshot.streams {
            let record = piece.stream.clone().unwrap_or_default();
            let id = record.stream().map_err(error_text)?;
            let retention = record.config().retention;
            self.changes.streams.insert(id.clone(), changed_at);
            let found = self.streams.get_mut(&id).filter(|stream| stream.epoch == piece.epoch);
            let Some(stream) = found else {
                let segments = piece.segments.iter().map(|piece| segment(piece, changed_at));
                let segments = segments.collect::<Result<Vec<_>, _>>()?;
                let stream = Stream { epoch: piece.epoch, retention, sealed: piece.sealed, segments };
                self.streams.insert(id, stream);
                continue;
            };
            stream.retention = retention;
            stream.sealed = piece.sealed;
            if stream.segments.len() != piece.segments.len() {
                return Err(format!("the number of segments of stream {id} changed"));
            }
            for (segment, piece) in stream.segments.iter_mut().zip(&piece.segments) {
                segment.apply_change(piece.head, piece.tail, extents(piece, changed_at)?)?;
            }
        }
        for piece in &snapshot.deleted_streams {
            let stream = piece.stream.clone().unwrap_or_default().stream().map_err(error_text)?;
            self.changes.streams.insert(stream.clone(), changed_at);
            self.deleted_epochs.insert(stream, piece.epoch);
        }
        Ok(())
    }

    fn restore_tables(&mut self, snapshot: &Snapshot, changed_at: u64) -> Result<(), String> {
        for name in &snapshot.removed_tables {
            let table = name.table().map_err(error_text)?;
            self.tables.delete(&table);
            self.changes.tables.insert(table, changed_at);
        }
        for change in &snapshot.removed_entries {
            let table = change.table.clone().unwrap_or_default().table().map_err(error_text)?;
            let key = copy_bytes(&change.key);
            if let Some(entries) = self.tables.get_mut(&table) {
                entries.set(key.clone(), None, kulya_store::Version(0));
            }
            self.changes.removed_entries.insert((table, key), changed_at);
        }
        for piece in &snapshot.tables {
            let table = piece.table.clone().unwrap_or_default().table().map_err(error_text)?;
            if piece.is_full {
                self.changes.tables.insert(table.clone(), changed_at);
            }
            let entries = self.tables.create(table);
            if piece.is_full {
                *entries = Entries::default();
            }
            for entry in &piece.entries {
                entries.set(copy_bytes(&entry.key), Some(copy_bytes(&entry.value)), entry.version());
            }
        }
        Ok(())
    }

    /// Returns the entries of all tables.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&TableId, Entry)> + '_ {
        self.tables.iter().flat_map(|(table, entries)| entries.iter().map(move |entry| (table, entry)))
    }
}

/// Returns the snapshot of a stream: of its segments the extents from the first one placed by log object
/// `from` or later.
fn stream_snapshot(id: &StreamId, stream: &Stream, from: u64) -> StreamSnapshot {
    let segment_snapshot = |segment: &Segment| {
        let mut piece =
            SegmentSnapshot { head: segment.head, tail: segment.tail, ..SegmentSnapshot::default() };
        for Extent { time, last_time, location, .. } in segment.extents().skip_while(|e| e.number < from) {
            piece.objects.push(location.object);
            piece.at.push(location.at);
            piece.lengths.push(location.length);
            piece.checksums.push(location.checksum);
            piece.times.push(*time);
            piece.last_times.push(*last_time);
        }
        piece
    };
    StreamSnapshot {
        stream: Some(StreamRecord::of(id, &stream.config())),
        epoch: stream.epoch,
        sealed: stream.sealed,
        segments: stream.segments.iter().map(segment_snapshot).collect(),
    }
}

fn segment(piece: &SegmentSnapshot, number: u64) -> Result<Segment, String> {
    Segment::restore(piece.head, piece.tail, extents(piece, number)?)
}

/// Decodes extents: they have no gaps and end at the tail, so their offsets are not stored.
fn extents(piece: &SegmentSnapshot, number: u64) -> Result<VecDeque<Extent>, String> {
    let length: u64 = piece.lengths.iter().map(|length| u64::from(*length)).sum();
    let mut start = piece.tail.checked_sub(length).ok_or("the extents of a segment exceed its tail")?;
    // in format 1 each commit has its own extent
    let last_times = if piece.last_times.is_empty() { &piece.times } else { &piece.last_times };
    let lists =
        [piece.at.len(), piece.lengths.len(), piece.checksums.len(), piece.times.len(), last_times.len()];
    if lists.iter().any(|list| *list != piece.objects.len()) {
        return Err("lists of a segment's extents differ in length".into());
    }
    let mut extents = VecDeque::new();
    let locations = piece.objects.iter().zip(&piece.at).zip(piece.lengths.iter().zip(&piece.checksums));
    for (((object, at), (length, checksum)), (time, last_time)) in
        locations.zip(piece.times.iter().zip(last_times))
    {
        let location = Location { object: *object, at: *at, length: *length, checksum: *checksum };
        extents.push_back(Extent { start, time: *time, last_time: *last_time, number, location });
        start += u64::from(*length);
    }
    Ok(extents)
}

fn transaction_snapshot((transaction, open): (&u64, &OpenTransaction)) -> TransactionSnapshot {
    let part = |(segment, location): &(_, Location)| StagedSnapshot {
        segment: Some(SegmentName::of(segment)),
        object: location.object,
        at: location.at,
        length: location.length,
        checksum: location.checksum,
    };
    TransactionSnapshot {
        transaction: *transaction,
        time: open.time,
        parts: open.parts.iter().map(part).collect(),
    }
}
