//! The only task of a process that writes the journal. It takes requests from a queue, groups as many as fit
//! into one block, and responds. Requests that arrive meanwhile go into the next block, so that many small
//! commits share one append.

use crate::block::{Block, Checkpoint, Op, Record, SegmentBatch};
use crate::journal::{BatchResult, Journal};
use crate::plan::{Request, Response, Verdict, WriteSet, decide};
use bytes::{Bytes, BytesMut};
use kulya_store::log_backend::error::duplicate_error;
use kulya_store::log_backend::queue::{Job, JobReceiver, fail_all};
use kulya_store::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet, VecDeque};

/// The size in bytes beyond which a non-empty block takes no more requests.
const BLOCK_BYTES: usize = 4 << 20;
/// The maximum number of requests per round.
const MAX_JOBS: usize = 4096;
/// The growth of the journal in bytes between two checkpoints, or twice the size of the last one.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// A queued request to the journal.
type JournalJob = Job<Request, Response>;

/// Runs until all senders are dropped.
pub(crate) async fn run(mut journal: Journal, mut jobs: JobReceiver<Request, Response>) {
    let mut queue = VecDeque::new();
    let mut next_checkpoint = journal.with_state(|state| state.applied) + CHECKPOINT_BYTES;
    while jobs.fill(&mut queue, MAX_JOBS).await {
        // a caller that timed out was told that the outcome is unknown; aborts are sent without waiting
        queue.retain(|job| !job.is_abandoned() || matches!(job.request, Request::Abort { .. }));
        if queue.is_empty() {
            continue;
        }
        if let Err(error) = run_round(&mut journal, &mut queue).await {
            // report the error to everybody in the queue instead of retrying for ever
            fail_all(queue.drain(..), &error);
        }
        if journal.with_state(|state| state.applied) >= next_checkpoint {
            // a failed checkpoint is retried after the next block
            if let Ok(size) = checkpoint(&mut journal).await {
                next_checkpoint = journal.with_state(|state| state.applied) + CHECKPOINT_BYTES.max(size * 2);
            }
        }
    }
}

/// Appends at most one block. An error applies to every request still in the queue.
async fn run_round(journal: &mut Journal, queue: &mut VecDeque<JournalJob>) -> Result<()> {
    journal.ensure_settled().await?;
    let mut caught_up = false;
    loop {
        let plan = journal.with_state(|state| {
            let mut plan = Plan::default();
            queue.iter().enumerate().for_each(|(index, job)| plan.add(state, index, &job.request));
            plan
        });
        if plan.writes.is_empty() && !caught_up {
            journal.catch_up().await?;
            caught_up = true;
            continue;
        }
        let mut block = plan.block(journal.instance());
        let location = match plan.writes.is_empty() {
            true => None,
            false => match journal.append(&mut block).await? {
                Some(location) => Some(location),
                None => {
                    journal.catch_up().await?;
                    caught_up = true;
                    continue;
                }
            },
        };
        // the block is where the journal was thought to end, so decisions on the state were correct
        let mut jobs = plan.take_answered(queue);
        for (index, response) in plan.responses {
            if let Some(job) = jobs.remove(&index) {
                job.respond(response);
            }
        }
        let Some(location) = location else { return Ok(()) };
        let block_batches = block.batches.len();
        let results = match journal.publish(location, block).await {
            Ok(results) => results,
            Err(error) => {
                fail_all(jobs.into_values(), &error);
                return Ok(());
            }
        };
        for (index, write) in plan.writes.into_iter().enumerate() {
            let Some(job) = jobs.remove(&write.index) else { continue };
            let record_id = Block::record_id(location.offset, index);
            let offsets = write.offsets(&results, block_batches);
            job.respond(offsets.map(|offsets| Response::Written { record_id, offsets }));
        }
        return Ok(());
    }
}

/// The records and events of the next block, and the responses that need no block.
#[derive(Default)]
struct Plan {
    write_set: WriteSet,
    writes: Vec<PlannedWrite>,
    ops: Vec<Op>,
    responses: Vec<(usize, Result<Response>)>,
    /// The batches: segment, number of events, and buffers.
    batches: Vec<(String, u32, Vec<Bytes>)>,
    by_segment: HashMap<String, usize>,
    full: bool,
}

/// A request that goes into the block.
struct PlannedWrite {
    /// Its index in the queue.
    index: usize,
    /// For each of its batches, the index of the block's batch and the offset in it.
    batches: Vec<(usize, u64)>,
    has_transaction: bool,
}

