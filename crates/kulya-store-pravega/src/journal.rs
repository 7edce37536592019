//! The journal: one segment that every process reads to its end before it appends to it. An append succeeds
//! only at the end that the writer has read, so all processes see the same blocks in the same order, and
//! nobody decides on stale state.
//!
//! The events of a block are appended to their segments before the next block is written. So at most the last
//! block is unfinished, and every process that reads the journal to its end finishes it: that is how a commit
//! survives a crash of its process.

use crate::appender::{AppendOutcome, Appender, Batch};
use crate::block::{Block, MAX_BLOCK_BYTES, Op, SegmentBatch, SnapshotChunk, corrupt_journal};
use crate::segments::Segments;
use crate::state::{BlockLocation, State};
use bytes::{Buf, Bytes, BytesMut};
use futures::future::join_all;
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The maximum number of bytes per read of the journal.
const READ_BYTES: u32 = 2 << 20;
/// The maximum number of cached segment writers.
const MAX_APPENDERS: usize = 4096;

/// One process's view of the journal. Only the committer modifies it.
pub(crate) struct Journal {
    segments: Arc<Segments>,
    segment: SegmentId,
    instance: u128,
    journal_appender: Appender,
    attempts: i64,
    /// Whether the outcome of the last append is unknown.
    is_outcome_unknown: bool,
    /// Segment writers by segment and process.
    appenders: HashMap<(SegmentId, u128), Arc<Appender>>,
    state: Arc<Mutex<State>>,
    /// The last block, while some of its events may not be in their segments.
    unfinished: Option<(BlockLocation, Block)>,
}

/// The result of publishing a batch of a block: its offset, or `None` when it was stored before.
pub(crate) type BatchResult = Result<Option<u64>>;

impl Journal {
    /// Loads the last checkpoint; `catch_up` reads the rest.
    pub(crate) async fn open(segments: Arc<Segments>, segment: SegmentId, instance: u128) -> Result<Self> {
        let mut journal = Self {
            journal_appender: Appender::new(segment.clone(), instance),
            attempts: 0,
            is_outcome_unknown: false,
            appenders: HashMap::new(),
            state: Arc::default(),
            unfinished: None,
            segments,
            segment,
            instance,
        };
        journal.restore().await?;
        Ok(journal)
    }

