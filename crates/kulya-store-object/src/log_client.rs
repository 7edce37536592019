//! Access to the log for the store's calls, its transactions and maintenance: submits requests to the
//! committer, and reads the state at the end of the log.

use crate::journal::Journal;
use crate::plan::{MAX_BYTES, Request, Response};
use crate::state::State;
use kulya_store::log_backend::error::store_closed;
use kulya_store::log_backend::queue::JobSender;
use kulya_store::{Error, Result, SegmentId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// The maximum number of bytes of queued requests; beyond it writers wait (backpressure).
const MAX_PENDING_BYTES: usize = 64 << 20;

/// Access to the log of an open store.
pub(crate) struct LogClient {
    pub(crate) journal: Arc<Journal>,
    jobs: JobSender<Request, Response>,
    /// One permit for each byte of queued requests.
    permits: Arc<Semaphore>,
    closed: watch::Sender<bool>,
}

impl LogClient {
    /// Creates a client of a journal and the queue of its committer.
    pub(crate) fn new(journal: Arc<Journal>, jobs: JobSender<Request, Response>) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_PENDING_BYTES));
        Self { journal, jobs, permits, closed: watch::Sender::new(false) }
    }

    /// Closes the store: later calls fail, and waiting readers return.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Returns an error if the store is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(store_closed()) } else { Ok(()) }
    }

    /// Submits a request and waits for its response.
    ///
    /// # Errors
    /// `Closed` when the store is closed; `InvalidInput` when the request is too large; otherwise the error
    /// of the request.
    pub(crate) async fn submit(&self, request: Request) -> Result<Response> {
        self.check_open()?;
        self.journal.check_writable()?;
        let bytes = request.bytes();
        if bytes > MAX_BYTES {
            return Err(Error::invalid(format!(
                "request of {bytes} bytes exceeds the maximum of {MAX_BYTES}: stage events in a transaction, in smaller parts"
            )));
        }
        let permits = Arc::clone(&self.permits).acquire_many_owned(bytes.min(MAX_PENDING_BYTES) as u32).await;
        self.jobs.submit(request, permits.ok()).await
    }

    /// Submits a request and returns whether it changed anything.
    pub(crate) async fn submit_change(&self, request: Request) -> Result<bool> {
        Ok(matches!(self.submit(request).await?, Response::Changed(true)))
    }

    /// Submits a request without waiting for the response.
    pub(crate) fn submit_detached(&self, request: Request) {
        self.jobs.submit_detached(request);
    }

    /// Calls a function with the state at the end of the log.
    pub(crate) async fn read_state<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T> {
        self.check_open()?;
        self.journal.sync().await?;
        self.journal.with_state(read)
    }

    /// Waits until a segment has events after an offset.
    ///
    /// # Errors
    /// `Sealed` when nothing can follow; `Closed` when the store is closed meanwhile.
    pub(crate) async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut closing = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(store_closed()),
            waited = self.poll_for_data(segment, offset) => waited,
        }
    }

    async fn poll_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut log_end = self.journal.log_end.subscribe();
        self.journal.sync().await?;
        let longest = self.journal.bucket.settings.poll_interval;
        let mut pause = (longest / 32).max(Duration::from_millis(1)).min(longest);
        loop {
            log_end.borrow_and_update();
            let sync_count = self.journal.sync_count();
            let (tail, sealed) = self
                .journal
                .with_state(|state| state.segment(segment).map(|(found, sealed)| (found.tail, sealed)))??;
            if tail > offset {
                return Ok(());
            }
            if sealed {
                return Err(Error::sealed(&segment.stream));
            }
            tokio::select! {
                _ = log_end.changed() => {}
                () = tokio::time::sleep(pause) => {
                    // poll less and less often while nothing arrives
                    pause = (pause + pause / 4).min(longest);
                    // of many waiting readers only one polls
                    if self.journal.sync_count() == sync_count {
                        self.journal.sync().await?;
                    }
                }
            }
        }
    }
}
