//! The one task that moves the journal: takes what is asked, makes blocks of as much as fits, and answers. What is asked
//! meanwhile goes into the next block, so that many small commits share one round.

use crate::block::{Act, Block, Checkpoint, Record, SegmentBatch};
use crate::journal::{Journal, Landed};
use crate::plan::{Answer, Ask, Touched, Verdict, decide};
use bytes::{Bytes, BytesMut};
use kulya_store::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet, VecDeque};
use tokio::sync::{mpsc, oneshot};

/// A block that holds something takes no more beyond this.
const BLOCK_BYTES: usize = 4 << 20;
/// Requests that are looked at in one round.
const MOST_JOBS: usize = 4096;
/// The journal grows by so much between two checkpoints, or by twice the size of the last one.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// A request, and who waits for its answer.
pub(crate) struct Job {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer>>,
}

/// Works until nobody can ask any more.
pub(crate) async fn run(mut journal: Journal, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut queue = VecDeque::new();
    let mut next_checkpoint = journal.with(|state| state.applied) + CHECKPOINT_BYTES;
    loop {
        if queue.is_empty() {
            match jobs.recv().await {
                Some(job) => queue.push_back(job),
                None => return,
            }
        }
        while queue.len() < MOST_JOBS
            && let Ok(job) = jobs.try_recv()
        {
            queue.push_back(job);
        }
        // who has gone was told that nobody knows what became of it; who ends a transaction waits for no answer
        queue.retain(|job| !job.reply.is_closed() || matches!(job.ask, Ask::Abort { .. }));
        if queue.is_empty() {
            continue;
        }
        if let Err(error) = round(&mut journal, &mut queue).await {
            // whoever asked is told, and may ask again; nothing is tried for ever
            queue.drain(..).for_each(|job| _ = job.reply.send(Err(again(&error))));
        }
        if journal.with(|state| state.applied) >= next_checkpoint {
            // one that fails is tried again with the next block
            if let Ok(size) = checkpoint(&mut journal).await {
                next_checkpoint = journal.with(|state| state.applied) + CHECKPOINT_BYTES.max(size * 2);
            }
        }
    }
}

/// One block at the most. An error is everybody's who is still in the queue.
async fn round(journal: &mut Journal, queue: &mut VecDeque<Job>) -> Result<()> {
    journal.settle().await?;
    let mut fresh = false;
    loop {
        let plan = journal.with(|state| {
            let mut plan = Plan::default();
            queue.iter().enumerate().for_each(|(index, job)| plan.consider(state, index, &job.ask));
            plan
        });
        if plan.written.is_empty() && !fresh {
            journal.catch_up().await?;
            fresh = true;
            continue;
        }
        let mut block = plan.block(journal.instance());
        let place = match plan.written.is_empty() {
            true => None,
            false => match journal.append(&mut block).await? {
                Some(place) => Some(place),
                None => {
                    journal.catch_up().await?;
                    fresh = true;
                    continue;
                }
            },
        };
        // the block stands where the journal was thought to end: what was said of the state was true
        let mut taken = plan.take_decided(queue);
        for (index, said) in plan.said {
            if let Some(job) = taken.remove(&index) {
                let _ = job.reply.send(said);
            }
        }
        let Some(place) = place else { return Ok(()) };
        let own_batches = block.batches.len();
        let landed = match journal.land(place, block).await {
            Ok(landed) => landed,
            Err(error) => {
                taken.into_values().for_each(|job| _ = job.reply.send(Err(again(&error))));
                return Ok(());
            }
        };
        for (record, written) in plan.written.into_iter().enumerate() {
            let Some(job) = taken.remove(&written.index) else { continue };
            let answer = written.places(&landed, own_batches);
            let answer =
                answer.map(|places| Answer::Written { mark: Block::mark(place.offset, record), places });
            let _ = job.reply.send(answer);
        }
        return Ok(());
    }
}

/// What one block shall hold, and what is answered without it.
#[derive(Default)]
struct Plan {
    touched: Touched,
    written: Vec<Written>,
    acts: Vec<Act>,
    said: Vec<(usize, Result<Answer>)>,
    /// By segment, the pieces of its batch.
    batches: Vec<(String, u32, Vec<Bytes>)>,
    by_segment: HashMap<String, usize>,
    full: bool,
}

/// A request that goes into the block.
struct Written {
    /// Its place in the queue.
    index: usize,
    /// Which batch of the block holds each of its batches, and how far behind its beginning.
    batches: Vec<(usize, u64)>,
    has_transaction: bool,
}

