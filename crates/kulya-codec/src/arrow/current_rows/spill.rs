//! Rows beyond the memory of a table: they are written to a target outside, by partitions of their keys, and
//! then the later changes of these keys too. In the end each partition is read again into a table of its own.

use super::changes::{Change, ChangeKind};
use super::row_table::RowTable;
use crate::CodecResult;
use async_trait::async_trait;
use bytes::Bytes;

/// The number of partitions. One of them must fit in memory in the end.
pub(super) const PARTITIONS: usize = 64;
/// The size of a partition's changes, in bytes, from which they are written.
const PIECE_BYTES: usize = 64 << 10;

/// Where the rows of a table go that do not fit in memory.
#[async_trait]
pub trait SpillTarget: Send {
    /// Writes the next piece of a partition.
    ///
    /// # Errors
    /// When the target is full or fails.
    async fn write(&mut self, partition: usize, piece: Bytes) -> CodecResult<()>;

    /// Reads the next piece of a partition, in the order in which they were written; `None` after the last.
    ///
    /// # Errors
    /// When the target fails.
    async fn read(&mut self, partition: usize) -> CodecResult<Option<Bytes>>;
}

/// The partitions that were spilled.
pub(super) struct Spill {
    target: Box<dyn SpillTarget>,
    /// For each partition the changes that are not written yet, if it was spilled.
    pending: Vec<Option<Vec<u8>>>,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spill({} partitions)", self.pending.iter().flatten().count())
    }
}

/// Returns the partition of a key by bits of its hash that the index of a table uses least.
fn partition(hash: u64) -> usize {
    (hash >> 20) as usize % PARTITIONS
}

impl Spill {
    pub(super) fn new(target: Box<dyn SpillTarget>) -> Self {
        Self { target, pending: vec![None; PARTITIONS] }
    }

    /// Takes a change of a spilled key, and returns whether it is one.
    pub(super) fn take(&mut self, hash: u64, change: &Change<'_>) -> bool {
        if change.kind == ChangeKind::Clear {
            self.pending.iter_mut().flatten().for_each(|pending| change.write(pending));
            return false;
        }
        match self.pending.get_mut(partition(hash)) {
            Some(Some(pending)) => {
                change.write(pending);
                true
            }
            _ => false,
        }
    }

    /// Returns the memory of changes that are not written yet, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.pending.iter().flatten().map(Vec::capacity).sum()
    }

    /// Writes the changes of partitions that have many of them; with `all`, those of all.
    pub(super) async fn write_pending(&mut self, all: bool) -> CodecResult<()> {
        let least = if all { 1 } else { PIECE_BYTES };
        for (partition, pending) in self.pending.iter_mut().enumerate() {
            if let Some(pending) = pending
                && pending.len() >= least
            {
                self.target.write(partition, Bytes::from(std::mem::take(pending))).await?;
            }
        }
        Ok(())
    }

    /// Spills half of the partitions that are in memory: `kind` is what makes a row again. Returns whether
    /// there were any.
    pub(super) async fn spill_half(&mut self, table: &mut RowTable, kind: ChangeKind) -> CodecResult<bool> {
        let in_memory = self.pending.iter().filter(|pending| pending.is_none()).count();
        if in_memory == 0 {
            return Ok(false);
        }
        let spilled = self.pending.iter_mut().filter(|pending| pending.is_none()).take(in_memory.div_ceil(2));
        spilled.for_each(|pending| *pending = Some(Vec::new()));
        let mut rows = table.drain();
        loop {
            let row = rows.next(|key, value| {
                let change = Change { kind, key, value, unchanged: &[] };
                if !self.take(table.hash(key), &change) {
                    table.put(key, value);
                }
                self.memory_bytes()
            });
            match row {
                Some(bytes) if bytes > PARTITIONS * PIECE_BYTES => self.write_pending(true).await?,
                Some(_) => {}
                None => break,
            }
        }
        self.write_pending(true).await?;
        Ok(true)
    }

    /// Returns the next spilled partition, which then is not one any more.
    pub(super) fn take_partition(&mut self) -> Option<usize> {
        let partition = self.pending.iter().position(Option::is_some)?;
        self.pending.get_mut(partition).map(Option::take)?;
        Some(partition)
    }

    pub(super) async fn read(&mut self, partition: usize) -> CodecResult<Option<Bytes>> {
        self.target.read(partition).await
    }
}
