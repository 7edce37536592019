//! One writer at the end of one segment. The server keeps each writer's last number and stores nothing whose number is
//! not above it, so whatever breaks, a batch is written once.

use crate::connection::{Connection, Lost, unreachable};
use crate::controller::Access;
use crate::segments::{Lane, Search, Segments, homeless, refused};
use crate::wire::{Command, NO_EVENT_NUMBER, Reply};
use bytes::Bytes;
use kulya_store::{Result, SegmentId};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A batch, and under which number it is known.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Rises from batch to batch of a writer.
    pub(crate) number: i64,
    /// How many events these are.
    pub(crate) count: u32,
    pub(crate) frames: Bytes,
    /// Where the segment must end for this to be written.
    pub(crate) at: Option<u64>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It begins here.
    At(u64),
    /// It was stored before, and nobody remembers where.
    Before,
    /// The segment does not end where it should.
    Moved,
}

/// A writer on a segment. One batch is on its way at a time.
pub(crate) struct Appender {
    segment: SegmentId,
    writer: u128,
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Arc<Connection>,
    last: i64,
}

impl Appender {
    /// `process` is who writes; every process that writes in its name makes the same writer of it.
    pub(crate) fn new(segment: SegmentId, process: u128) -> Self {
        let writer = writer_on(process, &segment.to_string());
        Self { segment, writer, open: Mutex::new(None) }
    }

    /// Writes a batch, once, however often the connection breaks on the way. An error that is not `Sealed` or `NotFound`
    /// leaves open whether it was written: the same batch may be given again.
    pub(crate) async fn append(&self, segments: &Segments, batch: &Batch) -> Result<Appended> {
        let mut open = self.open.lock().await;
        let mut search = segments.search();
        loop {
            let mut ready = match open.take() {
                Some(ready) if ready.connection.is_alive() => ready,
                _ => self.set_up(segments, &mut search).await?,
            };
            if batch.number <= ready.last {
                *open = Some(ready);
                return Ok(Appended::Before);
            }
            let (writer, number, frames) = (self.writer, batch.number, batch.frames.clone());
            let command = match batch.at {
                Some(offset) => Command::AppendAt { writer, number, offset, frames },
                None => Command::Append { writer, number, count: batch.count, frames },
            };
            match ready.connection.call(&command).await {
                Ok(Reply::Appended { tail }) => {
                    segments.saw_tail(&self.segment, tail);
                    ready.last = number;
                    *open = Some(ready);
                    let length = batch.frames.len() as u64;
                    return Ok(batch
                        .at
                        .or_else(|| tail.checked_sub(length))
                        .map_or(Appended::Before, Appended::At));
                }
                Ok(Reply::Moved) => {
                    *open = Some(ready);
                    return Ok(Appended::Moved);
                }
                Ok(Reply::WrongHost) => {
                    segments.forget_host(&self.segment);
                    search.wait(|| homeless(&self.segment)).await?;
                }
                // somebody has finished our work, or is about to: set up again and see
                Ok(Reply::InvalidEventNumber) => {
                    ready.connection.give_up();
                    search.wait(|| homeless(&self.segment)).await?;
                }
                Ok(other) => return Err(refused(&self.segment, other)),
                Err(Lost) => search.wait(|| unreachable(ready.connection.host())).await?,
            }
        }
    }

    /// Learns the writer's last number, wherever the segment is.
    async fn set_up(&self, segments: &Segments, search: &mut Search) -> Result<Open> {
        loop {
            let connection = segments.connection(&self.segment, Lane::Append).await?;
            let (name, token) = segments.name_and_token(&self.segment, Access::ReadWrite).await?;
            let command = Command::SetupAppend { writer: self.writer, segment: &name, token: &token };
            match connection.call(&command).await {
                Ok(Reply::AppendSetup { last_number }) => return Ok(Open { connection, last: last_number }),
                Ok(Reply::WrongHost) => {
                    segments.forget_host(&self.segment);
                    search.wait(|| homeless(&self.segment)).await?;
                }
                // another process wrote under our name while the server looked: look again
                Ok(Reply::InvalidEventNumber) => {
                    connection.give_up();
                    search.wait(|| homeless(&self.segment)).await?;
                }
                Ok(other) => return Err(refused(&self.segment, other)),
                Err(Lost) => search.wait(|| unreachable(connection.host())).await?,
            }
        }
    }

    /// The writer's last number on this segment; 0 before its first.
    pub(crate) async fn last_number(&self, segments: &Segments) -> Result<i64> {
        let mut open = self.open.lock().await;
        let ready = match open.take() {
            Some(ready) => ready,
            None => self.set_up(segments, &mut segments.search()).await?,
        };
        let last = open.insert(ready).last;
        Ok(if last == NO_EVENT_NUMBER { 0 } else { last })
    }
}

/// A process's writer on a segment: a server tells the segments of one connection's appends apart by their writers alone,
/// so each segment has another. FNV-1a over the two; the result stands in Pravega and must never change.
fn writer_on(process: u128, segment: &str) -> u128 {
    let bytes = process.to_be_bytes().into_iter().chain(segment.bytes());
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_another_on_each_segment_and_never_changes() {
        let writers =
            [writer_on(7, "s/t/0.#epoch.0"), writer_on(7, "s/t/1.#epoch.0"), writer_on(6, "s/t/0.#epoch.0")];
        assert!(writers[0] != writers[1] && writers[0] != writers[2] && writers[1] != writers[2]);
        assert_eq!(writers[0], 0xd660_5bd7_e318_4ab0_302a_bb6c_b963_0279);
    }
}
