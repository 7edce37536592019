//! Applying log objects to the state.

use super::model::{MAX_RECORDS, OpenTransaction, State, Stream, error_text, record_id};
use super::segment::{Location, Segment};
use crate::object::{FORMAT, Header};
use crate::record::{Batch, CommitRecord, CutRecord, Log, Op};
use kulya_store::log_backend::copy_bytes;
use kulya_store::log_backend::outcomes::TransactionOutcome;
use kulya_store::{Scope, SegmentId, StreamId, Version};

impl State {
    /// Returns whether a log object names the last applied one as its predecessor.
    pub(crate) fn is_followed_by(&self, header: &Header, log: &Log) -> bool {
        match self.is_chained {
            true => header.format == FORMAT && log.previous == self.last,
            false => header.format != FORMAT || log.previous == 0,
        }
    }

    /// Returns the checksum that the next log object names as its predecessor's.
    pub(crate) fn previous(&self) -> u32 {
        if self.is_chained { self.last } else { 0 }
    }

    /// Applies the log object with this number.
    ///
    /// # Errors
    /// A description of the violated invariant: no correct writer wrote this object, and this state is no
    /// longer usable.
    pub(crate) fn apply(&mut self, number: u64, header: &Header, log: &Log) -> Result<(), String> {
        if number != self.next {
            return Err(format!("expected number {}", self.next));
        }
        if !self.is_followed_by(header, log) {
            return Err("it does not follow the object before it".into());
        }
        if log.records.len() > MAX_RECORDS || number >= 1 << 47 {
            return Err("too many records, or its number is too large".into());
        }
        if log.time < self.time {
            return Err("its time is before that of the previous object".into());
        }
        self.time = log.time;
        for batch in &log.batches {
            self.apply_batch(number, header.events_offset(), batch)?;
        }
        for (index, record) in log.records.iter().enumerate() {
            let op = record.op.as_ref().ok_or("unknown operation: use a newer version of kulya")?;
            self.apply_op(number, index, op)?;
        }
        self.advance(number, header);
        Ok(())
    }

    /// Advances the state past a log object.
    pub(super) fn advance(&mut self, number: u64, header: &Header) {
        self.next = number + 1;
        self.last = header.checksum;
        self.is_chained = header.format == FORMAT;
    }

    pub(super) fn apply_batch(
        &mut self,
        number: u64,
        events_offset: u64,
        batch: &Batch,
    ) -> Result<(), String> {
        let id = batch.segment.clone().unwrap_or_default().segment().map_err(error_text)?;
        let at = events_offset.checked_add(batch.at).ok_or("offset overflow in its events")?;
        let location = Location { object: number, at, length: batch.length, checksum: batch.checksum };
        let time = self.time;
        self.bytes_since_checkpoint += u64::from(batch.length);
        if batch.transaction == 0 {
            return self.segment_mut(&id)?.append(Some(batch.start), location, time, number);
        }
        let open =
            self.open.get_mut(&batch.transaction).ok_or("events staged for a transaction that has ended")?;
        open.parts.push((id, location));
        open.time = time;
        Ok(())
    }

    pub(super) fn apply_op(&mut self, number: u64, index: usize, op: &Op) -> Result<(), String> {
        let id = record_id(number, index);
        self.track_change(number, op)?;
        match op {
            Op::Commit(commit) => self.apply_commit(number, id, commit)?,
            Op::Begin(_) => _ = self.open.insert(id, OpenTransaction { time: self.time, parts: Vec::new() }),
            // it may have ended already: dropping a transaction does not wait for its commit
            Op::Abort(transaction) => _ = self.open.remove(transaction),
            Op::CreateScope(scope) => _ = self.scopes.insert(Scope::stored(scope).map_err(error_text)?),
            Op::DeleteScope(scope) => _ = self.scopes.remove(&Scope::stored(scope).map_err(error_text)?),
            Op::CreateStream(created) => {
                let (stream, config) = (created.stream().map_err(error_text)?, created.config());
                config.validate(&stream).map_err(error_text)?;
                let epoch = self
                    .deleted_epochs
                    .get(&stream)
                    .map_or(0, |deleted_epochs| deleted_epochs.saturating_add(1));
                let segments = (0..config.segments).map(|_| Segment::default()).collect();
                let created = Stream { epoch, retention: config.retention, sealed: false, segments };
                if self.streams.insert(stream, created).is_some() {
                    return Err("it creates a stream that exists".into());
                }
            }
            Op::UpdateStream(update) => {
                let stream = update.stream().map_err(error_text)?;
                self.stream_mut(&stream)?.retention = update.config().retention;
            }
            Op::SealStream(name) => self.stream_mut(&name.stream().map_err(error_text)?)?.sealed = true,
            Op::DeleteStream(name) => {
                let stream = name.stream().map_err(error_text)?;
                let deleted =
                    self.streams.remove(&stream).ok_or("it deletes a stream that does not exist")?;
                self.deleted_epochs.insert(stream, deleted.epoch);
            }
            Op::Truncate(cut) => self.apply_truncate(cut)?,
            Op::CreateTable(name) => _ = self.tables.create(name.table().map_err(error_text)?),
            Op::DeleteTable(name) => self.tables.delete(&name.table().map_err(error_text)?),
            Op::Reclaimed(gave) => {
                for object in &gave.objects {
                    if self.data.remove(object).is_some() {
                        self.changes.removed_data.insert(*object, number);
                    }
                }
            }
            Op::Lease(lease) => self.lease = *lease,
            Op::Merge(merged) => self.apply_merge(number, merged)?,
            Op::Checkpoint(checkpoint) => self.apply_checkpoint(checkpoint),
        }
        Ok(())
    }

