//! Access to Pravega for the store's calls and its transactions: controller, segments and journal of an open
//! store.

use crate::controller::Controller;
use crate::fast_path::FastAppend;
use crate::journal_handle::{JournalHandle, journal_stream};
use crate::layout::{LayoutCache, StreamLayout, StreamLayouts};
use crate::plan::{Request, Response};
use crate::segments::Segments;
use crate::settings::Settings;
use crate::state::State;
use kulya_store::log_backend::error::store_closed;
use kulya_store::log_backend::queue::JobSender;
use kulya_store::supervision::Supervisor;
use kulya_store::{Append, Error, ErrorKind, Result, SegmentId, StreamId, framing};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, watch};

/// The maximum number of bytes of pending commits; beyond it writers wait (backpressure).
pub(crate) const MAX_PENDING_BYTES: usize = 64 << 20;

/// Access to Pravega, shared by all calls of a store.
pub(crate) struct PravegaClient {
    pub(crate) controller: Arc<Controller>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) layouts: LayoutCache,
    /// The journal, once it was opened, or created by the first commit that needs it.
    journal: OnceCell<JournalHandle>,
    /// The queues of the fast paths, by segment.
    pub(crate) fast_paths: Mutex<HashMap<SegmentId, JobSender<FastAppend, u64>>>,
    /// One permit for each byte of pending commits.
    pub(crate) permits: Semaphore,
    pub(crate) instance: u128,
    pub(crate) timeout: Duration,
    /// The store's background tasks and the health of its components.
    pub(crate) supervisor: Supervisor,
    pub(crate) closed: watch::Sender<bool>,
}

impl PravegaClient {
    /// Creates a client from settings; sends no request.
    ///
    /// # Errors
    /// `InvalidInput` when the settings are not valid.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let controller = Arc::new(Controller::new(&settings)?);
        let (instance, timeout) = (settings.instance, settings.timeout);
        let segments = Arc::new(Segments::new(Arc::clone(&controller), settings));
        Ok(Self {
            controller,
            segments,
            layouts: LayoutCache::default(),
            journal: OnceCell::new(),
            fast_paths: Mutex::default(),
            permits: Semaphore::new(MAX_PENDING_BYTES),
            instance,
            timeout,
            supervisor: Supervisor::default(),
            closed: watch::Sender::new(false),
        })
    }

    /// Returns an error if the store is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(store_closed()) } else { Ok(()) }
    }

    /// Runs a call with the timeout of the settings, plus one second per MiB of payload.
    pub(crate) async fn with_deadline<T>(
        &self,
        bytes: usize,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.check_open()?;
        let limit = self.timeout + Duration::from_secs((bytes >> 20) as u64);
        match tokio::time::timeout(limit, call).await {
            Ok(done) => done,
            Err(_) => Err(self.controller.timeout_error(limit)),
        }
    }

    /// Calls a function with the state of the journal; an empty one when none exists.
    pub(crate) fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        match self.journal.get() {
            Some(journal) => read(&journal.state.lock().unwrap_or_else(PoisonError::into_inner)),
            None => read(&State::default()),
        }
    }

    /// Checks whether the controller and a segment store answer.
    pub(crate) async fn check_available(&self) -> Result<()> {
        match self.journal.get() {
            Some(journal) => self.segments.bounds(&journal.segment).await.map(drop)?,
            None => _ = self.open_journal().await?,
        }
        self.controller.scope_exists(&journal_stream().scope).await.map(drop)
    }

    /// Returns the journal, if it exists and we may read it.
    pub(crate) async fn open_journal(&self) -> Result<Option<&JournalHandle>> {
        let found = self
            .journal
            .get_or_try_init(|| JournalHandle::open(&self.segments, self.instance, &self.supervisor))
            .await;
        match found {
            Ok(journal) => Ok(Some(journal)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the journal, which is created if it does not exist.
    async fn create_journal(&self) -> Result<&JournalHandle> {
        self.journal
            .get_or_try_init(|| JournalHandle::create(&self.segments, self.instance, &self.supervisor))
            .await
    }

    /// Submits a request to the journal, which is created if it must be written to.
    pub(crate) async fn submit(&self, request: Request) -> Result<Response> {
        self.check_open()?;
        let journal = match request {
            Request::Sync => match self.open_journal().await? {
                Some(journal) => journal,
                // nothing was ever written
                None => return Ok(Response::Unchanged),
            },
            _ => self.create_journal().await?,
        };
        journal.jobs.submit(request, None).await
    }

    /// Submits a request without waiting for the response.
    pub(crate) fn submit_detached(&self, request: Request) {
        if let Some(journal) = self.journal.get() {
            journal.jobs.submit_detached(request);
        }
    }

    /// Brings the state up to the end of the journal, so that everything written before this call is visible.
    pub(crate) async fn sync(&self) -> Result<()> {
        self.submit(Request::Sync).await.map(drop)
    }

    /// Returns the layout of a stream, cached or fetched.
    pub(crate) async fn layout(&self, stream: &StreamId) -> Result<Arc<StreamLayout>> {
        let as_of = self.with_state(|state| state.published);
        self.layouts.get(&self.controller, stream, as_of).await
    }

    /// Returns the layout of a stream, fetched again.
    pub(crate) async fn refresh_layout(&self, stream: &StreamId) -> Result<Arc<StreamLayout>> {
        self.layouts.invalidate(stream);
        self.layout(stream).await
    }

    /// Returns the layouts of the streams of events, all of which must be open.
    pub(crate) async fn layouts(&self, appends: &[Append]) -> Result<StreamLayouts> {
        let streams: BTreeSet<&StreamId> = appends.iter().map(|append| &append.stream).collect();
        let mut found = StreamLayouts::new();
        for stream in streams {
            let layout = self.layout(stream).await?;
            if layout.sealed {
                return Err(Error::sealed(stream));
            }
            found.insert(stream.clone(), layout);
        }
        for append in appends {
            framing::check_size(&append.stream, append.event.len())?;
        }
        Ok(found)
    }
}
