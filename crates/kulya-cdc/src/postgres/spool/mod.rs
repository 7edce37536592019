//! The spool of transactions that have not ended.
//!
//! PostgreSQL sends a large transaction in blocks before it is committed, between those of others. What
//! arrives stays in a file for each transaction, and in bounded memory, until the commit arrives: then its
//! messages are read again in their order, without those of subtransactions that were rolled back. What only
//! the spool has is not stored: when the connection ends the spool is removed, and the database sends these
//! transactions again from their beginning.

mod folder;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod record;
mod subtransactions;
mod transaction;

pub(crate) use record::{Header, Record};
pub(crate) use transaction::{SpoolReader, SpooledTransaction};

use super::streamed::{self, StreamCommit, StreamControl};
use crate::{CdcError, CdcResult};
use bytes::Bytes;
use folder::SpoolFolder;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The maximum number of open transactions: that of a server's backend processes and prepared transactions.
const MAX_TRANSACTIONS: usize = 1 << 19;
/// The part of the memory that a transaction's buffer may take before it is written.
const BUFFERS: usize = 16;

/// The transactions that have not ended.
pub(crate) struct Spool {
    folder: SpoolFolder,
    open: HashMap<u32, SpooledTransaction>,
    /// The number of transactions that have ended and are not removed.
    ended: u64,
    /// The transaction whose block is being received.
    block: Option<u32>,
    /// The size of that transaction before the block, in bytes.
    length_before_block: u64,
    /// The number of descriptions of tables that have arrived, in blocks and outside of them.
    descriptions: u64,
    /// The memory of all buffers in bytes.
    memory: usize,
    max_memory: usize,
    /// The size of the transactions in bytes, without the block that is being received.
    length: u64,
}

/// What the spool has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SpoolSize {
    /// The number of transactions.
    pub(crate) transactions: u64,
    /// Their size in bytes, in memory and on disk.
    pub(crate) bytes: u64,
}

/// Where a message of a block comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// The log position of the message.
    pub(crate) lsn: u64,
    /// The whole length, if only the beginning of the message was kept.
    pub(crate) cut_from: Option<usize>,
}

impl Spool {
    /// Opens a folder, which is created when the memory of `max_memory` bytes is not enough. `has_failed` is
    /// set when the folder cannot be used.
    ///
    /// # Errors
    /// `Busy` if another process uses the folder; `Unreachable` if it cannot be read.
    pub(crate) fn open(path: PathBuf, max_memory: usize, has_failed: Arc<AtomicBool>) -> CdcResult<Self> {
        Ok(Self {
            folder: SpoolFolder::open(path, has_failed)?,
            open: HashMap::new(),
            ended: 0,
            block: None,
            length_before_block: 0,
            descriptions: 0,
            memory: 0,
            max_memory,
            length: 0,
        })
    }

    /// Returns whether the messages that arrive are those of a block.
    pub(crate) fn is_in_block(&self) -> bool {
        self.block.is_some()
    }

    /// Returns the number of a table's description that arrives outside of blocks.
    pub(crate) fn count_description(&mut self) -> u64 {
        self.descriptions += 1;
        self.descriptions
    }

    /// Returns what the spool has.
    pub(crate) fn size(&self) -> SpoolSize {
        SpoolSize { transactions: self.open.len() as u64 + self.ended, bytes: self.length }
    }

    /// Handles the start or stop of a block, or the end of a transaction. Returns a transaction that was
    /// committed; [`remove`](Self::remove) removes it.
    ///
    /// # Errors
    /// `Source` if the message cannot follow what has arrived; those of the disk.
    pub(crate) async fn on_control(
        &mut self,
        control: StreamControl,
        lsn: u64,
    ) -> CdcResult<Option<(StreamCommit, SpooledTransaction)>> {
        match (control, self.block) {
            (StreamControl::Start { xid, is_first }, None) => self.start(xid, is_first, lsn)?,
            (StreamControl::Stop, Some(xid)) => {
                self.block = None;
                let length = self.open.get(&xid).map_or(0, SpooledTransaction::length);
                self.length += length.saturating_sub(self.length_before_block);
                self.shrink(xid).await?;
            }
            (StreamControl::Commit(commit), None) => {
                let found = self.open.remove(&commit.xid).ok_or_else(|| unknown(commit.xid))?;
                self.ended += 1;
                return Ok(Some((commit, found)));
            }
            (StreamControl::Abort { xid, subxid }, None) => self.abort(xid, subxid).await?,
            (StreamControl::Stop, None) => return Err(misplaced("ends a block that has not begun")),
            (_, Some(_)) => return Err(misplaced("has a block within a block")),
        }
        Ok(None)
    }

