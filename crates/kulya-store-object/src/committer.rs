//! The one task of a process that writes the log: takes what is asked, makes an object of as much as fits, and answers when it
//! stands in the log. What is asked meanwhile goes into the next object, so that many small commits share one round.

use crate::bucket::{Found, Put};
use crate::journal::{Journal, again};
use crate::object::{self, Kind};
use crate::plan::{Answer, Ask, Laid, Plan};
use crate::record::{Author, Log};
use crate::upkeep;
use kulya_store::{Error, Result};
use object_store::PutPayload;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Requests that are looked at in one round.
const MOST_JOBS: usize = 4096;

/// A request, who waits for its answer, and the room it takes meanwhile.
pub(crate) struct Job {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer>>,
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// Works until nobody can ask any more.
pub(crate) async fn run(
    journal: Arc<Journal>,
    asking: mpsc::WeakUnboundedSender<Job>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    let mut committer = Committer { journal, asking, tries: 0, unkeyed: 0, keeping: Arc::default() };
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
            // whoever asked is told, and may ask again; nothing is tried for ever
            queue.drain(..).for_each(|job| _ = job.reply.send(Err(again(&error))));
        }
    }
}

struct Committer {
    journal: Arc<Journal>,
    asking: mpsc::WeakUnboundedSender<Job>,
    /// Counts the objects that were tried.
    tries: u64,
    unkeyed: u32,
    /// Whether the log is being tidied.
    keeping: Arc<AtomicBool>,
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
        loop {
            let now = self.journal.bucket.settings.clock.since_epoch().as_millis() as u64;
            let mut plan = self.journal.with(|state| {
                let mut plan = Plan::new(state, now, self.unkeyed);
                let _ = queue.iter().all(|job| plan.take(state, &job.ask));
                plan
            })?;
            if plan.is_empty() && !fresh {
                // nothing is written that would say whether the state is the last one
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
        let length = events.iter().map(|events| events.len() as u64).sum();
        let begin = object::begin(Kind::Log, plan.number, &log, length).map_err(Error::invalid)?;
        let events_from = begin.len() as u64;
        let body: PutPayload = std::iter::once(begin).chain(events.iter().cloned()).collect();
        let landing = self.land(plan.number, author, body).await?;
        if let Landing::Landed = landing {
            self.journal.take(plan.number, events_from, &log)?;
            for (batch, events) in log.batches.iter().zip(events) {
                self.journal.keep(plan.number, events_from + batch.at, events);
            }
        }
        Ok(landing)
    }

    /// Sees to it that something stands under the number, and says whether it is this. An error means that nobody knows, but
    /// for one that says that nothing was written: what may still come is read when it has come.
    async fn land(&self, number: u64, author: Author, body: PutPayload) -> Result<Landing> {
        let bucket = &self.journal.bucket;
        let (mut failed, mut sure) = (0, true);
        loop {
            let error = match bucket.create_log(number, body.clone()).await {
                Put::Made => return Ok(Landing::Landed),
                // nothing of this object is on its way, and no one else's was said to be there
                Put::Refused(error) if sure => return Err(error),
                Put::Taken => None,
                Put::Refused(error) | Put::Unsure(error) => Some(error),
            };
            sure = false;
            match bucket.log(number).await? {
                Found::Log(arrived) if arrived.log.author() == author => return Ok(Landing::Landed),
                Found::GivenBack { author: theirs, .. } if theirs == author => return Ok(Landing::Landed),
                Found::Log(arrived) => {
                    self.journal.arrive(number, &arrived)?;
                    return Ok(Landing::Lost);
                }
                Found::GivenBack { .. } => return Ok(Landing::Lost),
                Found::Nothing => {}
            }
            // a storage may say that somebody else is just writing there, and then he does not
            failed += 1;
            if !bucket.settings.pause(failed).await {
                return Err(error.unwrap_or_else(|| bucket.unreachable_log(number)));
            }
        }
    }

    /// Now and then somebody writes the state down and gives room back: whoever wrote the object whose turn it is.
    fn keep_up(&self, plan: &Plan) {
        let every = self.journal.bucket.settings.checkpoint_every.max(1);
        if plan.is_upkeep
            || !(plan.number + 1).is_multiple_of(every)
            || self.keeping.swap(true, Ordering::SeqCst)
        {
            return;
        }
        let (journal, asking, keeping) =
            (Arc::clone(&self.journal), self.asking.clone(), Arc::clone(&self.keeping));
        tokio::spawn(async move {
            // what fails is done the next time
            if let Err(error) = upkeep::run(&journal, &asking).await {
                tracing::warn!("the log was not tidied: {error}");
            }
            keeping.store(false, Ordering::SeqCst);
        });
    }
}

/// Asks without waiting for the answer.
pub(crate) fn tell(jobs: &mpsc::UnboundedSender<Job>, ask: Ask) {
    let _ = jobs.send(Job { ask, reply: oneshot::channel().0, _room: None });
}
