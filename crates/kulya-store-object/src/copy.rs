//! Backup: copies a store, as of the start of the copy, to another location: its events in data objects, and
//! one checkpoint. The store may be written meanwhile; everything acknowledged before the start is in the
//! copy.

use crate::bucket::Bucket;
use crate::location::Location;
use crate::merge::{self, Building};
use crate::settings::Settings;
use crate::state::{DATA_BIT, Extent, LOST, Place, State};
use crate::store::{Inner, ObjectLogStore};
use bytes::Bytes;
use kulya_store::{Error, ErrorKind, Result, SegmentId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The target size of a data object, in bytes.
const OBJECT_BYTES: u64 = 16 << 20;
/// The maximum size of the events that are looked up at a time, in bytes.
const LOOK_BYTES: u64 = 8 << 20;
/// The maximum number of extents that are looked up at a time.
const LOOK_EXTENTS: usize = 64;
/// The maximum number of consecutive attempts when events move to other objects while they are copied.
const MOST_LOOKS: usize = 5;

impl ObjectLogStore {
    /// Copies the store, as of now, to an empty location. Returns the size of the copied events in bytes.
    ///
    /// # Errors
    /// `InvalidInput` when the location is not empty; `Corrupt` when some events cannot be read, naming the
    /// object; `Unreachable` when a storage does not answer.
    pub async fn backup(&self, to: &Location) -> Result<u64> {
        let settings = Settings::new(self.inner.journal.bucket.settings.instance);
        let target = Bucket::new(Arc::clone(&to.objects), &to.prefix, settings);
        if target.usage().await?.0 > 0 {
            return Err(Error::invalid(format!("{to} is not empty: choose an empty location")));
        }
        let journal = &self.inner.journal;
        journal.sync().await?;
        let snapshot = journal.with(|state| (state.next, state.snapshot(None)))?;
        let mut copy = State::restore(snapshot.0, &snapshot.1, None).map_err(Error::invalid)?;
        copy.without_events();
        let mut copying = Copying {
            inner: &self.inner,
            target: &target,
            open: Building::default(),
            count: 0,
            bytes: 0,
            begins: BTreeMap::new(),
        };
        let segments: Vec<(SegmentId, u64, u64)> =
            copy.segments().map(|(id, segment)| (id, segment.head, segment.tail)).collect();
        let mut copied = Vec::new();
        for (id, head, tail) in segments {
            let (head, extents) = copying.segment(&id, head, tail).await?;
            copied.push((id, head, extents));
        }
        copying.put().await?;
        let Copying { bytes, begins, .. } = copying;
        for (id, head, mut extents) in copied {
            for Extent { place, .. } in &mut extents {
                place.at += begins.get(&place.object).copied().unwrap_or(0);
            }
            copy.put_events(&id, head, extents).map_err(Error::invalid)?;
        }
        target.replace_checkpoint(copy.next, &copy.alone()).await?;
        // written last: without this object the copy is not a store
        target.begin().await?;
        Ok(bytes)
    }
}

struct Copying<'a> {
    inner: &'a Arc<Inner>,
    target: &'a Bucket,
    open: Building,
    count: u64,
    bytes: u64,
    /// The offset of the events in each data object that was put.
    begins: BTreeMap<u64, u64>,
}

impl Copying<'_> {
    /// Returns the number of the data object under construction.
    fn object(&self) -> u64 {
        DATA_BIT | (self.count + 1)
    }

    /// Copies a segment up to an offset. Returns its head, which may have moved meanwhile, and the extents of
    /// the copy.
    async fn segment(&mut self, id: &SegmentId, head: u64, tail: u64) -> Result<(u64, Vec<Extent>)> {
        let (mut head, mut offset, mut looks) = (head, head, 0);
        let mut made: Vec<Extent> = Vec::new();
        while offset < tail {
            let found = self.inner.journal.with(|state| {
                state.segment(id).map(|(found, _)| {
                    (found.head, found.extents_from(offset.max(found.head), LOOK_BYTES, LOOK_EXTENTS))
                })
            })?;
            let Ok((begins, found)) = found else {
                // the segment was deleted meanwhile: it is empty in the copy
                return Ok((tail, Vec::new()));
            };
            if begins > offset {
                (head, offset) = (begins.min(tail), begins);
                made.retain(|extent| extent.end() > head);
                continue;
            }
            for extent in found {
                if extent.start >= tail {
                    break;
                }
                if let Some(last) = made.last().filter(|last| last.end() > extent.start) {
                    // it was merged with events that are copied already
                    let from = last.end();
                    if !self.extent(id, &extent, from, tail, &mut made).await? {
                        break;
                    }
                } else if !self.extent(id, &extent, extent.start, tail, &mut made).await? {
                    break;
                }
            }
            let reached = made.last().map_or(offset, Extent::end);
            looks = if reached > offset { 0 } else { looks + 1 };
            if looks > MOST_LOOKS {
                let what =
                    format!("backup failed: segment {id} cannot be read from offset {offset}, an object is missing");
                return Err(Error::new(ErrorKind::Corrupt, what));
            }
            if looks > 0 {
                self.inner.journal.sync().await?;
            }
            offset = reached;
        }
        Ok((head, made))
    }

    /// Copies the part of an extent between two offsets; `false` when its object does not exist.
    async fn extent(
        &mut self,
        id: &SegmentId,
        extent: &Extent,
        from: u64,
        to: u64,
        made: &mut Vec<Extent>,
    ) -> Result<bool> {
        let (from, to) = (from.max(extent.start), to.min(extent.end()));
        if from >= to {
            return Ok(true);
        }
        if extent.place.is_lost() {
            let place = Place { object: LOST, length: (to - from) as u32, ..extent.place };
            made.push(Extent { start: from, place, ..*extent });
            return Ok(true);
        }
        let Some((bytes, commits)) = merge::read(&self.inner.journal, extent).await? else {
            return Ok(false);
        };
        let bytes = bytes.slice((from - extent.start) as usize..(to - extent.start) as usize);
        let mut commits: Vec<(u64, u64)> = commits.into_iter().filter(|(begins, _)| *begins < to).collect();
        let before = commits.iter().rposition(|(begins, _)| *begins <= from).unwrap_or(0);
        commits.drain(..before);
        if let Some(first) = commits.first_mut() {
            first.0 = first.0.max(from);
        }
        let times = (commits.first().map_or(0, |c| c.1), commits.last().map_or(0, |c| c.1));
        self.bytes += bytes.len() as u64;
        let place = Place {
            object: self.object(),
            at: self.open.length(),
            length: bytes.len() as u32,
            checksum: crc32c::crc32c(&bytes),
        };
        made.push(Extent { start: from, time: times.0, last_time: times.1, number: 0, place });
        self.open.extent(id, from, Bytes::copy_from_slice(&bytes), commits);
        if self.open.length() >= OBJECT_BYTES {
            self.put().await?;
        }
        Ok(true)
    }

    async fn put(&mut self) -> Result<()> {
        let building = std::mem::take(&mut self.open);
        if building.length() == 0 {
            return Ok(());
        }
        let (object, length) = (self.object(), building.length());
        let (body, _) = building.finish(object)?;
        self.begins.insert(object, body.content_length() as u64 - length);
        self.target.create_data(object, &body).await?;
        self.count += 1;
        Ok(())
    }
}