impl Written {
    fn places(&self, landed: &[Landed], own_batches: usize) -> Result<Vec<Option<u64>>> {
        let one = |landed: Option<&Landed>, behind: u64| match landed {
            Some(Ok(at)) => Ok(at.map(|at| at + behind)),
            Some(Err(error)) => Err(again(error)),
            None => Err(Error::new(
                ErrorKind::Failed,
                "a commit did not reach all its segments: open the store again",
            )),
        };
        if self.has_transaction {
            return landed
                .get(own_batches..)
                .unwrap_or_default()
                .iter()
                .map(|landed| one(Some(landed), 0))
                .collect();
        }
        // a stream that was to be sealed says so behind all batches
        if self.batches.is_empty() {
            return landed
                .get(own_batches..)
                .unwrap_or_default()
                .iter()
                .try_for_each(|l| one(Some(l), 0).map(drop))
                .map(|()| Vec::new());
        }
        self.batches.iter().map(|(batch, behind)| one(landed.get(*batch), *behind)).collect()
    }
}

impl Plan {
    fn consider(&mut self, state: &crate::state::State, index: usize, ask: &Ask) {
        if self.full || (!self.acts.is_empty() && self.touched.bytes + ask.bytes() > BLOCK_BYTES) {
            self.full = true;
            return;
        }
        match decide(state, &mut self.touched, ask) {
            Verdict::Later => {}
            Verdict::Say(said) => self.said.push((index, said)),
            Verdict::Write(act) => {
                let mut written = Written { index, batches: Vec::new(), has_transaction: false };
                if let Ask::Commit(commit) = ask {
                    written.has_transaction = commit.transaction.is_some();
                    written.batches = commit.batches.iter().map(|batch| self.add(batch)).collect();
                }
                self.written.push(written);
                self.acts.push(act);
            }
        }
    }

    /// Takes out of the queue what this plan answers; the others keep their order.
    fn take_decided(&self, queue: &mut VecDeque<Job>) -> HashMap<usize, Job> {
        let decided =
            self.written.iter().map(|written| written.index).chain(self.said.iter().map(|(index, _)| *index));
        let decided: HashSet<usize> = decided.collect();
        let mut taken = HashMap::new();
        for (index, job) in std::mem::take(queue).into_iter().enumerate() {
            if decided.contains(&index) { _ = taken.insert(index, job) } else { queue.push_back(job) }
        }
        taken
    }

    fn add(&mut self, batch: &SegmentBatch) -> (usize, u64) {
        let next = self.batches.len();
        let index = *self.by_segment.entry(batch.segment.clone()).or_insert(next);
        if index == next {
            self.batches.push((batch.segment.clone(), 0, Vec::new()));
        }
        let Some((_, count, pieces)) = self.batches.get_mut(index) else { return (index, 0) };
        let behind = pieces.iter().map(|piece| piece.len() as u64).sum();
        *count += batch.count;
        pieces.push(batch.frames.clone());
        (index, behind)
    }

    fn block(&self, instance: u128) -> Block {
        let batch = |(segment, count, pieces): &(String, u32, Vec<Bytes>)| SegmentBatch {
            segment: segment.clone(),
            count: *count,
            frames: joined(pieces),
        };
        let records = self.acts.iter().map(|act| Record { act: Some(act.clone()) });
        Block {
            batches: self.batches.iter().map(batch).collect(),
            records: records.collect(),
            ..Block::of(instance)
        }
    }
}

fn joined(pieces: &[Bytes]) -> Bytes {
    match pieces {
        [one] => one.clone(),
        many => {
            let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|piece| all.extend_from_slice(piece));
            all.freeze()
        }
    }
}

/// The same error for one more who waits; of its cause the text.
pub(crate) fn again(error: &Error) -> Error {
    use std::error::Error as _;
    let same = Error::new(error.kind(), error.to_string());
    match error.source() {
        Some(cause) => same.because(cause.to_string()),
        None => same,
    }
}

/// Writes the state down, and lets the journal begin where nothing before is needed. Gives the checkpoint's size.
pub(crate) async fn checkpoint(journal: &mut Journal) -> Result<u64> {
    let left_behind = journal.with(|state| state.left_behind());
    for transaction in left_behind {
        write(journal, Act::Abort(transaction)).await?;
    }
    journal.catch_up().await?;
    let (at, needed_from, pieces) =
        journal.with(|state| (state.applied, state.needed_from(), state.pieces()));
    let count = pieces.len() as u32;
    for piece in pieces {
        write(journal, Act::Piece(piece)).await?;
    }
    write(journal, Act::Checkpoint(Checkpoint { at, pieces: count })).await?;
    let size = journal.with(|state| state.applied) - at;
    journal.forget_before(needed_from).await?;
    Ok(size)
}

async fn write(journal: &mut Journal, act: Act) -> Result<()> {
    let mut block = Block { records: vec![Record { act: Some(act) }], ..Block::of(journal.instance()) };
    loop {
        journal.settle().await?;
        match journal.append(&mut block).await? {
            Some(place) => return journal.land(place, block).await.map(drop),
            None => journal.catch_up().await?,
        }
    }
}
