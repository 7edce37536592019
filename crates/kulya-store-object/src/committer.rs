//! The only task of a process that writes the log. It takes requests from a queue, groups as many as fit into
//! one object, and responds once the object is in the log. Requests that arrive meanwhile go into the next
//! object, so that many small commits share one put.

use crate::bucket::{LogEntry, PutOutcome};
use crate::journal::Journal;
use crate::object::Header;
use crate::object::{self, Kind};
use crate::plan::{Layout, Plan, Request, Response};
use crate::record::{Author, Log};
use kulya_store::log_backend::error::duplicate_error;
use kulya_store::log_backend::queue::{Job, JobReceiver, fail_all};
use kulya_store::{Error, Result};
use object_store::PutPayload;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The maximum number of requests per round.
const MAX_JOBS: usize = 4096;

/// A queued request to the log.
pub(crate) type CommitJob = Job<Request, Response>;

/// Runs until all senders are dropped; notifies `maintenance_due` when a checkpoint is due.
pub(crate) async fn run(
    journal: Arc<Journal>,
    maintenance_due: Arc<Notify>,
    mut jobs: JobReceiver<Request, Response>,
) {
    let mut committer = Committer { journal, maintenance_due, attempts: 0, unkeyed: 0 };
    let mut queue = VecDeque::new();
    while jobs.fill(&mut queue, MAX_JOBS).await {
        if let Err(error) = committer.run_round(&mut queue).await {
            // report the error to everybody in the queue instead of retrying for ever; requests that arrived
            // during the failure need not wait for the next one
            while let Some(job) = jobs.try_next() {
                queue.push_back(job);
            }
            fail_all(queue.drain(..), &error);
        }
    }
}

struct Committer {
    journal: Arc<Journal>,
    maintenance_due: Arc<Notify>,
    /// Counts the objects that this process tried to publish.
    attempts: u64,
    unkeyed: u32,
}

enum PublishOutcome {
    /// The object is in the log.
    Published,
    /// Another writer's object has this number. Ours was put before only if an earlier put had an unknown
    /// outcome.
    Conflict { first_attempt: bool },
}

impl Committer {
    /// Publishes at most one object. An error applies to every request still in the queue.
    async fn run_round(&mut self, queue: &mut VecDeque<CommitJob>) -> Result<()> {
        let mut caught_up = false;
        self.journal.check_writable()?;
        self.journal.bucket.check_clock().await;
        loop {
            let now = self.journal.bucket.now().as_millis() as u64;
            let mut plan = self.journal.with_state(|state| {
                let mut plan = Plan::new(state, now, self.unkeyed);
                let _ = queue.iter().all(|job| plan.add(state, &job.request));
                plan
            })?;
            if !caught_up && (plan.is_empty() || !self.journal.is_end_verified()) {
                // nothing is written that would prove that the state is current; or this process was
                // suspended
                self.journal.catch_up().await?;
                caught_up = true;
                continue;
            }
            if !plan.is_empty() {
                match self.write(&mut plan).await? {
                    PublishOutcome::Published => self.notify_maintenance(&plan),
                    PublishOutcome::Conflict { .. } => {
                        self.journal.catch_up().await?;
                        caught_up = true;
                        continue;
                    }
                }
            }
            let responses = std::mem::take(&mut plan.responses);
            let count = responses.len();
            for (job, response) in queue.drain(..count).zip(responses) {
                job.respond(response);
            }
            return Ok(());
        }
    }

