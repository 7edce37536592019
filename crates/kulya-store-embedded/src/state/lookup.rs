//! Looks up extents, offsets and table entries, in memory first and then in the index.

use super::State;
use super::segment::Segment;
use super::table::{Slot, Table};
use crate::error::index_error;
use crate::extent::Extent;
use crate::index::{self, Index};
use crate::op::SegmentKey;
use bytes::Bytes;
use kulya_store::{Entry, Result, Version};
use std::io;

impl State {
    /// Returns the extents of a segment from the one that contains `offset` on, `bytes` in total or a
    /// little more.
    pub(crate) fn extents(
        &self,
        key: SegmentKey,
        segment: &Segment,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<Extent>> {
        let mut found: Vec<Extent> = Vec::new();
        let enough = offset.saturating_add(bytes);
        let is_enough = |found: &[Extent]| found.last().is_some_and(|last| last.end() >= enough);
        let recent_from = segment.recent_from();
        // the requested extents of a block
        let of = |block: &[Extent]| {
            let from = block.partition_point(|extent| extent.end() <= offset);
            let to = block.partition_point(|extent| extent.start < recent_from.min(enough));
            from..to.max(from)
        };
        if offset < recent_from {
            let from = match self.block_at(key, offset).map_err(index_error)? {
                Some((start, block)) => {
                    found.extend(block.get(of(&block)).unwrap_or_default());
                    start + 1
                }
                // the next extent may start later: a repair has dropped those before it
                None => offset,
            };
            if !is_enough(&found) {
                for entry in self.index.range(&index::block_key(key, from), &index::blocks_end(key)) {
                    let (_, block) = entry.and_then(|entry| block(&entry)).map_err(index_error)?;
                    found.extend(block.get(of(&block)).unwrap_or_default());
                    if is_enough(&found) || block.is_empty() {
                        break;
                    }
                }
            }
        }
        for extent in segment.recent_at(offset) {
            if is_enough(&found) {
                break;
            }
            found.push(extent);
        }
        Ok(found)
    }

    /// Returns the index block that starts at or before an offset, with its start.
    fn block_at(&self, key: SegmentKey, offset: u64) -> io::Result<Option<(u64, Vec<Extent>)>> {
        if let Some(found) = self.blocks.find(key, offset) {
            return Ok(Some(found));
        }
        let found = self.index.last(&index::block_key(key, 0), &index::block_key(key, offset))?;
        let Some(entry) = found else { return Ok(None) };
        let (start, extents) = block(&entry)?;
        self.blocks.insert(key, start, &entry.1, &extents);
        Ok(Some((start, extents)))
    }

    /// Clears the block cache, which has proved to be stale.
    pub(crate) fn clear_block_cache(&self) {
        self.blocks.clear();
    }

    /// Returns the offset of a segment's first events that were committed at or after a time.
    pub(crate) fn offset_at(&self, key: SegmentKey, segment: &Segment, time: u64) -> Result<u64> {
        let first_of = |extents: &[Extent]| {
            let first = extents.partition_point(|extent| extent.time < time);
            extents.get(first).map(|extent| extent.start.max(segment.head))
        };
        let recent_from = segment.recent_from();
        let (mut low, mut high) = (segment.head, recent_from);
        // binary search: events before `low` are too early, events after `high` are not
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((start, mut extents)) = self.block_at(key, middle).map_err(index_error)? else { break };
            extents.retain(|extent| extent.start < recent_from && extent.end() > segment.head);
            match first_of(&extents) {
                // the last event that is too early is in the block before
                Some(at) if at <= start.max(segment.head) => high = start.max(segment.head).min(middle),
                Some(at) => return Ok(at),
                None => low = extents.last().map_or(middle + 1, Extent::end).max(middle + 1),
            }
        }
        if high < recent_from {
            return Ok(high);
        }
        let first = segment.recent.first_since(time);
        Ok(first.map_or(segment.tail, |extent| extent.start.max(segment.head)))
    }

    /// Returns the last change of a key: its version, log file, and the value unless it was removed.
    pub(crate) fn slot(&self, table: &Table, key: &[u8]) -> Result<Option<Slot>> {
        if let Some(slot) = table.recent.get(key) {
            return Ok(Some(slot.clone()));
        }
        indexed_slot(&*self.index, table.id, key).map_err(index_error)
    }

    /// Returns the entries whose key starts with `prefix` and is greater than `after`, in key order.
    pub(crate) fn entries(
        &self,
        table: &Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        // the lower bound of the scan
        let from = match after {
            Some(after) if after >= prefix => [after, &[0]].concat(),
            _ => prefix.to_vec(),
        };
        let (_, end) = index::table_range(table.id);
        let in_prefix = |key: &Bytes| key.starts_with(prefix);
        let indexed = self.index.range(&index::entry_key(table.id, &from), &end);
        let indexed = indexed
            .map(|entry| entry.and_then(|(key, value)| Ok((key.slice(5.min(key.len())..), slot(&value)?))));
        let mut indexed =
            indexed.take_while(|entry| entry.as_ref().map_or(true, |(key, _)| in_prefix(key))).peekable();
        let recent = table.recent.range(Bytes::copy_from_slice(&from)..);
        let mut recent = recent.take_while(|(key, _)| in_prefix(key)).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let indexed_key = match indexed.next_if(Result::is_err) {
                Some(Err(error)) => return Err(index_error(error)),
                _ => indexed.peek().and_then(|entry| entry.as_ref().ok()).map(|(key, _)| key.clone()),
            };
            let recent_key = recent.peek().map(|(key, _)| *key);
            if recent_key.is_some() && recent_key == indexed_key.as_ref() {
                // the recent change replaces the indexed entry
                indexed.next();
            }
            let is_newer = match (recent_key, &indexed_key) {
                (None, None) => break,
                (Some(recent_key), Some(indexed_key)) => recent_key <= indexed_key,
                (recent_key, _) => recent_key.is_some(),
            };
            let next = if is_newer {
                recent.next().map(|(key, slot)| (key.clone(), slot.clone()))
            } else {
                indexed.next().transpose().map_err(index_error)?
            };
            let Some((key, slot)) = next else { break };
            if let Some(value) = slot.value {
                found.push(Entry { key, value, version: slot.version });
            }
        }
        Ok(found)
    }
}

/// Returns the entry of a key in the index.
pub(crate) fn indexed_slot(index: &dyn Index, table: u32, key: &[u8]) -> io::Result<Option<Slot>> {
    index.get(&index::entry_key(table, key))?.map(|stored| slot(&stored)).transpose()
}

/// Decodes a table entry of the index.
fn slot(stored: &Bytes) -> io::Result<Slot> {
    let index::StoredEntry { version, file, value } =
        index::StoredEntry::decode(stored).ok_or_else(index::corrupt)?;
    Ok(Slot { version: Version(version), file, value: Some(value) })
}

/// Decodes a block of extents of the index, with its start.
pub(crate) fn block((key, value): &index::IndexEntry) -> io::Result<(u64, Vec<Extent>)> {
    let start = key.last_chunk::<8>().map(|start| u64::from_be_bytes(*start)).ok_or_else(index::corrupt)?;
    let extents = index::unpack(start, value).ok_or_else(index::corrupt)?;
    Ok((start, extents))
}
