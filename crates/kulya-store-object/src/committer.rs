//! The one task of a process that writes the log: takes what is asked, makes an object of as much as fits, and answers when it
//! stands in the log. What is asked meanwhile goes into the next object, so that many small commits share one round.

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

/// Requests that are looked at in one round.
const MOST_JOBS: usize = 4096;

/// A request, who waits for its answer, and the room it takes meanwhile.
pub(crate) struct Job {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer>>,
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// Works until nobody can ask any more; notifies whoever does the maintenance when it is due.
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
            // whoever asked is told, and may ask again; nothing is tried for ever. Who came while it failed need not wait for
            // the next failure
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
    /// Counts the objects that were tried.
    tries: u64,
    unkeyed: u32,
}

enum Landing {
    /// The object is in the log.
    Landed,
    /// Another one stands in its place.
    Lost,
}

impl Committer {
    /// One object at the most. An error is everybody's who is still in the queue.
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
                // nothing is written that would say whether the state is the last one; or this process has slept
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
            // what was there before nobody knows any more; what was put there now nobody reads
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

    /// Whether an object that was just put stands at the log's end. Not so in front of where the log begins now, whose objects
    /// were deleted while this process slept; an error, when it fills a hole: the object behind it follows another one.
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
                "it was put where an object is missing: the one behind it follows another one".to_owned();
            return Err(bucket.damaged_log(number, what));
        }
        self.journal.be_sure(now);
        Ok(true)
    }

    /// Sees to it that something stands under the number, and says whether it is this. An error means that nobody knows, but
    /// for one that says that nothing was written: what may still come is read when it has come.
    async fn land(&self, number: u64, author: Author, body: PutPayload) -> Result<Landing> {
        let bucket = &self.journal.bucket;
        let (mut failed, mut sure) = (0, true);
        let begun = Instant::now();
        loop {
            let error = match bucket.create_log(number, body.clone()).await {
                Put::Made => return Ok(Landing::Landed),
                // it stands there, and others see it: whether it stays nobody knows
                Put::Undurable(error) => {
                    self.journal.stop(again(&error));
                    return Err(error);
                }
                // nothing of this object is on its way, and no one else's was said to be there
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
            // a storage may say that somebody else is just writing there, and then he does not
            failed += 1;
            if !bucket.settings.pause(failed, begun).await {
                return Err(error.unwrap_or_else(|| bucket.unreachable_log(number)));
            }
        }
    }

    /// Now and then somebody merges small objects and writes the state down: whoever wrote the object whose turn it is.
    fn keep_up(&self, plan: &Plan) {
        if !plan.is_upkeep && maintenance::is_checkpoint_due(&self.journal).unwrap_or(false) {
            self.due.notify_one();
        }
    }
}

/// Asks without waiting for the answer.
pub(crate) fn tell(jobs: &mpsc::UnboundedSender<Job>, ask: Ask) {
    let _ = jobs.send(Job { ask, reply: oneshot::channel().0, _room: None });
}
