//! A writer of one segment. The server remembers each writer's last event number and stores nothing whose
//! number is not higher, so that a batch is written once whatever fails.

use crate::connection::{Connection, ConnectionLost, unreachable};
use crate::controller::Access;
use crate::segments::{ConnectionPurpose, RetryPolicy, Segments, no_host, unexpected_reply};
use crate::wire::{Command, NO_EVENT_NUMBER, Reply};
use bytes::Bytes;
use kulya_store::{Result, SegmentId};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A batch of events with its event number.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The event number: increases from batch to batch of a writer.
    pub(crate) number: i64,
    /// The number of events.
    pub(crate) count: u32,
    pub(crate) frames: Bytes,
    /// The offset at which the segment must end for the append to succeed.
    pub(crate) expected_offset: Option<u64>,
}

/// The outcome of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendOutcome {
    /// The offset of the batch.
    At(u64),
    /// The batch was stored before; its offset is unknown.
    AlreadyStored,
    /// The segment does not end at the expected offset.
    OffsetMismatch,
}

/// A writer of a segment. Appends one batch at a time.
pub(crate) struct Appender {
    segment: SegmentId,
    writer: u128,
    session: Mutex<Option<WriterSession>>,
}

struct WriterSession {
    connection: Arc<Connection>,
    last_number: i64,
}

impl Appender {
    /// Creates the writer of a process: every process that writes on behalf of `process` gets the same
    /// writer.
    pub(crate) fn new(segment: SegmentId, process: u128) -> Self {
        let writer = writer_id(process, &segment.to_string());
        Self { segment, writer, session: Mutex::new(None) }
    }

    /// Appends a batch exactly once, across lost connections.
    ///
    /// # Errors
    /// `Sealed` or `NotFound`: the batch was not written. After any other error the outcome is unknown, and
    /// the same batch may be appended again.
    pub(crate) async fn append(&self, segments: &Segments, batch: &Batch) -> Result<AppendOutcome> {
        let mut session = self.session.lock().await;
        let mut retry = segments.retry_policy();
        loop {
            let mut current = match session.take() {
                Some(current) if current.connection.is_open() => current,
                _ => self.set_up_append(segments, &mut retry).await?,
            };
            if batch.number <= current.last_number {
                *session = Some(current);
                return Ok(AppendOutcome::AlreadyStored);
            }
            let (writer, number, frames) = (self.writer, batch.number, batch.frames.clone());
            let command = match batch.expected_offset {
                Some(offset) => Command::AppendAt { writer, number, offset, frames },
                None => Command::Append { writer, number, count: batch.count, frames },
            };
            match current.connection.call(&command).await {
                Ok(Reply::Appended { tail }) => {
                    segments.record_tail(&self.segment, tail);
                    current.last_number = number;
                    *session = Some(current);
                    let length = batch.frames.len() as u64;
                    return Ok(batch
                        .expected_offset
                        .or_else(|| tail.checked_sub(length))
                        .map_or(AppendOutcome::AlreadyStored, AppendOutcome::At));
                }
                Ok(Reply::OffsetMismatch) => {
                    *session = Some(current);
                    return Ok(AppendOutcome::OffsetMismatch);
                }
                Ok(Reply::WrongHost) => {
                    segments.invalidate_host(&self.segment);
                    retry.backoff(|| no_host(&self.segment)).await?;
                }
                // another process finishes our block, or is about to: set up again and look
                Ok(Reply::InvalidEventNumber) => {
                    current.connection.close();
                    retry.backoff(|| no_host(&self.segment)).await?;
                }
                Ok(other) => return Err(unexpected_reply(&self.segment, other)),
                Err(ConnectionLost) => retry.backoff(|| unreachable(current.connection.host())).await?,
            }
        }
    }

    /// Connects to the segment's host and reads the writer's last number.
    async fn set_up_append(&self, segments: &Segments, retry: &mut RetryPolicy) -> Result<WriterSession> {
        loop {
            let connection = segments.connection(&self.segment, ConnectionPurpose::Append).await?;
            let (name, token) = segments.name_and_token(&self.segment, Access::ReadWrite).await?;
            let command = Command::SetupAppend { writer: self.writer, segment: &name, token: &token };
            match connection.call(&command).await {
                Ok(Reply::AppendSetup { last_number }) => {
                    return Ok(WriterSession { connection, last_number });
                }
                Ok(Reply::WrongHost) => {
                    segments.invalidate_host(&self.segment);
                    retry.backoff(|| no_host(&self.segment)).await?;
                }
                // another process wrote as this writer meanwhile: look again
                Ok(Reply::InvalidEventNumber) => {
                    connection.close();
                    retry.backoff(|| no_host(&self.segment)).await?;
                }
                Ok(other) => return Err(unexpected_reply(&self.segment, other)),
                Err(ConnectionLost) => retry.backoff(|| unreachable(connection.host())).await?,
            }
        }
    }

    /// Returns the writer's last event number on this segment; 0 before its first.
    pub(crate) async fn last_number(&self, segments: &Segments) -> Result<i64> {
        let mut session = self.session.lock().await;
        let current = match session.take() {
            Some(current) => current,
            None => self.set_up_append(segments, &mut segments.retry_policy()).await?,
        };
        let last_number = session.insert(current).last_number;
        Ok(if last_number == NO_EVENT_NUMBER { 0 } else { last_number })
    }
}

/// Returns the id of a process's writer on a segment. A server distinguishes the segments of one connection's
/// appends by their writers alone, so each segment has its own. FNV-1a over both; the result is stored in
/// Pravega and must never change.
fn writer_id(process: u128, segment: &str) -> u128 {
    let bytes = process.to_be_bytes().into_iter().chain(segment.bytes());
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_id_differs_by_segment_and_never_changes() {
        let writers =
            [writer_id(7, "s/t/0.#epoch.0"), writer_id(7, "s/t/1.#epoch.0"), writer_id(6, "s/t/0.#epoch.0")];
        assert!(writers[0] != writers[1] && writers[0] != writers[2] && writers[1] != writers[2]);
        assert_eq!(writers[0], 0xd660_5bd7_e318_4ab0_302a_bb6c_b963_0279);
    }
}
