//! The queue of requests to the committer: a channel to its thread, or, for deterministic execution, a
//! queue that the callers drain themselves.

use crate::committer::{Committer, PendingRequest};
use kulya_store::supervision::Supervisor;
use kulya_store::{Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;

/// The queue of requests to the committer.
pub(crate) enum CommitQueue {
    /// The committer runs on its own thread.
    Thread { requests: Mutex<Option<mpsc::Sender<PendingRequest>>>, committer: Mutex<Option<JoinHandle<()>>> },
    /// The callers run the committer.
    Inline(Mutex<Option<Box<Inline>>>),
}

/// A committer without a thread, and its queue.
pub(crate) struct Inline {
    committer: Committer,
    queue: VecDeque<PendingRequest>,
}

impl CommitQueue {
    pub(crate) fn spawn(mut committer: Committer, supervisor: &Supervisor) -> Result<Self> {
        let (requests, queue) = mpsc::channel();
        let committer = supervisor
            .spawn_thread("store.log", HealthStatus::Failed, move || committer.run(&queue))
            .map_err(|e| Error::new(ErrorKind::Failed, "cannot start the committer thread").because(e))?;
        Ok(Self::Thread { requests: Mutex::new(Some(requests)), committer: Mutex::new(Some(committer)) })
    }

    /// Creates a queue that accepts nothing.
    pub(crate) fn closed() -> Self {
        Self::Thread { requests: Mutex::new(None), committer: Mutex::new(None) }
    }

    pub(crate) fn inline(committer: Committer) -> Self {
        Self::Inline(Mutex::new(Some(Box::new(Inline { committer, queue: VecDeque::new() }))))
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    /// Sends a request; `None` if the queue is closed. On return an inline committer has processed it.
    pub(crate) async fn send(&self, pending: PendingRequest) -> Option<()> {
        self.enqueue(pending)?;
        if let Self::Inline(inline) = self {
            // concurrent callers get into the same group commit
            yield_once().await;
            if let Some(inline) = lock(inline).as_mut() {
                inline.drain();
            }
        }
        Some(())
    }

    /// Enqueues a request without waiting.
    pub(crate) fn enqueue(&self, pending: PendingRequest) -> Option<()> {
        match self {
            Self::Thread { requests, .. } => {
                lock(requests).as_ref().and_then(|requests| requests.send(pending).ok())
            }
            Self::Inline(inline) => lock(inline).as_mut().map(|inline| inline.queue.push_back(pending)),
        }
    }

    /// Lets the committer process the queue, then stops it.
    pub(crate) fn close(&self) {
        match self {
            Self::Thread { requests, committer } => {
                drop(lock(requests).take());
                if let Some(committer) = lock(committer).take() {
                    let _ = committer.join();
                }
            }
            Self::Inline(inline) => {
                if let Some(mut inline) = lock(inline).take() {
                    inline.drain();
                    inline.committer.finish();
                }
            }
        }
    }
}

impl Inline {
    fn drain(&mut self) {
        while !self.queue.is_empty() {
            self.committer.commit_group(&mut self.queue);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