    /// Tracks what an operation changes.
    fn track_change(&mut self, number: u64, op: &Op) -> Result<(), String> {
        let stream = match op {
            Op::CreateScope(_) | Op::DeleteScope(_) => {
                self.changes.scopes = number;
                return Ok(());
            }
            Op::CreateTable(name) | Op::DeleteTable(name) => {
                let table = name.table().map_err(error_text)?;
                // creating an existing table changes nothing
                if self.has_table(&table) != matches!(op, Op::CreateTable(_)) {
                    self.changes.tables.insert(table, number);
                }
                return Ok(());
            }
            Op::CreateStream(record) | Op::UpdateStream(record) => record.stream(),
            Op::SealStream(name) | Op::DeleteStream(name) => name.stream(),
            Op::Truncate(cut) => cut.stream.clone().unwrap_or_default().stream(),
            _ => return Ok(()),
        };
        self.changes.streams.insert(stream.map_err(error_text)?, number);
        Ok(())
    }

    fn apply_commit(&mut self, number: u64, id: u64, commit: &CommitRecord) -> Result<(), String> {
        for change in &commit.changes {
            let table = change.table.clone().unwrap_or_default().table().map_err(error_text)?;
            let entries = self.tables.get_mut(&table).ok_or("it changes a table that does not exist")?;
            // copied, since a slice would keep the whole object in memory
            let key = copy_bytes(&change.key);
            if change.value.is_none() {
                self.changes.removed_entries.insert((table, key.clone()), number);
            }
            entries.set(key, change.value.as_ref().map(copy_bytes), Version(id));
        }
        if let Some(writer) = commit.writer {
            self.writers.record(writer.mark());
            self.changes.writers.insert(writer.mark().writer, number);
        }
        if commit.transaction == 0 {
            return Ok(());
        }
        let open = self.open.remove(&commit.transaction).ok_or("it commits a transaction that has ended")?;
        let time = self.time;
        for (segment, location) in open.parts {
            self.segment_mut(&segment)?.append(None, location, time, number)?;
        }
        let outcome = TransactionOutcome { version: id, changes: commit.changes.len() as u32 };
        self.outcomes.insert(id, commit.transaction, outcome);
        Ok(())
    }

    fn apply_truncate(&mut self, cut: &CutRecord) -> Result<(), String> {
        let stream = cut.stream.clone().unwrap_or_default().stream().map_err(error_text)?;
        let segments = &mut self.stream_mut(&stream)?.segments;
        if segments.len() != cut.offsets.len() {
            return Err("a cut does not have one offset per segment".into());
        }
        segments.iter_mut().zip(&cut.offsets).try_for_each(|(segment, offset)| segment.truncate(*offset))
    }

    fn stream_mut(&mut self, stream: &StreamId) -> Result<&mut Stream, String> {
        self.streams.get_mut(stream).ok_or_else(|| format!("stream {stream} does not exist"))
    }

    pub(super) fn segment_mut(&mut self, id: &SegmentId) -> Result<&mut Segment, String> {
        let stream = self.streams.get_mut(&id.stream).filter(|stream| stream.epoch == id.epoch);
        let segment = stream.and_then(|stream| stream.segments.get_mut(id.number as usize));
        segment.ok_or_else(|| format!("segment {id} does not exist"))
    }
}