    fn start(&mut self, xid: u32, is_first: bool, lsn: u64) -> CdcResult<()> {
        let is_full = self.open.len() >= MAX_TRANSACTIONS;
        match self.open.entry(xid) {
            Entry::Vacant(entry) if is_first && !is_full => {
                entry.insert(SpooledTransaction::new(xid, lsn));
            }
            Entry::Occupied(_) if !is_first => {}
            Entry::Vacant(_) if !is_first => return Err(unknown(xid)),
            Entry::Vacant(_) => return Err(misplaced("has too many open transactions")),
            Entry::Occupied(_) => return Err(misplaced("begins a transaction twice")),
        }
        self.block = Some(xid);
        self.length_before_block = self.open.get(&xid).map_or(0, SpooledTransaction::length);
        Ok(())
    }

    /// Adds a message of the current block.
    ///
    /// # Errors
    /// `Source` for malformed bytes; those of the disk.
    pub(crate) async fn push(&mut self, data: &Bytes, arrival: Arrival) -> CdcResult<()> {
        if streamed::is_ignored(data) {
            return Ok(());
        }
        let message = streamed::split(data).ok_or_else(|| misplaced("has a block with another message"))?;
        let open = self.block.and_then(|xid| self.open.get_mut(&xid));
        let Some(transaction) = open else { return Err(misplaced("has a message outside of a block")) };
        if let Some(relation) = message.described_relation() {
            self.descriptions += 1;
            transaction.relations.insert(relation, self.descriptions);
        }
        // outside of a block the message would be shorter by the id
        let cut_from = arrival.cut_from.map(|length| length.saturating_sub(size_of::<u32>()));
        let cut_from = cut_from.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let header = Header { subxid: message.subxid, lsn: arrival.lsn, cut_from };
        let before = transaction.memory();
        transaction.push(header, &message, data, &mut self.folder).await?;
        if transaction.buffered() >= self.max_memory / BUFFERS {
            transaction.write(Bytes::new(), &mut self.folder).await?;
        }
        self.memory = self.memory.saturating_sub(before) + transaction.memory();
        Ok(())
    }

    /// Writes buffers to the disk, the largest first, until the memory is at most the maximum.
    async fn shrink(&mut self, current: u32) -> CdcResult<()> {
        while self.memory > self.max_memory {
            let largest = self.open.values_mut().max_by_key(|open| (open.memory(), open.xid == current));
            let Some(largest) = largest.filter(|largest| largest.memory() > 0) else { break };
            self.memory = self.memory.saturating_sub(largest.memory());
            largest.spill(&mut self.folder).await?;
        }
        Ok(())
    }

    async fn abort(&mut self, xid: u32, subxid: u32) -> CdcResult<()> {
        // nothing was published of a transaction that is not known
        let Some(transaction) = self.open.get_mut(&xid) else { return Ok(()) };
        if xid != subxid {
            let before = transaction.length();
            transaction.abort(subxid, &self.folder).await?;
            self.length = self.length.saturating_sub(before - transaction.length());
            return Ok(());
        }
        let Some(aborted) = self.open.remove(&xid) else { return Ok(()) };
        self.ended += 1;
        self.remove(aborted).await
    }

    /// Returns the next record of a transaction that was committed; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) async fn next<'a>(
        &self,
        reader: &'a mut SpoolReader,
        transaction: &'a SpooledTransaction,
    ) -> CdcResult<Option<Record<'a>>> {
        reader.next(transaction, &self.folder).await
    }

    /// Removes a transaction that was committed.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) async fn remove(&mut self, transaction: SpooledTransaction) -> CdcResult<()> {
        self.ended = self.ended.saturating_sub(1);
        self.length = self.length.saturating_sub(transaction.length());
        self.memory = self.memory.saturating_sub(transaction.memory());
        if transaction.has_file() { self.folder.remove(transaction.xid).await } else { Ok(()) }
    }
}

fn misplaced(what: &str) -> CdcError {
    CdcError::source(format!("the log {what}"))
}

fn unknown(xid: u32) -> CdcError {
    misplaced(&format!("goes on with transaction {xid}, which has not begun"))
}

#[cfg(test)]
mod tests;
