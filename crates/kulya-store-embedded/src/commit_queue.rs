//! The way of a request to the committer: to its thread, or, where everything shall happen in a known order, to a queue
//! that whoever waits works off.

use crate::committer::{Committer, PendingRequest};
use kulya_store::supervision::Supervisor;
use kulya_store::{Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;

pub(crate) enum CommitQueue {
    Thread { requests: Mutex<Option<mpsc::Sender<PendingRequest>>>, committer: Mutex<Option<JoinHandle<()>>> },
    Inline(Mutex<Option<Box<Inline>>>),
}

pub(crate) struct Inline {
    committer: Committer,
    queue: VecDeque<PendingRequest>,
}

impl CommitQueue {
    pub(crate) fn thread(mut committer: Committer, supervisor: &Supervisor) -> Result<Self> {
        let (requests, queue) = mpsc::channel();
        let committer =
            supervisor.thread("store.log", HealthStatus::Failed, move || committer.run(&queue)).map_err(
                |e| Error::new(ErrorKind::Failed, "cannot start the committer's thread").because(e),
            )?;
        Ok(Self::Thread { requests: Mutex::new(Some(requests)), committer: Mutex::new(Some(committer)) })
    }

    /// One that takes nothing.
    pub(crate) fn closed() -> Self {
        Self::Thread { requests: Mutex::new(None), committer: Mutex::new(None) }
    }

    pub(crate) fn inline(committer: Committer) -> Self {
        Self::Inline(Mutex::new(Some(Box::new(Inline { committer, queue: VecDeque::new() }))))
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    /// Hands a request over; `None` when the door is closed. On return an inline committer has answered it.
    pub(crate) async fn send(&self, waiting: PendingRequest) -> Option<()> {
        self.post(waiting)?;
        if let Self::Inline(inline) = self {
            // whoever asks at the same time comes into the same group
            yield_once().await;
            if let Some(inline) = lock(inline).as_mut() {
                inline.work();
            }
        }
        Some(())
    }

    /// Hands a request over and waits for nothing.
    pub(crate) fn post(&self, waiting: PendingRequest) -> Option<()> {
        match self {
            Self::Thread { requests, .. } => {
                lock(requests).as_ref().and_then(|requests| requests.send(waiting).ok())
            }
            Self::Inline(inline) => lock(inline).as_mut().map(|inline| inline.queue.push_back(waiting)),
        }
    }

    /// Lets the committer finish what waits, then ends it.
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
                    inline.work();
                    inline.committer.finish();
                }
            }
        }
    }
}

impl Inline {
    fn work(&mut self) {
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
            return Poll::WritableStore(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
