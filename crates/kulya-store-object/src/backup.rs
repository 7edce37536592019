//! Backup: copies a store, as of the start of the copy, to another location: its events in data objects, and
//! one checkpoint. The store may be written meanwhile; everything acknowledged before the start is in the
//! copy.

use crate::bucket::Bucket;
use crate::location::StoreLocation;
use crate::log_client::LogClient;
use crate::merge::{self, DataObjectBuilder};
use crate::settings::Settings;
use crate::state::{DATA_BIT, Extent, LOST, Location, State};
use crate::store::ObjectLogStore;
use bytes::Bytes;
use kulya_store::{Error, ErrorKind, Result, SegmentId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The target size of a data object, in bytes.
const OBJECT_BYTES: u64 = 16 << 20;
/// The maximum size of the events that are looked up at a time, in bytes.
const LOOKUP_BYTES: u64 = 8 << 20;
/// The maximum number of extents that are looked up at a time.
const LOOKUP_EXTENTS: usize = 64;
/// The maximum number of consecutive attempts when events move to other objects while they are copied.
const MAX_ATTEMPTS: usize = 5;

impl ObjectLogStore {
    /// Copies the store, as of now, to an empty location. Returns the size of the copied events in bytes.
    ///
    /// # Errors
    /// `InvalidInput` when the location is not empty; `Corrupt` when some events cannot be read, naming the
    /// object; `Unreachable` when a storage does not answer.
    pub async fn backup(&self, to: &StoreLocation) -> Result<u64> {
        let settings = Settings::new(self.shared.client.journal.bucket.settings.instance);
        let target = Bucket::new(Arc::clone(&to.objects), &to.prefix, settings);
        if target.usage().await?.0 > 0 {
            return Err(Error::invalid(format!("{to} is not empty: choose an empty location")));
        }
        let journal = &self.shared.client.journal;
        journal.sync().await?;
        let snapshot = journal.with_state(|state| (state.next, state.snapshot(None)))?;
        let mut copy = State::restore(snapshot.0, &snapshot.1, None).map_err(Error::invalid)?;
        copy.clear_events();
        let mut writer = BackupWriter {
            client: &self.shared.client,
            target: &target,
            builder: DataObjectBuilder::default(),
            count: 0,
            bytes: 0,
            event_offsets: BTreeMap::new(),
        };
        let segments: Vec<(SegmentId, u64, u64)> =
            copy.segments().map(|(id, segment)| (id, segment.head, segment.tail)).collect();
        let mut copied_segments = Vec::new();
        for (id, head, tail) in segments {
            let (head, extents) = writer.segment(&id, head, tail).await?;
            copied_segments.push((id, head, extents));
        }
        writer.flush().await?;
        let BackupWriter { bytes, event_offsets, .. } = writer;
        for (id, head, mut extents) in copied_segments {
            for Extent { location, .. } in &mut extents {
                location.at += event_offsets.get(&location.object).copied().unwrap_or(0);
            }
            copy.set_extents(&id, head, extents).map_err(Error::invalid)?;
        }
        target.replace_checkpoint(copy.next, &copy.standalone_snapshot()).await?;
        // written last: without this object the copy is not a store
        target.initialize().await?;
        Ok(bytes)
    }
}

/// Writes the data objects of a backup.
struct BackupWriter<'a> {
    client: &'a LogClient,
    target: &'a Bucket,
    builder: DataObjectBuilder,
    count: u64,
    bytes: u64,
    /// The offset of the events in each data object that was put.
    event_offsets: BTreeMap<u64, u64>,
}

