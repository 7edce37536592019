//! A transaction in the spool: a part in a file, the rest in memory.

use super::folder::SpoolFolder;
use super::record::{self, Header, Parsed, Record};
use super::subtransactions::{Beginning, Subtransactions};
use crate::postgres::streamed::StreamedMessage;
use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::Bytes;
use std::collections::HashMap;

/// The size of a read in bytes.
const READ_BYTES: usize = 256 << 10;
/// The size in bytes above which a message is written past the buffer.
const LARGE_BYTES: usize = 128 << 10;

/// A transaction.
#[derive(Debug)]
pub(crate) struct SpooledTransaction {
    pub(super) xid: u32,
    /// The log position of its first block.
    pub(crate) first_lsn: u64,
    /// The size of the valid part of the file, in bytes.
    file_length: u64,
    /// Whether something was written to the file.
    has_file: bool,
    /// What follows it.
    buffer: Vec<u8>,
    subtransactions: Subtransactions,
    /// The tables that are described, with the number of the last description.
    pub(crate) relations: HashMap<u32, u64>,
}

impl SpooledTransaction {
    pub(super) fn new(xid: u32, first_lsn: u64) -> Self {
        Self {
            xid,
            first_lsn,
            file_length: 0,
            has_file: false,
            buffer: Vec::new(),
            subtransactions: Subtransactions::default(),
            relations: HashMap::new(),
        }
    }

    /// Returns the size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.file_length + self.buffer.len() as u64
    }

    /// Returns the size of what is not written yet, in bytes.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the memory of the buffer in bytes.
    pub(super) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns whether there may be a file.
    pub(super) fn has_file(&self) -> bool {
        self.has_file
    }

    fn number(&self, subxid: u32) -> u32 {
        subxid.wrapping_sub(self.xid)
    }

    /// Adds a message.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) async fn push(
        &mut self,
        header: Header,
        message: &StreamedMessage<'_>,
        data: &Bytes,
        folder: &mut SpoolFolder,
    ) -> CdcResult<()> {
        self.subtransactions.note(self.number(header.subxid), self.length());
        self.buffer.extend_from_slice(&record::header(header, message.kind, message.body));
        if message.body.len() > LARGE_BYTES {
            return self.write(data.slice_ref(message.body), folder).await;
        }
        self.buffer.extend_from_slice(message.body);
        Ok(())
    }

    /// Writes what is in memory to the file, and returns the buffer's memory.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) async fn spill(&mut self, folder: &mut SpoolFolder) -> CdcResult<()> {
        if !self.buffer.is_empty() {
            self.write(Bytes::new(), folder).await?;
        }
        self.buffer = Vec::new();
        Ok(())
    }

    /// Writes what is in memory to the file, and what follows it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) async fn write(&mut self, rest: Bytes, folder: &mut SpoolFolder) -> CdcResult<()> {
        let length = self.length() + rest.len() as u64;
        let buffer = std::mem::take(&mut self.buffer);
        self.has_file = true;
        let (xid, written) = (self.xid, self.file_length);
        self.buffer = folder.append(xid, written, buffer, rest).await?;
        self.buffer.clear();
        self.file_length = length;
        Ok(())
    }

    /// Removes what a subtransaction has that was rolled back.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) async fn abort(&mut self, subxid: u32, folder: &SpoolFolder) -> CdcResult<()> {
        let number = self.number(subxid);
        let (offset, max_before) = match self.subtransactions.beginning(number) {
            Beginning::Nowhere => return Ok(()),
            Beginning::At { offset, max_before } => (offset, max_before),
            Beginning::Behind { offset, max_before } => self.find(number, offset, max_before, folder).await?,
        };
        self.subtransactions.truncate(offset, max_before);
        let kept = usize::try_from(offset.saturating_sub(self.file_length)).unwrap_or(usize::MAX);
        self.buffer.truncate(kept);
        // the rest of the file is overwritten
        self.file_length = self.file_length.min(offset);
        Ok(())
    }

    /// Returns the place of the first record with at least a number, from a place on, and the highest number
    /// before it.
    async fn find(
        &self,
        number: u32,
        offset: u64,
        mut max_before: u32,
        folder: &SpoolFolder,
    ) -> CdcResult<(u64, u32)> {
        let mut reader = SpoolReader::from(offset);
        loop {
            let place = reader.offset;
            let Some(record) = reader.next(self, folder).await? else { return Ok((place, max_before)) };
            let found = self.number(record.header.subxid);
            if found >= number {
                return Ok((place, max_before));
            }
            max_before = max_before.max(found);
        }
    }
}

/// Reads the records of a transaction in order.
#[derive(Debug, Default)]
pub(crate) struct SpoolReader {
    /// The place of the next record.
    offset: u64,
    /// What was read of the file.
    bytes: Vec<u8>,
    /// The part of it that was taken.
    taken: usize,
}

impl SpoolReader {
    /// Reads from a place on, where a record begins.
    fn from(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Returns the memory of a large message that was taken.
    pub(crate) fn release_large(&mut self) {
        if self.bytes.capacity() > 2 * READ_BYTES {
            self.bytes = self.bytes.get(self.taken..).unwrap_or_default().to_vec();
            self.taken = 0;
        }
    }

    /// Returns the next record; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk; `Unreachable` if the file is damaged, as the database sends the transaction again.
    pub(super) async fn next<'a>(
        &'a mut self,
        transaction: &'a SpooledTransaction,
        folder: &SpoolFolder,
    ) -> CdcResult<Option<Record<'a>>> {
        let damaged = || {
            let what = format!("the spool of transaction {} is damaged: it is read again", transaction.xid);
            CdcError::new(CdcErrorKind::Unreachable, what)
        };
        if let Some(start) = self.offset.checked_sub(transaction.file_length) {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let rest = transaction.buffer.get(start..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            return match record::parse(rest) {
                Parsed::Whole(header, size) => {
                    self.offset += size as u64;
                    Ok(Some(Record { header, message: record::message(rest, size) }))
                }
                _ => Err(damaged()),
            };
        }
        loop {
            let needed = match record::parse(self.bytes.get(self.taken..).unwrap_or_default()) {
                Parsed::Whole(header, size) => {
                    let start = self.taken;
                    self.taken += size;
                    self.offset += size as u64;
                    let bytes = self.bytes.get(start..).unwrap_or_default();
                    return Ok(Some(Record { header, message: record::message(bytes, size) }));
                }
                Parsed::Incomplete(needed) => needed,
                Parsed::Damaged => return Err(damaged()),
            };
            self.bytes.drain(..self.taken);
            self.taken = 0;
            let place = self.offset + self.bytes.len() as u64;
            let left = usize::try_from(transaction.file_length.saturating_sub(place)).unwrap_or(usize::MAX);
            let (max, length) = (needed.max(READ_BYTES).min(left), self.bytes.len());
            let buffer = std::mem::take(&mut self.bytes);
            self.bytes = folder.read(transaction.xid, place, max, buffer).await?;
            if self.bytes.len() == length {
                return Err(damaged());
            }
        }
    }
}
