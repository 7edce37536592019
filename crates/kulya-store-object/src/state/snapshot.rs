//! The whole state as the head of a checkpoint, and back.

use super::{Done, Extent, Open, Place, Segment, State, Stream, owned, said};
use crate::record::{
    EndedPiece, EntryPiece, Mark, Name, OpenPiece, OutcomePiece, PartPiece, SegmentName, SegmentPiece,
    Snapshot, StreamPiece, StreamRecord, TablePiece,
};
use kulya_store::{Scope, StreamId};
use std::collections::VecDeque;

impl State {
    /// Everything, to be read back by [`State::restore`].
    pub(crate) fn snapshot(&self) -> Snapshot {
        let outcome = |(version, transaction): (&u64, &u64)| OutcomePiece {
            transaction: *transaction,
            version: *version,
            changes: self.done.get(transaction).map_or(0, |done| done.changes),
        };
        let ended = |(stream, epoch): (&StreamId, &u32)| EndedPiece {
            stream: Some(Name::of_stream(stream)),
            epoch: *epoch,
        };
        Snapshot {
            time: self.time,
            scopes: self.scopes.iter().map(ToString::to_string).collect(),
            streams: self.streams.iter().map(stream_piece).collect(),
            ended: self.ended.iter().map(ended).collect(),
            tables: self
                .tables
                .iter()
                .map(|(table, entries)| TablePiece {
                    table: Some(Name::of_table(table)),
                    entries: entries.iter().map(EntryPiece::of).collect(),
                })
                .collect(),
            writers: self.writers.in_order().map(Mark::of).collect(),
            outcomes: self.done_in_order.iter().map(outcome).collect(),
            open: self.open.iter().map(open_piece).collect(),
            floor: self.floor,
            kept: self.kept.iter().copied().collect(),
        }
    }

    /// The state that a checkpoint of this number wrote down. The error says what cannot be.
    pub(crate) fn restore(number: u64, snapshot: &Snapshot) -> Result<Self, String> {
        let mut state = Self { next: number, time: snapshot.time, floor: snapshot.floor, ..Self::default() };
        for scope in &snapshot.scopes {
            state.scopes.insert(Scope::stored(scope).map_err(said)?);
        }
        for piece in &snapshot.streams {
            let record = piece.stream.clone().unwrap_or_default();
            let segments = piece.segments.iter().map(segment).collect::<Result<Vec<_>, _>>()?;
            let retention = record.config().retention;
            let stream = Stream { epoch: piece.epoch, retention, sealed: piece.sealed, segments };
            state.streams.insert(record.stream().map_err(said)?, stream);
        }
        for piece in &snapshot.ended {
            let stream = piece.stream.clone().unwrap_or_default().stream().map_err(said)?;
            state.ended.insert(stream, piece.epoch);
        }
        for piece in &snapshot.tables {
            let table = piece.table.clone().unwrap_or_default().table().map_err(said)?;
            let entries = state.tables.entry(table).or_default();
            for entry in &piece.entries {
                entries.set(owned(&entry.key), Some(owned(&entry.value)), entry.version());
            }
        }
        snapshot.writers.iter().for_each(|writer| state.writers.store(writer.mark()));
        for OutcomePiece { transaction, version, changes } in &snapshot.outcomes {
            state.remember(*transaction, Done { version: *version, changes: *changes });
        }
        for piece in &snapshot.open {
            let mut open = Open { time: piece.time, parts: Vec::new() };
            for part in &piece.parts {
                let segment = part.segment.clone().unwrap_or_default().segment().map_err(said)?;
                let PartPiece { object, at, length, checksum, .. } = *part;
                open.parts.push((segment, Place { object, at, length, checksum }));
            }
            state.open.insert(piece.transaction, open);
        }
        state.kept.extend(&snapshot.kept);
        Ok(state)
    }
}

fn stream_piece((id, stream): (&StreamId, &Stream)) -> StreamPiece {
    let segment_piece = |segment: &Segment| {
        let mut piece = SegmentPiece { head: segment.head, tail: segment.tail, ..SegmentPiece::default() };
        for Extent { time, place, .. } in segment.extents() {
            piece.objects.push(place.object);
            piece.at.push(place.at);
            piece.lengths.push(place.length);
            piece.checksums.push(place.checksum);
            piece.times.push(*time);
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

/// Extents touch, and the last one ends at the tail: their offsets need not be written down.
fn segment(piece: &SegmentPiece) -> Result<Segment, String> {
    let length: u64 = piece.lengths.iter().map(|length| u64::from(*length)).sum();
    let mut start = piece.tail.checked_sub(length).ok_or("a segment holds more than it has")?;
    let lists = [piece.at.len(), piece.lengths.len(), piece.checksums.len(), piece.times.len()];
    if lists.iter().any(|list| *list != piece.objects.len()) {
        return Err("a segment's extents are not all there".into());
    }
    let mut extents = VecDeque::new();
    let places = piece.objects.iter().zip(&piece.at).zip(piece.lengths.iter().zip(&piece.checksums));
    for (((object, at), (length, checksum)), time) in places.zip(&piece.times) {
        let place = Place { object: *object, at: *at, length: *length, checksum: *checksum };
        extents.push_back(Extent { start, time: *time, place });
        start += u64::from(*length);
    }
    Segment::restore(piece.head, piece.tail, extents)
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
