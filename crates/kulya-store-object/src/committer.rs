//! The only task of a process that writes the log. It takes requests from a queue, groups as many as fit into
//! one object, and responds once the object is in the log. Requests that arrive meanwhile go into the next
//! object, so that many small commits share one put.

use crate::bucket::{Found, Put};
use crate::journal::{Journal, again};
use crate::maintenance;
use crate::object::Header;
use crate::object::{self, Kind};
use crate::plan::{Answer, Ask, Laid, Plan};
use crate::record::{Author, Log};
use kulya_store::{Error, Result};
use object_store::PutPayload;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

/// The maximum number of requests per round.
const MOST_JOBS: usize = 4096;

/// A queued request, the channel for its response, and the memory permits that it holds.
pub(crate) struct Job {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer>>,
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// Runs until all senders are dropped; notifies `maintenance_due` when a checkpoint is due.
pub(crate) async fn run(journal: Arc<Journal>, due: Arc<Notify>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut committer = Committer { journal, due, tries: 0, unkeyed: 0 };
    let mut queue = VecDeque::new();
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
        if let Err(error) = committer.round(&mut queue).await {
            // report the error to everybody in the queue instead of retrying for ever; requests that arrived
            // during the failure need not wait for the next one
            while let Ok(job) = jobs.try_recv() {
                queue.push_back(job);
            }
            queue.drain(..).for_each(|job| _ = job.reply.send(Err(again(&error))));
        }
    }
}

struct Committer {
    journal: Arc<Journal>,
    due: Arc<Notify>,
    /// Counts the objects that this process tried to publish.
    tries: u64,
    unkeyed: u32,
}

enum Landing {
    /// The object is in the log.
    Landed,
    /// Another writer's object has this number.
    Lost,
}

impl Committer {
    /// Publishes at most one object. An error applies to every request still in the queue.
    async fn round(&mut self, queue: &mut VecDeque<Job>) -> Result<()> {
        let mut fresh = false;
        self.journal.check_writes()?;
        self.journal.bucket.compare_clocks().await;
        loop {
            let now = self.journal.bucket.now().as_millis() as u64;
            let mut plan = self.journal.with(|state| {
                let mut plan = Plan::new(state, now, self.unkeyed);
                let _ = queue.iter().all(|job| plan.take(state, &job.ask));
                plan
            })?;
            if !fresh && (plan.is_empty() || !self.journal.is_sure()) {
                // nothing is written that would prove that the state is current; or this process was
                // suspended
                self.journal.catch_up().await?;
                fresh = true;
                continue;
            }
            if !plan.is_empty() {
                match self.write(&mut plan).await? {
                    Landing::Landed => self.keep_up(&plan),
                    Landing::Lost => {
                        self.journal.catch_up().await?;
                        fresh = true;
                        continue;
                    }
                }
            }
            let answers = std::mem::take(&mut plan.answers);
            let count = answers.len();
            for (job, answer) in queue.drain(..count).zip(answers) {
                let _ = job.reply.send(answer);
            }
            return Ok(());
        }
    }

    async fn write(&mut self, plan: &mut Plan) -> Result<Landing> {
        self.tries += 1;
        let author = Author { instance: self.journal.bucket.settings.instance, sequence: self.tries };
        let Laid { log, events } = plan.lay_out(Log::by(author));
        let begin = object::begin(Kind::Log, plan.number, &log).map_err(Error::invalid)?;
        let header = Header::parse(&begin).map_err(Error::invalid)?;
        let body: PutPayload = std::iter::once(begin).chain(events.iter().cloned()).collect();
        let landing = self.land(plan.number, author, body).await?;
        let is_here = match &landing {
            Landing::Landed => self.is_the_log_here(plan.number, &header).await?,
            Landing::Lost => !self.journal.bucket.is_closed(plan.number).await?,
        };
        if !is_here {
            // an object may have been here before and was deleted; nobody reads the one put now
            let _ = self.journal.bucket.delete_log(plan.number).await;
            self.journal.restart(None).await?;
            return Err(self.journal.bucket.late_log(plan.number));
        }
        if let Landing::Lost = landing {
            return Ok(landing);
        }
        self.journal.take(plan.number, &header, &log)?;
        for (batch, events) in log.batches.iter().zip(events) {
            self.journal.keep(plan.number, header.events_from() + batch.at, events);
        }
        Ok(Landing::Landed)
    }

    /// Returns whether an object that was just put is at the end of the log. It is not when its number lies
    /// in a block that was closed (its objects were deleted) while this process was suspended.
    ///
    /// # Errors
    /// `Corrupt` when it filled a hole: the object after it names another predecessor.
    async fn is_the_log_here(&self, number: u64, header: &Header) -> Result<bool> {
        let bucket = &self.journal.bucket;
        let now = self.journal.now();
        let (closed, behind) = tokio::join!(bucket.is_closed(number), bucket.log(number + 1));
        if closed? {
            return Ok(false);
        }
        if let Found::Log(behind) = behind?
            && (behind.header.format != header.format || behind.log.previous != header.checksum)
        {
            self.journal.be_unsure();
            let what =
                "it was put into a gap of the log: the object after it has another predecessor".to_owned();
            return Err(bucket.damaged_log(number, what));
        }
        self.journal.be_sure(now);
        Ok(true)
    }

    /// Publishes an object: retries the conditional put until some object has this number, and returns
    /// whether it is ours.
    ///
    /// # Errors
    /// The outcome is unknown, unless the storage rejected the very first put: then nothing was written. A
    /// put that is still under way is applied when it arrives.
    async fn land(&self, number: u64, author: Author, body: PutPayload) -> Result<Landing> {
        let bucket = &self.journal.bucket;
        let (mut failed, mut sure) = (0, true);
        let begun = Instant::now();
        loop {
            let error = match bucket.create_log(number, body.clone()).await {
                Put::Made => return Ok(Landing::Landed),
                // the object is visible to others, but it may not survive a power failure
                Put::Undurable(error) => {
                    self.journal.stop(again(&error));
                    return Err(error);
                }
                // no put of this object is under way, and no other object was reported
                Put::Refused(error) if sure => return Err(error),
                Put::Taken => None,
                Put::Refused(error) | Put::Unsure(error) => Some(error),
            };
            sure = false;
            match bucket.log(number).await? {
                Found::Log(arrived) if arrived.log.author() == author => return Ok(Landing::Landed),
                Found::GivenBack { author: theirs, .. } if theirs == author => return Ok(Landing::Landed),
                Found::Log(_) => return Ok(Landing::Lost),
                Found::GivenBack { .. } => return Ok(Landing::Lost),
                Found::Nothing => {}
            }
            // a storage may report a concurrent write that then fails
            failed += 1;
            if !bucket.settings.pause(failed, begun).await {
                return Err(error.unwrap_or_else(|| bucket.unreachable_log(number)));
            }
        }
    }

    /// Notifies maintenance when a checkpoint is due.
    fn keep_up(&self, plan: &Plan) {
        if !plan.is_upkeep && maintenance::is_checkpoint_due(&self.journal).unwrap_or(false) {
            self.due.notify_one();
        }
    }
}

/// Sends a request without waiting for the response.
pub(crate) fn tell(jobs: &mpsc::UnboundedSender<Job>, ask: Ask) {
    let _ = jobs.send(Job { ask, reply: oneshot::channel().0, _room: None });
}
