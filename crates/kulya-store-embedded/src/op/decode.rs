//! Decodes ops.

use super::{Op, SegmentKey};
use kulya_store::Retention;
use std::time::Duration;

/// Decodes the ops of a frame body, one by one.
pub(crate) struct OpReader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> OpReader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// Decodes the next op. Returns it with the position of its events in the body; `None` at the end.
    ///
    /// # Errors
    /// The body cannot be decoded.
    pub(crate) fn next(&mut self) -> Result<Option<(Op<'a>, usize)>, ()> {
        if self.at == self.body.len() {
            return Ok(None);
        }
        self.op().map(Some).ok_or(())
    }

    fn op(&mut self) -> Option<(Op<'a>, usize)> {
        let op = match self.take(1)?[0] {
            1 => Op::CreateScope { name: self.name()? },
            2 => Op::CreateStream {
                id: self.u32()?,
                segments: self.u32()?,
                epoch: self.u32()?,
                retention: self.retention()?,
                scope: self.name()?,
                name: self.name()?,
            },
            3 => Op::CreateTable { id: self.u32()?, scope: self.name()?, name: self.name()? },
            4 => Op::Append {
                segment: self.segment()?,
                start: self.u64()?,
                time: self.u64()?,
                checksum: self.u32()?,
                events: self.bytes()?,
            },
            5 => {
                Op::Put { table: self.u32()?, version: self.u64()?, key: self.bytes()?, value: self.bytes()? }
            }
            6 => Op::Remove { table: self.u32()?, version: self.u64()?, key: self.bytes()? },
            7 => Op::Stage {
                transaction: self.u64()?,
                segment: self.segment()?,
                offset: self.u64()?,
                checksum: self.u32()?,
                events: self.bytes()?,
            },
            8 => Op::CommitStaged {
                transaction: self.u64()?,
                version: self.u64()?,
                changes: self.u32()?,
                time: self.u64()?,
                // collecting options allocates no more than the body provides
                starts: (0..self.u32()?)
                    .map(|_| Some((self.segment()?, self.u64()?)))
                    .collect::<Option<_>>()?,
            },
            9 => Op::AbortStaged { transaction: self.u64()? },
            10 => Op::DeleteScope { name: self.name()? },
            11 => Op::SealStream { id: self.u32()? },
            12 => Op::DeleteStream { id: self.u32()? },
            13 => Op::Truncate { segment: self.segment()?, offset: self.u64()? },
            14 => Op::DeleteTable { id: self.u32()? },
            15 => Op::WriterMark { writer: self.u128()?, event_number: self.u64()? },
            16 => Op::ReserveTransactions { up_to: self.u64()? },
            17 => Op::UpdateStream { id: self.u32()?, retention: self.retention()? },
            18 => Op::DeletedEpoch { epoch: self.u32()?, scope: self.name()?, name: self.name()? },
            19 => Op::Outcome { transaction: self.u64()?, version: self.u64()?, changes: self.u32()? },
            21 => Op::LostEvents {
                segment: self.segment()?,
                start: self.u64()?,
                time: self.u64()?,
                length: self.u32()?,
            },
            20 => self.footer()?,
            22 => match self.footer()? {
                Op::Footer {
                    frames,
                    sequence,
                    version,
                    last_transaction,
                    next_stream,
                    next_table,
                    time,
                    ..
                } => {
                    let log_end = Some((self.u32()?, self.u64()?));
                    Op::Footer {
                        frames,
                        sequence,
                        log_end,
                        version,
                        last_transaction,
                        next_stream,
                        next_table,
                        time,
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        let events = match &op {
            Op::Append { events, .. } | Op::Stage { events, .. } => events.len(),
            _ => 0,
        };
        Some((op, self.at - events))
    }

    fn footer(&mut self) -> Option<Op<'a>> {
        Some(Op::Footer {
            frames: self.u32()?,
            sequence: self.u64()?,
            log_end: None,
            version: self.u64()?,
            last_transaction: self.u64()?,
            next_stream: self.u32()?,
            next_table: self.u32()?,
            time: self.u64()?,
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.body.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take(16)?.try_into().ok().map(u128::from_be_bytes)
    }

    fn name(&mut self) -> Option<&'a str> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        std::str::from_utf8(self.take(usize::from(length))?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn retention(&mut self) -> Option<Retention> {
        let mut limit = || self.u64().map(|limit| (limit != u64::MAX).then_some(limit));
        Some(Retention { age: limit()?.map(Duration::from_millis), bytes: limit()? })
    }

    fn segment(&mut self) -> Option<SegmentKey> {
        Some(SegmentKey { stream: self.u32()?, number: self.u32()? })
    }
}
