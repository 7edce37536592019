//! The tails of many streams at one moment. Pravega reads the tail of one segment at a time, so all are read
//! twice: if none has moved, and the journal has neither an unfinished block nor a new one, they were as read
//! at the moment between the two rounds. Commits without the journal are of one segment, so that no moment is
//! within one.

use crate::client::PravegaClient;
use futures::future::join_all;
use kulya_store::{ErrorKind, Result, SegmentInfo, StreamId, Tails};
use std::time::Duration;
use tokio::time::Instant;

/// The maximum number of attempts while somebody writes.
const MAX_ATTEMPTS: u32 = 5;
/// The pause after the first attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

impl PravegaClient {
    /// Returns the segments of each stream, at one moment if nobody writes long enough.
    pub(crate) async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        let mut settled = match self.settled_offset().await {
            // without permission for the journal nothing is known of commits in progress
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                let streams = self.read_tails(streams).await?;
                let exact = streams.iter().map(Vec::len).sum::<usize>() <= 1;
                return Ok(Tails { streams, exact });
            }
            settled => settled?,
        };
        // the call must return before its timeout, whatever the time that the last attempt takes
        let (end, mut pause) = (Instant::now() + self.timeout / 4, FIRST_PAUSE);
        let mut attempt = 1;
        loop {
            let first = self.read_tails(streams).await?;
            // one segment has one tail, and a commit is appended to it as a whole
            if first.iter().map(Vec::len).sum::<usize>() <= 1 {
                return Ok(Tails { streams: first, exact: true });
            }
            let second = self.read_tails(streams).await?;
            let settled_before = std::mem::replace(&mut settled, self.settled_offset().await?);
            let exact = first == second && settled.is_some() && settled == settled_before;
            if exact || attempt == MAX_ATTEMPTS || Instant::now() >= end {
                return Ok(Tails { streams: second, exact });
            }
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    /// Brings the state up to the end of the journal, and returns this end; `None` when the last block is not
    /// published yet.
    async fn settled_offset(&self) -> Result<Option<u64>> {
        self.sync().await?;
        Ok(self.with_state(|state| (state.applied == state.published).then_some(state.applied)))
    }

    /// Reads the tails of all segments concurrently. The error is that of the first stream that has one.
    async fn read_tails(&self, streams: &[StreamId]) -> Result<Vec<Vec<SegmentInfo>>> {
        let found = join_all(streams.iter().map(|stream| self.segment_infos(stream))).await;
        let found = found.into_iter().collect::<Result<Vec<_>>>()?;
        Tails::check_count(found.iter().map(Vec::len).sum())?;
        Ok(found)
    }
}
