//! Keeping the log short: the state is written down as a checkpoint, log objects that hold nothing alive are given back, and
//! transactions that their process left behind are aborted. Any process may do it, several at once, and end in the middle.

use crate::committer::{Job, tell};
use crate::journal::Journal;
use crate::plan::Ask;
use crate::record::GaveBack;
use futures::future::try_join_all;
use kulya_store::Result;
use tokio::sync::mpsc;

/// Objects that are given back at a time; the rest the next time.
const MOST_OBJECTS: usize = 1000;
/// Requests at once.
const AT_ONCE: usize = 8;
/// A transaction in which nothing was staged for a day has been left by its process, in milliseconds.
pub(crate) const LEFT_BEHIND: u64 = 24 * 60 * 60 * 1000;

/// Does all of it once.
pub(crate) async fn run(journal: &Journal, asking: &mpsc::WeakUnboundedSender<Job>) -> Result<()> {
    let (number, snapshot) = journal.with(|state| (state.next, state.snapshot()))?;
    journal.bucket.create_checkpoint(number, &snapshot).await?;
    let now = journal.bucket.settings.clock.since_epoch().as_millis() as u64;
    for transaction in journal.with(|state| state.left_behind(now, LEFT_BEHIND))? {
        asking.upgrade().inspect(|jobs| tell(jobs, Ask::Abort(transaction)));
    }
    // the second newest is there for those who find the newest damaged: what it needs stays
    let checkpoints = journal.bucket.checkpoints().await?;
    let Some((_, [needed, old @ ..])) = checkpoints.split_first() else { return Ok(()) };
    if journal.bucket.checkpoint(*needed).await?.is_none() {
        return Ok(());
    }
    for number in old {
        journal.bucket.delete_checkpoint(*number).await?;
    }
    let (floor, spent, was) = journal.with(|state| {
        let floor = (*needed).min(state.next);
        (floor, state.spent(floor, MOST_OBJECTS), state.floor)
    })?;
    for objects in spent.chunks(AT_ONCE) {
        try_join_all(objects.iter().map(|object| journal.bucket.give_back(*object, *needed))).await?;
    }
    if floor > was || !spent.is_empty() {
        asking.upgrade().inspect(|jobs| tell(jobs, Ask::GaveBack(GaveBack { floor, objects: spent })));
    }
    Ok(())
}
