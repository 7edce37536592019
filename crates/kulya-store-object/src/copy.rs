//! A copy of a store, as it is when the copy begins, at another place: its events in data objects, and one checkpoint. The store
//! may be written meanwhile; everything that was acknowledged before is in the copy.

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

/// A data object takes no more beyond this.
const OBJECT_BYTES: u64 = 16 << 20;
/// Events that are looked up at a time.
const LOOK_BYTES: u64 = 8 << 20;
/// And extents.
const LOOK_EXTENTS: usize = 64;
/// Events may move to other objects while they are copied; more often than this in a row nobody moves them.
const MOST_LOOKS: usize = 5;

impl ObjectLogStore {
    /// Copies the store, as it is now, to a place where nothing is; gives how many bytes of events that were.
    ///
    /// # Errors
    /// `InvalidInput` when something is there; `Corrupt` when some events cannot be read, naming the object.
    pub async fn backup(&self, to: &Location) -> Result<u64> {
        let settings = Settings::new(self.inner.journal.bucket.settings.instance);
        let target = Bucket::new(Arc::clone(&to.objects), &to.prefix, settings);
        if target.usage().await?.0 > 0 {
            return Err(Error::invalid(format!("{to} is not empty: choose a place where nothing is")));
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
        // what has no such object is no store
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
    /// Of each data object that was put, where its events begin.
    begins: BTreeMap<u64, u64>,
}

impl Copying<'_> {
    /// The data object that is being made.
    fn object(&self) -> u64 {
        DATA_BIT | (self.count + 1)
    }

    /// Copies a segment up to an offset; gives its head, which may have moved meanwhile, and where its events stand.
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
                // it was deleted meanwhile: the copy has it, empty
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
                    // it was merged with what is copied already
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
                    format!("segment {id} cannot be copied from offset {offset} on: an object is missing");
                return Err(Error::new(ErrorKind::Corrupt, what));
            }
            if looks > 0 {
                self.inner.journal.sync().await?;
            }
            offset = reached;
        }
        Ok((head, made))
    }

    /// Copies what lies between two offsets of an extent; `false` when its object is not there.
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