impl BackupWriter<'_> {
    /// Returns the number of the data object under construction.
    fn object(&self) -> u64 {
        DATA_BIT | (self.count + 1)
    }

    /// Copies a segment up to an offset. Returns its head, which may have moved meanwhile, and the extents of
    /// the copy.
    async fn segment(&mut self, id: &SegmentId, head: u64, tail: u64) -> Result<(u64, Vec<Extent>)> {
        let (mut head, mut offset, mut attempts) = (head, head, 0);
        let mut copied: Vec<Extent> = Vec::new();
        while offset < tail {
            let found = self.client.journal.with_state(|state| {
                state.segment(id).map(|(found, _)| {
                    (found.head, found.extents_from(offset.max(found.head), LOOKUP_BYTES, LOOKUP_EXTENTS))
                })
            })?;
            let Ok((current_head, found)) = found else {
                // the segment was deleted meanwhile: it is empty in the copy
                return Ok((tail, Vec::new()));
            };
            if current_head > offset {
                (head, offset) = (current_head.min(tail), current_head);
                copied.retain(|extent| extent.end() > head);
                continue;
            }
            for extent in found {
                if extent.start >= tail {
                    break;
                }
                if let Some(last) = copied.last().filter(|last| last.end() > extent.start) {
                    // it was merged with events that are copied already
                    let from = last.end();
                    if !self.extent(id, &extent, from, tail, &mut copied).await? {
                        break;
                    }
                } else if !self.extent(id, &extent, extent.start, tail, &mut copied).await? {
                    break;
                }
            }
            let reached = copied.last().map_or(offset, Extent::end);
            attempts = if reached > offset { 0 } else { attempts + 1 };
            if attempts > MAX_ATTEMPTS {
                let what = format!(
                    "backup failed: segment {id} cannot be read from offset {offset}, an object is missing"
                );
                return Err(Error::new(ErrorKind::Corrupt, what));
            }
            if attempts > 0 {
                self.client.journal.sync().await?;
            }
            offset = reached;
        }
        Ok((head, copied))
    }

    /// Copies the part of an extent between two offsets; `false` when its object does not exist.
    async fn extent(
        &mut self,
        id: &SegmentId,
        extent: &Extent,
        from: u64,
        to: u64,
        copied: &mut Vec<Extent>,
    ) -> Result<bool> {
        let (from, to) = (from.max(extent.start), to.min(extent.end()));
        if from >= to {
            return Ok(true);
        }
        if extent.location.is_lost() {
            let location = Location { object: LOST, length: (to - from) as u32, ..extent.location };
            copied.push(Extent { start: from, location, ..*extent });
            return Ok(true);
        }
        let Some((bytes, commits)) = merge::read(&self.client.journal, extent).await? else {
            return Ok(false);
        };
        let bytes = bytes.slice((from - extent.start) as usize..(to - extent.start) as usize);
        let mut commits: Vec<(u64, u64)> = commits.into_iter().filter(|(start, _)| *start < to).collect();
        let before = commits.iter().rposition(|(start, _)| *start <= from).unwrap_or(0);
        commits.drain(..before);
        if let Some(first) = commits.first_mut() {
            first.0 = first.0.max(from);
        }
        let times = (commits.first().map_or(0, |c| c.1), commits.last().map_or(0, |c| c.1));
        self.bytes += bytes.len() as u64;
        let location = Location {
            object: self.object(),
            at: self.builder.length(),
            length: bytes.len() as u32,
            checksum: crc32c::crc32c(&bytes),
        };
        copied.push(Extent { start: from, time: times.0, last_time: times.1, number: 0, location });
        self.builder.extent(id, from, Bytes::copy_from_slice(&bytes), commits);
        if self.builder.length() >= OBJECT_BYTES {
            self.flush().await?;
        }
        Ok(true)
    }

    /// Puts the data object under construction.
    async fn flush(&mut self) -> Result<()> {
        let builder = std::mem::take(&mut self.builder);
        if builder.length() == 0 {
            return Ok(());
        }
        let (object, length) = (self.object(), builder.length());
        let (body, _) = builder.finish(object)?;
        self.event_offsets.insert(object, body.content_length() as u64 - length);
        self.target.create_data(object, &body).await?;
        self.count += 1;
        Ok(())
    }
}
