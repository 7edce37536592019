//! Conversion of the state to the head of a checkpoint and back, full or incremental.

use super::{DataObject, Done, Extent, Open, Place, Segment, State, Stream, Touched, mark, owned, said};
use crate::record::{
    Change, DataPiece, EndedPiece, EntryPiece, Mark, Name, OpenPiece, OutcomePiece, PartPiece, SegmentName,
    SegmentPiece, Snapshot, StreamPiece, StreamRecord, TablePiece,
};
use kulya_store::{Entries, Entry, Scope, StreamId, TableId};
use std::collections::VecDeque;

impl State {
    /// Returns an incremental snapshot since the checkpoint `base`, which must be in the chain of the newest
    /// one; without a base a full one. Inverse of [`State::restore`].
    pub(crate) fn snapshot(&self, base: Option<u64>) -> Snapshot {
        let from = base.unwrap_or(0);
        let first_version = base.map_or(0, |base| mark(base, 0));
        let is_recent = |touched: Option<&u64>| base.is_none() || touched.is_some_and(|at| *at >= from);
        let outcome = |(version, transaction): (&u64, &u64)| OutcomePiece {
            transaction: *transaction,
            version: *version,
            changes: self.done.get(transaction).map_or(0, |done| done.changes),
        };
        let ended = self.ended.iter().filter(|(stream, _)| is_recent(self.touched.streams.get(stream)));
        let streams = self.streams.iter().filter_map(|(id, stream)| {
            let is_grown = |segment: &Segment| segment.extents().any(|extent| extent.number >= from);
            let changed = is_recent(self.touched.streams.get(id)) || stream.segments.iter().any(is_grown);
            changed.then(|| stream_piece(id, stream, from))
        });
        let tables = self.tables.iter().filter_map(|(table, entries)| {
            let is_whole = is_recent(self.touched.tables.get(table));
            let changed = entries.iter().filter(|entry| is_whole || entry.version.0 >= first_version);
            let entries: Vec<_> = changed.map(EntryPiece::of).collect();
            let table = Some(Name::of_table(table));
            (is_whole || !entries.is_empty()).then_some(TablePiece { table, entries, is_whole })
        });
        let writers = self.writers.in_order();
        let writers = writers.filter(|mark| is_recent(self.touched.writers.get(&mark.writer)));
        let data = self.data.iter().filter(|(_, object)| base.is_none() || object.number >= from);
        let scopes_changed = base.is_none() || self.touched.scopes >= from;
        let scopes = self.scopes.iter().filter(|_| scopes_changed);
        let mut snapshot = Snapshot {
            time: self.time,
            scopes: scopes.map(ToString::to_string).collect(),
            streams: streams.collect(),
            ended: ended
                .map(|(stream, epoch)| EndedPiece { stream: Some(Name::of_stream(stream)), epoch: *epoch })
                .collect(),
            tables: tables.collect(),
            writers: writers.map(Mark::of).collect(),
            outcomes: self.done_in_order.range(first_version..).map(outcome).collect(),
            open: self.open.iter().map(open_piece).collect(),
            base,
            last: self.last,
            lease: Some(self.lease),
            chain: self.chain.clone(),
            chain_before: self.chain_before.clone(),
            changed_bytes: self.changed_bytes,
            data: data.map(|(data, object)| DataPiece { data: *data, bytes: object.bytes }).collect(),
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
        let Touched { streams, tables, removed_entries, removed_data, .. } = &self.touched;
        let gone = streams.iter().filter(|(id, at)| **at >= from && !self.streams.contains_key(id));
        snapshot.removed_streams = gone.map(|(id, _)| Name::of_stream(id)).collect();
        let gone = tables.iter().filter(|(id, at)| **at >= from && !self.tables.contains_key(id));
        snapshot.removed_tables = gone.map(|(id, _)| Name::of_table(id)).collect();
        let is_gone = |table: &TableId, key: &[u8]| {
            self.tables.get(table).is_some_and(|entries| entries.version(key).is_none())
        };
        let gone = removed_entries.iter().filter(|((table, key), at)| **at >= from && is_gone(table, key));
        let change = |((table, key), _): (&(TableId, bytes::Bytes), _)| Change {
            table: Some(Name::of_table(table)),
            key: key.clone(),
            value: None,
        };
        snapshot.removed_entries = gone.map(change).collect();
        let gone = removed_data.iter().filter(|(_, at)| **at >= from);
        snapshot.removed_data = gone.map(|(data, _)| *data).collect();
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
        let touched = number.saturating_sub(1);
        state.next = number;
        state.time = snapshot.time;
        state.last = snapshot.last;
        state.is_chained = snapshot.is_chained;
        state.lease = snapshot.lease.unwrap_or_default();
        state.chain.clone_from(&snapshot.chain);
        state.chain_before.clone_from(&snapshot.chain_before);
        state.changed_bytes = snapshot.changed_bytes;
        state.fresh_bytes = 0;
        if snapshot.base.is_none() || snapshot.scopes_changed {
            state.scopes.clear();
            state.touched.scopes = touched;
        }
        for scope in &snapshot.scopes {
            state.scopes.insert(Scope::stored(scope).map_err(said)?);
        }
        state.restore_streams(snapshot, touched)?;
        state.restore_tables(snapshot, touched)?;
        for writer in &snapshot.writers {
            state.writers.store(writer.mark());
            state.touched.writers.insert(writer.mark().writer, touched);
        }
        for OutcomePiece { transaction, version, changes } in &snapshot.outcomes {
            state.remember(*transaction, Done { version: *version, changes: *changes });
        }
        state.open.clear();
        for piece in &snapshot.open {
            let mut open = Open { time: piece.time, parts: Vec::new() };
            for part in &piece.parts {
                let segment = part.segment.clone().unwrap_or_default().segment().map_err(said)?;
                let PartPiece { object, at, length, checksum, .. } = *part;
                open.parts.push((segment, Place { object, at, length, checksum }));
            }
            state.open.insert(piece.transaction, open);
        }
        for DataPiece { data, bytes } in &snapshot.data {
            state.data.insert(*data, DataObject { number: touched, bytes: *bytes });
        }
        for data in &snapshot.removed_data {
            state.data.remove(data);
            state.touched.removed_data.insert(*data, touched);
        }
        Ok(state)
    }

    fn restore_streams(&mut self, snapshot: &Snapshot, touched: u64) -> Result<(), String> {
        for name in &snapshot.removed_streams {
            let stream = name.stream().map_err(said)?;
            self.streams.remove(&stream);
            self.touched.streams.insert(stream, touched);
        }
        for piece in &snapshot.streams {
            let record = piece.stream.clone().unwrap_or_default();
            let id = record.stream().map_err(said)?;
            let retention = record.config().retention;
            self.touched.streams.insert(id.clone(), touched);
            let found = self.streams.get_mut(&id).filter(|stream| stream.epoch == piece.epoch);
            let Some(stream) = found else {
                let segments = piece.segments.iter().map(|piece| segment(piece, touched));
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
                segment.change(piece.head, piece.tail, extents(piece, touched)?)?;
            }
        }
        for piece in &snapshot.ended {
            let stream = piece.stream.clone().unwrap_or_default().stream().map_err(said)?;
            self.touched.streams.insert(stream.clone(), touched);
            self.ended.insert(stream, piece.epoch);
        }
        Ok(())
    }

    fn restore_tables(&mut self, snapshot: &Snapshot, touched: u64) -> Result<(), String> {
        for name in &snapshot.removed_tables {
            let table = name.table().map_err(said)?;
            self.tables.remove(&table);
            self.touched.tables.insert(table, touched);
        }
        for change in &snapshot.removed_entries {
            let table = change.table.clone().unwrap_or_default().table().map_err(said)?;
            let key = owned(&change.key);
            if let Some(entries) = self.tables.get_mut(&table) {
                entries.set(key.clone(), None, kulya_store::Version(0));
            }
            self.touched.removed_entries.insert((table, key), touched);
        }
        for piece in &snapshot.tables {
            let table = piece.table.clone().unwrap_or_default().table().map_err(said)?;
            if piece.is_whole {
                self.touched.tables.insert(table.clone(), touched);
            }
            let entries = self.tables.entry(table).or_default();
            if piece.is_whole {
                *entries = Entries::default();
            }
            for entry in &piece.entries {
                entries.set(owned(&entry.key), Some(owned(&entry.value)), entry.version());
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
fn stream_piece(id: &StreamId, stream: &Stream, from: u64) -> StreamPiece {
    let segment_piece = |segment: &Segment| {
        let mut piece = SegmentPiece { head: segment.head, tail: segment.tail, ..SegmentPiece::default() };
        for Extent { time, last_time, place, .. } in segment.extents().skip_while(|e| e.number < from) {
            piece.objects.push(place.object);
            piece.at.push(place.at);
            piece.lengths.push(place.length);
            piece.checksums.push(place.checksum);
            piece.times.push(*time);
            piece.last_times.push(*last_time);
        }
        piece
    };
    StreamPiece {
        stream: Some(StreamRecord::of(id, &stream.config())),
        epoch: stream.epoch,
        sealed: stream.sealed,
        segments: stream.segments.iter().map(segment_piece).collect(),
    }
}

fn segment(piece: &SegmentPiece, number: u64) -> Result<Segment, String> {
    Segment::restore(piece.head, piece.tail, extents(piece, number)?)
}

/// Decodes extents: they have no gaps and end at the tail, so their offsets are not stored.
fn extents(piece: &SegmentPiece, number: u64) -> Result<VecDeque<Extent>, String> {
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
    let places = piece.objects.iter().zip(&piece.at).zip(piece.lengths.iter().zip(&piece.checksums));
    for (((object, at), (length, checksum)), (time, last_time)) in
        places.zip(piece.times.iter().zip(last_times))
    {
        let place = Place { object: *object, at: *at, length: *length, checksum: *checksum };
        extents.push_back(Extent { start, time: *time, last_time: *last_time, number, place });
        start += u64::from(*length);
    }
    Ok(extents)
}

fn open_piece((transaction, open): (&u64, &Open)) -> OpenPiece {
    let part = |(segment, place): &(_, Place)| PartPiece {
        segment: Some(SegmentName::of(segment)),
        object: place.object,
        at: place.at,
        length: place.length,
        checksum: place.checksum,
    };
    OpenPiece { transaction: *transaction, time: open.time, parts: open.parts.iter().map(part).collect() }
}