    /// Returns the state, shared with readers.
    pub(crate) fn state(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.state)
    }

    /// Calls a function with the state.
    pub(crate) fn with_state<T>(&self, update: impl FnOnce(&mut State) -> T) -> T {
        update(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(crate) fn segment(&self) -> &SegmentId {
        &self.segment
    }

    /// Returns the id of this process.
    pub(crate) fn instance(&self) -> u128 {
        self.instance
    }

    /// Loads the first complete checkpoint if the journal was truncated.
    async fn restore(&mut self) -> Result<()> {
        let head = self.segments.bounds(&self.segment).await?.head;
        if head == 0 {
            return Ok(());
        }
        let mut chunks: BTreeMap<u64, Vec<SnapshotChunk>> = BTreeMap::new();
        let mut reader = BlockReader::new(head);
        while let Some((location, block)) = reader.next(&self.segments, &self.segment).await? {
            for record in block.records {
                match record.op {
                    Some(Op::Snapshot(chunk)) => {
                        let chunks_at = chunks.entry(chunk.at).or_default();
                        // an interrupted attempt that was repeated counts from 0 again
                        chunks_at.truncate(chunk.number as usize);
                        chunks_at.push(chunk);
                    }
                    Some(Op::Checkpoint(checkpoint)) if checkpoint.at >= head => {
                        let complete = chunks.remove(&checkpoint.at).unwrap_or_default();
                        if complete.len() != checkpoint.chunks as usize {
                            return Err(corrupt_journal(location.offset));
                        }
                        let state = State::restore(&checkpoint, &complete)?;
                        self.with_state(|current| *current = state);
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }
        Err(corrupt_journal(head))
    }

    /// Reads to the end of the journal, and finishes what another process left unfinished there.
    pub(crate) async fn catch_up(&mut self) -> Result<()> {
        match self.read_to_end().await {
            // the journal was truncated beyond what this process has read
            Err(error) if error.kind() == ErrorKind::Truncated => {
                self.restore().await?;
                self.read_to_end().await?;
            }
            done => done?,
        }
        self.is_outcome_unknown = false;
        self.finish_last_block().await
    }

    /// Applies the blocks up to the end of the journal.
    async fn read_to_end(&mut self) -> Result<()> {
        let mut reader = BlockReader::new(self.with_state(|state| state.applied));
        while let Some((location, block)) = reader.next(&self.segments, &self.segment).await? {
            self.with_state(|state| state.apply(location, &block))?;
            self.unfinished = Some((location, block));
        }
        Ok(())
    }

    /// Truncates the journal before an offset.
    pub(crate) async fn truncate(&self, offset: u64) -> Result<()> {
        self.segments.truncate(&self.segment, offset).await
    }

    /// Ensures the preconditions of an append: the last block is finished, and the outcome of earlier
    /// attempts is known.
    pub(crate) async fn ensure_settled(&mut self) -> Result<()> {
        if self.is_outcome_unknown { self.catch_up().await } else { self.finish_last_block().await }
    }

    /// Appends a block at the end that was read; `None` when the journal has grown meanwhile.
    pub(crate) async fn append(&mut self, block: &mut Block) -> Result<Option<BlockLocation>> {
        let offset = self.with_state(|state| state.applied);
        // each attempt has its own number: what is stored under it is this very block, at this very offset
        self.attempts += 1;
        block.sequence = self.attempts as u64;
        let frames = block.to_bytes();
        let location = BlockLocation { offset, length: frames.len() as u32 };
        let batch = Batch { number: self.attempts, count: 1, frames, expected_offset: Some(offset) };
        self.is_outcome_unknown = true;
        let appended = self.journal_appender.append(&self.segments, &batch).await?;
        self.is_outcome_unknown = false;
        Ok((appended != AppendOutcome::OffsetMismatch).then_some(location))
    }

    /// Applies a block that was appended, and appends its events to their segments. Returns one result for
    /// each batch of the block, then for those of the transactions that it commits.
    pub(crate) async fn publish(
        &mut self,
        location: BlockLocation,
        block: Block,
    ) -> Result<Vec<BatchResult>> {
        self.with_state(|state| state.apply(location, &block))?;
        let results = self.write_events(location, &block).await;
        if results.iter().any(|result| result.as_ref().is_err_and(|e| !is_permanent(e))) {
            self.unfinished = Some((location, block));
        } else {
            self.with_state(|state| state.published = state.applied);
        }
        Ok(results)
    }

    /// Finishes the last block unless it is known to be finished.
    async fn finish_last_block(&mut self) -> Result<()> {
        let Some((location, block)) = self.unfinished.take() else {
            self.with_state(|state| state.published = state.applied);
            return Ok(());
        };
        let results = self.write_events(location, &block).await;
        // a stream that another program sealed or deleted meanwhile accepts no events: nothing is left to do
        match results.into_iter().find_map(|result| result.err().filter(|e| !is_permanent(e))) {
            Some(error) => {
                self.unfinished = Some((location, block));
                Err(error)
            }
            None => {
                self.with_state(|state| state.published = state.applied);
                Ok(())
            }
        }
    }

    /// Appends the events of a block to their segments, then seals streams.
    async fn write_events(&mut self, location: BlockLocation, block: &Block) -> Vec<BatchResult> {
        let mut results = self.write_batches(location, block, 0, &block.batches).await;
        let staged_locations = self.with_state(|state| state.committed_parts.clone());
        for staged in staged_locations {
            let batches = match self.read_staged(staged).await {
                Ok(batches) => batches,
                Err(error) => {
                    results.push(Err(error));
                    return results;
                }
            };
            let staged_results = self.write_batches(location, block, results.len(), &batches).await;
            let failed = staged_results.iter().any(|result| result.as_ref().is_err_and(|e| !is_permanent(e)));
            results.extend(staged_results);
            if failed {
                return results;
            }
        }
        for record in &block.records {
            if let Some(Op::Seal(stream)) = &record.op
                && let Err(error) = self.seal(stream).await
            {
                results.push(Err(error));
            }
        }
        results
    }

    /// Seals a stream; one that does not exist is ignored.
    async fn seal(&self, stream: &crate::block::Name) -> Result<()> {
        match self.segments.controller.seal_stream(&stream.stream()?).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Appends batches, concurrently across segments and in order within one.
    async fn write_batches(
        &mut self,
        location: BlockLocation,
        block: &Block,
        first: usize,
        batches: &[SegmentBatch],
    ) -> Vec<BatchResult> {
        let mut by_segment: BTreeMap<&str, Vec<(usize, &SegmentBatch)>> = BTreeMap::new();
        for (index, batch) in batches.iter().enumerate() {
            by_segment.entry(&batch.segment).or_default().push((index, batch));
        }
        let mut appends = Vec::new();
        for group in by_segment.into_values() {
            let appender = group
                .first()
                .expect("a group is not empty")
                .1
                .segment(location.offset)
                .map(|id| self.appender(id, block.instance()));
            let segments = Arc::clone(&self.segments);
            appends.push(async move {
                let mut results = Vec::with_capacity(group.len());
                for (index, batch) in group {
                    let result = match &appender {
                        Ok(appender) => {
                            write_batch(&segments, appender, block.batch_number(first + index), batch).await
                        }
                        Err(_) => Err(corrupt_journal(location.offset)),
                    };
                    let failed = result.is_err();
                    results.push((index, result));
                    // later batches of this segment must not overtake
                    if failed {
                        break;
                    }
                }
                results
            });
        }
        let mut results: Vec<BatchResult> =
            batches.iter().map(|_| Err(not_published(&self.segment))).collect();
        for (index, result) in join_all(appends).await.into_iter().flatten() {
            if let Some(entry) = results.get_mut(index) {
                *entry = result;
            }
        }
        results
    }

    /// Returns the cached writer of a segment on behalf of a process.
    fn appender(&mut self, segment: SegmentId, writer: u128) -> Arc<Appender> {
        if self.appenders.len() >= MAX_APPENDERS {
            self.appenders.clear();
        }
        let new = || Arc::new(Appender::new(segment.clone(), writer));
        Arc::clone(self.appenders.entry((segment.clone(), writer)).or_insert_with(new))
    }

    /// Reads the events that a transaction staged in one block.
    pub(crate) async fn read_staged(&self, location: BlockLocation) -> Result<Vec<SegmentBatch>> {
        let bytes =
            self.segments.read_exactly(&self.segment, location.offset, location.length as usize).await?;
        let block = Block::from_body(location.offset, bytes.slice(framing::HEADER_BYTES.min(bytes.len())..))?;
        let batches = block.records.into_iter().filter_map(|record| match record.op {
            Some(Op::Stage(part)) => Some(part.batches),
            _ => None,
        });
        Ok(batches.flatten().collect())
    }
}

async fn write_batch(
    segments: &Segments,
    appender: &Appender,
    number: i64,
    batch: &SegmentBatch,
) -> BatchResult {
    let batch = Batch { number, count: batch.count, frames: batch.frames.clone(), expected_offset: None };
    match appender.append(segments, &batch).await? {
        AppendOutcome::At(offset) => Ok(Some(offset)),
        AppendOutcome::AlreadyStored | AppendOutcome::OffsetMismatch => Ok(None),
    }
}

/// Returns whether a retry would fail, too.
fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Sealed | ErrorKind::NotFound)
}

fn not_published(segment: &SegmentId) -> Error {
    Error::new(
        ErrorKind::Failed,
        format!("an earlier batch of a commit in {segment} was not published: retry"),
    )
}

/// Reads blocks in order, up to the end of the journal as of the first read.
pub(crate) struct BlockReader {
    offset: u64,
    tail: Option<u64>,
    buffer: BytesMut,
}

impl BlockReader {
    pub(crate) fn new(offset: u64) -> Self {
        Self { offset, tail: None, buffer: BytesMut::new() }
    }

    /// Reads the next block; `None` at the end.
    pub(crate) async fn next(
        &mut self,
        segments: &Segments,
        journal: &SegmentId,
    ) -> Result<Option<(BlockLocation, Block)>> {
        let tail = match self.tail {
            Some(tail) => tail,
            None => *self.tail.insert(segments.bounds(journal).await?.tail),
        };
        if self.offset >= tail {
            return Ok(None);
        }
        self.fill(segments, journal, framing::HEADER_BYTES).await?;
        let (header, _) = self.buffer.split_first_chunk().ok_or_else(|| corrupt_journal(self.offset))?;
        let length = Block::body_len(header).ok_or_else(|| corrupt_journal(self.offset))?;
        debug_assert!(length <= MAX_BLOCK_BYTES);
        self.fill(segments, journal, framing::HEADER_BYTES + length).await?;
        self.buffer.advance(framing::HEADER_BYTES);
        let body: Bytes = self.buffer.split_to(length).freeze();
        let location = BlockLocation { offset: self.offset, length: (framing::HEADER_BYTES + length) as u32 };
        self.offset += u64::from(location.length);
        Ok(Some((location, Block::from_body(location.offset, body)?)))
    }

    async fn fill(&mut self, segments: &Segments, journal: &SegmentId, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            let at = self.offset + self.buffer.len() as u64;
            // a read at the tail would block
            if self.tail.is_none_or(|tail| at >= tail) {
                return Err(corrupt_journal(self.offset));
            }
            match segments.read(journal, at, READ_BYTES).await? {
                Some(bytes) if !bytes.is_empty() => self.buffer.extend_from_slice(&bytes),
                _ => return Err(corrupt_journal(self.offset)),
            }
        }
        Ok(())
    }
}
