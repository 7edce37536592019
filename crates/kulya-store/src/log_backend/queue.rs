//! The queue between the callers of a store and the one task that writes its log.

use super::error::{duplicate_error, store_closed};
use crate::{Error, Result};
use std::collections::VecDeque;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A queued request.
#[derive(Debug)]
pub struct Job<Q, R> {
    /// The request.
    pub request: Q,
    reply: oneshot::Sender<Result<R>>,
    /// The memory that the request holds until it is answered.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<Q, R> Job<Q, R> {
    /// Sends the response to the caller, if it still waits.
    pub fn respond(self, response: Result<R>) {
        let _ = self.reply.send(response);
    }

    /// Returns whether the caller no longer waits for a response.
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// Creates an unbounded queue. Callers bound it by the permits that they submit with their requests.
pub fn job_queue<Q, R>() -> (JobSender<Q, R>, JobReceiver<Q, R>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (JobSender(sender), JobReceiver(receiver))
}

/// The callers' end of a queue.
#[derive(Debug)]
pub struct JobSender<Q, R>(mpsc::UnboundedSender<Job<Q, R>>);

impl<Q, R> Clone for JobSender<Q, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, R> JobSender<Q, R> {
    /// Submits a request and waits for its response. Cancel-safe: a request that was submitted may be
    /// executed.
    ///
    /// # Errors
    /// `Closed` when the receiving task has ended; otherwise the error of the request.
    pub async fn submit(&self, request: Q, permit: Option<OwnedSemaphorePermit>) -> Result<R> {
        let response = self.enqueue(request, permit).ok_or_else(store_closed)?;
        response.await.map_err(|_| store_closed())?
    }

    /// Submits a request without waiting for its response.
    pub fn submit_detached(&self, request: Q) {
        let _ = self.0.send(Job { request, reply: oneshot::channel().0, _permit: None });
    }

    /// Submits a request and returns the receiver of its response; `None` when the receiving task has ended.
    pub fn enqueue(
        &self,
        request: Q,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<oneshot::Receiver<Result<R>>> {
        let (reply, response) = oneshot::channel();
        self.0.send(Job { request, reply, _permit: permit }).ok().map(|()| response)
    }
}

/// The receiving task's end of a queue.
#[derive(Debug)]
pub struct JobReceiver<Q, R>(mpsc::UnboundedReceiver<Job<Q, R>>);

impl<Q, R> JobReceiver<Q, R> {
    /// Waits for the next job; `None` when all senders were dropped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Job<Q, R>> {
        self.0.recv().await
    }

    /// Returns the next job if one is ready.
    pub fn try_next(&mut self) -> Option<Job<Q, R>> {
        self.0.try_recv().ok()
    }

    /// Waits until `jobs` holds at least one job and adds those that are ready, up to `max` in all. Returns
    /// `false` when all senders were dropped. Cancel-safe.
    pub async fn fill(&mut self, jobs: &mut VecDeque<Job<Q, R>>, max: usize) -> bool {
        if jobs.is_empty() {
            let Some(job) = self.next().await else { return false };
            jobs.push_back(job);
        }
        while jobs.len() < max
            && let Some(job) = self.try_next()
        {
            jobs.push_back(job);
        }
        true
    }
}

/// Responds to all jobs with copies of an error.
pub fn fail_all<Q, R>(jobs: impl IntoIterator<Item = Job<Q, R>>, error: &Error) {
    jobs.into_iter().for_each(|job| job.respond(Err(duplicate_error(error))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn jobs_are_taken_in_batches_and_answered_once() {
        let (sender, mut receiver) = job_queue::<u32, u32>();
        let mut jobs = VecDeque::new();
        let calls = futures::future::join_all((0..5).map(|n| sender.submit(n, None)));
        let worker = async {
            assert!(receiver.fill(&mut jobs, 3).await);
            assert_eq!(jobs.len(), 3);
            jobs.drain(..).for_each(|job| {
                let response = job.request + 10;
                job.respond(Ok(response));
            });
            assert!(receiver.fill(&mut jobs, 3).await);
            fail_all(jobs.drain(..), &Error::invalid("broken"));
        };
        let (responses, ()) = tokio::join!(calls, worker);
        let responses: Vec<_> =
            responses.into_iter().map(|response| response.map_err(|e| e.kind())).collect();
        let broken = Err(ErrorKind::InvalidInput);
        assert_eq!(responses, [Ok(10), Ok(11), Ok(12), broken, broken]);
        sender.submit_detached(7);
        assert!(receiver.next().await.unwrap().is_abandoned());
        drop(receiver);
        assert_eq!(sender.submit(1, None).await.unwrap_err().kind(), ErrorKind::Closed);
    }
}