impl PlannedWrite {
    /// Returns the offset of each of its batches, from the results of all batches of the block.
    fn offsets(&self, results: &[BatchResult], block_batches: usize) -> Result<Vec<Option<u64>>> {
        let one = |results: Option<&BatchResult>, offset_in_batch: u64| match results {
            Some(Ok(at)) => Ok(at.map(|at| at + offset_in_batch)),
            Some(Err(error)) => Err(duplicate_error(error)),
            None => Err(Error::new(
                ErrorKind::Failed,
                "commit incomplete: its events did not reach all segments, reopen the store",
            )),
        };
        if self.has_transaction {
            return results
                .get(block_batches..)
                .unwrap_or_default()
                .iter()
                .map(|results| one(Some(results), 0))
                .collect();
        }
        // results of sealing streams follow those of all batches
        if self.batches.is_empty() {
            return results
                .get(block_batches..)
                .unwrap_or_default()
                .iter()
                .try_for_each(|l| one(Some(l), 0).map(drop))
                .map(|()| Vec::new());
        }
        self.batches
            .iter()
            .map(|(batch, offset_in_batch)| one(results.get(*batch), *offset_in_batch))
            .collect()
    }
}

impl Plan {
    fn add(&mut self, state: &crate::state::State, index: usize, request: &Request) {
        if self.full || (!self.ops.is_empty() && self.write_set.bytes + request.bytes() > BLOCK_BYTES) {
            self.full = true;
            return;
        }
        match decide(state, &mut self.write_set, request) {
            Verdict::Defer => {}
            Verdict::Respond(response) => self.responses.push((index, response)),
            Verdict::Write(op) => {
                let mut writes = PlannedWrite { index, batches: Vec::new(), has_transaction: false };
                if let Request::Commit(commit) = request {
                    writes.has_transaction = commit.transaction.is_some();
                    writes.batches = commit.batches.iter().map(|batch| self.add_batch(batch)).collect();
                }
                self.writes.push(writes);
                self.ops.push(op);
            }
        }
    }

    /// Removes the jobs that this plan answers from the queue; the others keep their order.
    fn take_answered(&self, queue: &mut VecDeque<JournalJob>) -> HashMap<usize, JournalJob> {
        let answered = self
            .writes
            .iter()
            .map(|writes| writes.index)
            .chain(self.responses.iter().map(|(index, _)| *index));
        let answered: HashSet<usize> = answered.collect();
        let mut jobs = HashMap::new();
        for (index, job) in std::mem::take(queue).into_iter().enumerate() {
            if answered.contains(&index) { _ = jobs.insert(index, job) } else { queue.push_back(job) }
        }
        jobs
    }

    fn add_batch(&mut self, batch: &SegmentBatch) -> (usize, u64) {
        let next = self.batches.len();
        let index = *self.by_segment.entry(batch.segment.clone()).or_insert(next);
        if index == next {
            self.batches.push((batch.segment.clone(), 0, Vec::new()));
        }
        let Some((_, count, buffers)) = self.batches.get_mut(index) else { return (index, 0) };
        let offset_in_batch = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        *count += batch.count;
        buffers.push(batch.frames.clone());
        (index, offset_in_batch)
    }

    fn block(&self, instance: u128) -> Block {
        let batch = |(segment, count, buffers): &(String, u32, Vec<Bytes>)| SegmentBatch {
            segment: segment.clone(),
            count: *count,
            frames: concat(buffers),
        };
        let records = self.ops.iter().map(|op| Record { op: Some(op.clone()) });
        Block {
            batches: self.batches.iter().map(batch).collect(),
            records: records.collect(),
            ..Block::new(instance)
        }
    }
}

fn concat(buffers: &[Bytes]) -> Bytes {
    match buffers {
        [one] => one.clone(),
        many => {
            let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|buffer| all.extend_from_slice(buffer));
            all.freeze()
        }
    }
}

/// Writes a checkpoint and truncates the journal before the first offset that is still needed. Returns the
/// checkpoint's size in bytes.
pub(crate) async fn checkpoint(journal: &mut Journal) -> Result<u64> {
    let abandoned = journal.with_state(|state| state.abandoned_transactions());
    for transaction in abandoned {
        write_record(journal, Op::Abort(transaction)).await?;
    }
    journal.catch_up().await?;
    let (at, first_needed, chunks) =
        journal.with_state(|state| (state.applied, state.first_needed_offset(), state.snapshot_chunks()));
    let count = chunks.len() as u32;
    for chunk in chunks {
        write_record(journal, Op::Snapshot(chunk)).await?;
    }
    write_record(journal, Op::Checkpoint(Checkpoint { at, chunks: count })).await?;
    let size = journal.with_state(|state| state.applied) - at;
    journal.truncate(first_needed).await?;
    Ok(size)
}

async fn write_record(journal: &mut Journal, op: Op) -> Result<()> {
    let mut block = Block { records: vec![Record { op: Some(op) }], ..Block::new(journal.instance()) };
    loop {
        journal.ensure_settled().await?;
        match journal.append(&mut block).await? {
            Some(location) => return journal.publish(location, block).await.map(drop),
            None => journal.catch_up().await?,
        }
    }
}