    async fn write(&mut self, plan: &mut Plan) -> Result<PublishOutcome> {
        self.attempts += 1;
        let author = Author { instance: self.journal.bucket.settings.instance, sequence: self.attempts };
        let Layout { log, events } = plan.build_layout(Log::new(author));
        let header_bytes = object::encode_header(Kind::Log, plan.number, &log).map_err(Error::invalid)?;
        let header = Header::parse(&header_bytes).map_err(Error::invalid)?;
        let body: PutPayload = std::iter::once(header_bytes).chain(events.iter().cloned()).collect();
        let outcome = self.publish(plan.number, author, body).await?;
        let is_in_log = match &outcome {
            PublishOutcome::Published => self.verify_published(plan.number, &header).await?,
            PublishOutcome::Conflict { .. } => !self.journal.bucket.is_closed(plan.number).await?,
        };
        if !is_in_log {
            // an object may have been here before and was deleted; nobody reads the one put now
            let _ = self.journal.bucket.delete_log(plan.number).await;
            self.journal.load_checkpoint(None).await?;
            return match outcome {
                // this process lags behind by a block, and nothing of the plan was ever put
                PublishOutcome::Conflict { first_attempt: true } => Ok(outcome),
                _ => Err(self.journal.bucket.late_write_error(plan.number)),
            };
        }
        if let PublishOutcome::Conflict { .. } = outcome {
            return Ok(outcome);
        }
        self.journal.apply(plan.number, &header, &log)?;
        for (batch, events) in log.batches.iter().zip(events) {
            self.journal.cache_events(plan.number, header.events_offset() + batch.at, events);
        }
        Ok(PublishOutcome::Published)
    }

    /// Returns whether an object that was just put is at the end of the log. It is not when its number lies
    /// in a block that was closed (its objects were deleted) while this process was suspended.
    ///
    /// # Errors
    /// `Corrupt` when it filled a hole: the object after it names another predecessor.
    async fn verify_published(&self, number: u64, header: &Header) -> Result<bool> {
        let bucket = &self.journal.bucket;
        let now = self.journal.now();
        let (closed, next) = tokio::join!(bucket.is_closed(number), bucket.read_log(number + 1));
        if closed? {
            return Ok(false);
        }
        if let LogEntry::Log(next) = next?
            && (next.header.format != header.format || next.log.previous != header.checksum)
        {
            self.journal.clear_end_verified();
            let what =
                "it was put into a gap of the log: the object after it has another predecessor".to_owned();
            return Err(bucket.corrupt_log(number, what));
        }
        self.journal.set_end_verified(now);
        Ok(true)
    }

    /// Publishes an object: retries the conditional put until some object has this number, and returns
    /// whether it is ours.
    ///
    /// # Errors
    /// The outcome is unknown, unless the storage rejected the very first put: then nothing was written. A
    /// put that is still under way is applied when it arrives.
    async fn publish(&self, number: u64, author: Author, body: PutPayload) -> Result<PublishOutcome> {
        let bucket = &self.journal.bucket;
        let (mut failures, mut first_attempt) = (0, true);
        let start = Instant::now();
        loop {
            let error = match bucket.create_log(number, body.clone()).await {
                PutOutcome::Created => return Ok(PublishOutcome::Published),
                // the object is visible to others, but it may not survive a power failure
                PutOutcome::NotDurable(error) => {
                    self.journal.stop_writes(duplicate_error(&error));
                    return Err(error);
                }
                // no put of this object is under way, and no other object was reported
                PutOutcome::Rejected(error) if first_attempt => return Err(error),
                PutOutcome::AlreadyExists => None,
                PutOutcome::Rejected(error) | PutOutcome::Unknown(error) => Some(error),
            };
            let is_first = std::mem::replace(&mut first_attempt, false);
            match bucket.read_log(number).await? {
                LogEntry::Log(object) if object.log.author() == author => {
                    return Ok(PublishOutcome::Published);
                }
                LogEntry::Tombstone { author: theirs, .. } if theirs == author => {
                    return Ok(PublishOutcome::Published);
                }
                LogEntry::Log(_) | LogEntry::Tombstone { .. } => {
                    let first_attempt = is_first && error.is_none();
                    return Ok(PublishOutcome::Conflict { first_attempt });
                }
                LogEntry::Missing => {}
            }
            // a storage may report a concurrent write that then fails
            failures += 1;
            if !bucket.settings.backoff(failures, start).await {
                return Err(error.unwrap_or_else(|| bucket.log_unreachable(number)));
            }
        }
    }

    /// Notifies maintenance when a checkpoint is due.
    fn notify_maintenance(&self, plan: &Plan) {
        if !plan.is_maintenance && self.journal.is_checkpoint_due().unwrap_or(false) {
            self.maintenance_due.notify_one();
        }
    }
}
