//! Log objects, and the objects that close blocks of log numbers.

use super::client::{Bucket, FIRST_READ_BYTES, LIST_TIMEOUT, PutOutcome, parse_number, with_timeout};
use super::error::{corrupt, missing, unreachable};
use crate::object::{Header, Kind};
use crate::record::{Author, Log, TombstoneHead};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{ObjectStore, PutPayload};

/// The object at a number of the log.
pub(crate) enum LogEntry {
    Missing,
    Log(Box<LogObject>),
    /// It was reclaimed, when this checkpoint existed: only in format 1.
    Tombstone {
        checkpoint: u64,
        author: Author,
    },
}

/// A log object without its events.
pub(crate) struct LogObject {
    pub(crate) log: Log,
    pub(crate) header: Header,
    /// The first bytes of the object, as many as the request returned.
    pub(crate) head_bytes: Bytes,
}

impl Bucket {
    pub(super) fn log_path(&self, number: u64) -> Path {
        self.path(&format!("log/{number:020}"))
    }

    pub(super) fn closed_path(&self, number: u64) -> Path {
        self.path(&format!("closed/{:020}", number / self.block_size()))
    }

    /// Reads the head of the log object with this number.
    pub(crate) async fn read_log(&self, number: u64) -> Result<LogEntry> {
        let path = self.log_path(number);
        let Some((mut head_bytes, size)) = self.get(&path, Some(0..FIRST_READ_BYTES)).await? else {
            return Ok(LogEntry::Missing);
        };
        let corrupt = |what: String| corrupt(&path, what);
        let header = Header::parse(&head_bytes).map_err(corrupt)?;
        let kind = if header.kind == Kind::Tombstone { Kind::Tombstone } else { Kind::Log };
        header.check(kind, number, size).map_err(corrupt)?;
        if header.events_offset() > head_bytes.len() as u64 {
            let Some((whole, _)) = self.get(&path, Some(0..header.events_offset())).await? else {
                return Err(missing(&path));
            };
            // it may have been replaced by a tombstone in between
            if Header::parse(&whole).is_ok_and(|now| now != header) {
                return Box::pin(self.read_log(number)).await;
            }
            head_bytes = whole;
        }
        if kind == Kind::Tombstone {
            let tombstone: TombstoneHead = header.decode_head(number, &head_bytes).map_err(corrupt)?;
            return Ok(LogEntry::Tombstone { checkpoint: tombstone.checkpoint, author: tombstone.author() });
        }
        let log: Log = header.decode_head(number, &head_bytes).map_err(corrupt)?;
        let events = log.batches.iter().map(|batch| u64::from(batch.length)).sum();
        header.check_events_length(events, size).map_err(corrupt)?;
        Ok(LogEntry::Log(Box::new(LogObject { log, header, head_bytes })))
    }

    /// Puts the log object with this number, without retries, if none exists.
    pub(crate) async fn create_log(&self, number: u64, body: PutPayload) -> PutOutcome {
        self.create(&self.log_path(number), body).await
    }

    /// Deletes a log object.
    pub(crate) async fn delete_log(&self, number: u64) -> Result<()> {
        self.delete(vec![self.log_path(number)]).await
    }

    /// Closes the block of a log number: no number of it is ever used again.
    pub(crate) async fn close(&self, number: u64) -> Result<()> {
        self.create_with_retry(&self.closed_path(number), &Bytes::from_static(b"closed\n").into()).await
    }

    /// Returns whether the block of a log number is closed, so that its objects may be deleted.
    pub(crate) async fn is_closed(&self, number: u64) -> Result<bool> {
        Ok(self.get(&self.closed_path(number), None).await?.is_some())
    }

    /// Returns the number of a log object after this one, as far as a listing shows.
    pub(crate) async fn any_log_after(&self, number: u64) -> Result<Option<u64>> {
        let (directory, offset) = (self.path("log"), self.log_path(number));
        let list = async || {
            let mut found = self.store.list_with_offset(Some(&directory), &offset);
            while let Some(meta) = found.try_next().await? {
                let later = meta.location.filename().filter(|text| text.len() == 20).and_then(parse_number);
                if later.is_some_and(|later| later > number) {
                    return Ok(later);
                }
            }
            Ok(None)
        };
        self.retry(&directory, || with_timeout(LIST_TIMEOUT, list())).await
    }

    /// Returns the error for a log number that is reported to be used, but has no object.
    pub(crate) fn log_unreachable(&self, number: u64) -> Error {
        unreachable(&self.log_path(number), "is reported as being written")
    }

    /// Returns the error for an object that was put after its number had been deleted: it may have existed
    /// before.
    pub(crate) fn late_write_error(&self, number: u64) -> Error {
        let path = self.log_path(number);
        let what =
            format!("object {path} was written after its block was closed, so the outcome is unknown: retry");
        Error::new(ErrorKind::Unreachable, what)
    }

    /// Returns the error for a damaged log object.
    pub(crate) fn corrupt_log(&self, number: u64, what: String) -> Error {
        corrupt(&self.log_path(number), what)
    }

    /// Returns the error for a gap in the log.
    pub(crate) fn missing_log(&self, number: u64) -> Error {
        missing(&self.log_path(number))
    }
}
