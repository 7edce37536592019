//! Opens a store: recovery, then the committer and the maintenance thread.

use super::core::{EmbeddedStore, Inner, OpenGuard, QUEUE_BYTES, TransactionIds};
use super::{maintenance, options::Options};
use crate::checkpoint::Checkpoint;
use crate::commit_queue::CommitQueue;
use crate::committer::Committer;
use crate::disk::LogFile;
use crate::folder::Folder;
use crate::frame::FrameKey;
use crate::index::{Index, LsmIndex, ObservedIndex};
use crate::maintenance::{Maintenance, MaintenanceHandle};
use crate::prepare::{self, WritableStore};
use crate::recovery;
use crate::state::State;
use crate::wakeup::Wakeup;
use kulya_store::Result;
use kulya_store::supervision::Supervisor;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

impl EmbeddedStore {
    /// Opens the store in the folder `path`, or creates one if the folder is empty or does not exist.
    /// Replays the log after the last checkpoint, or all of it if the index is lost.
    ///
    /// # Errors
    /// `Locked` (another process owns the folder), `InvalidInput` (the folder contains something else),
    /// `Corrupt` (the log is damaged, or the format is newer), `Full`, `Failed` (I/O).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// Opens a store with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let disk = Arc::clone(&options.disk);
        let folder = Arc::new(Folder::open_or_create(path.as_ref(), disk, options.secret)?);
        let supervisor = Supervisor::default();
        let index = options.index.clone().unwrap_or_else(|| Arc::new(LsmIndex::at(&folder.index_path())));
        let index: Arc<dyn Index> = Arc::new(ObservedIndex::new(index, supervisor.component("store.index")));
        let recovery = recovery::recover(&folder, &index)?;
        let WritableStore { state, checkpoint, log } = prepare::prepare(&folder, recovery)?;
        Self::start(folder, state, checkpoint, Some(log), supervisor, options)
    }

    /// Starts a store with a recovered state; read-only without a log to write to.
    pub(crate) fn start(
        folder: Arc<Folder>,
        state: State,
        checkpoint: Option<Checkpoint>,
        log: Option<Box<dyn LogFile>>,
        supervisor: Supervisor,
        options: Options,
    ) -> Result<Self> {
        let Options { log_file_bytes, inline, clock, maintenance_interval, .. } = options;
        let log_health = supervisor.component("store.log");
        let is_read_only = log.is_none();
        let commits = watch::channel(state.end.sequence).0;
        let last_id = state.last_transaction;
        let synced = state.end.sequence;
        let needs_checkpoint =
            state.needs_checkpoint() || state.files.by_id.len() > 1 && checkpoint.is_none();
        let state = Arc::new(RwLock::new(state));
        let wakeup = Arc::new(Wakeup::default());
        let unkeyed = Arc::new(AtomicU32::new(0));
        let committer = |log| {
            let read = state.read().unwrap_or_else(PoisonError::into_inner);
            let position = read.position;
            let name = read
                .files
                .by_id
                .get(&position.file)
                .map(|info| info.name)
                .expect("the current file is in the state");
            Committer {
                state: Arc::clone(&state),
                commits: commits.clone(),
                folder: Arc::clone(&folder),
                log,
                position,
                name,
                file_bytes: log_file_bytes,
                synced,
                frame_key: FrameKey::new(folder.key(), name),
                sync_mark: folder.open_sync_mark(),
                unkeyed: Arc::clone(&unkeyed),
                clock: Arc::clone(&clock),
                buffer: Vec::new(),
                failed: None,
                health: log_health.clone(),
                lock_checked: Instant::now(),
                is_full: false,
                wakeup: Arc::clone(&wakeup),
            }
        };
        let commit_queue = match log.map(committer) {
            Some(committer) if inline => CommitQueue::inline(committer),
            Some(committer) => CommitQueue::spawn(committer, &supervisor)?,
            None => CommitQueue::closed(),
        };
        let maintenance = Maintenance {
            state: Arc::clone(&state),
            folder: Arc::clone(&folder),
            file_bytes: log_file_bytes,
            last: checkpoint,
        };
        let inner = Arc::new(Inner {
            state,
            commits,
            commit_queue,
            queue_permits: Arc::new(Semaphore::new(QUEUE_BYTES)),
            folder,
            files: Mutex::default(),
            maintenance: Mutex::new(maintenance),
            wakeup,
            clock,
            maintenance_thread: MaintenanceHandle::new(maintenance_interval, &supervisor),
            supervisor,
            log: log_health,
            transactions: tokio::sync::Mutex::new(TransactionIds { last: last_id, reserved: last_id }),
            open_transactions: Mutex::default(),
            unkeyed,
            is_closed: AtomicBool::new(false),
            is_read_only,
        });
        if !inline && !is_read_only {
            maintenance::start(&inner)?;
        }
        if needs_checkpoint && !is_read_only {
            inner.wakeup.notify();
        }
        Ok(Self { _open: Some(Arc::new(OpenGuard(Arc::clone(&inner)))), inner })
    }
}
