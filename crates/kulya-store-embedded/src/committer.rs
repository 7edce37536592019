//! The committer, the only writer of the log: takes all waiting requests, writes them as one frame, syncs
//! once if any of them asks for it (group commit), and only then updates the visible state and responds.
//! Requests that arrive during a sync form the next group.

use crate::disk::{InPlaceFile, LogFile};
use crate::error::disk_error;
use crate::folder::Folder;
use crate::frame::{self, FrameKey, LogEnd};
use crate::log_name::{LogName, LogPosition};
use crate::manifest::{Manifest, SyncMark, SyncedFile};
use crate::op::OpReader;
use crate::plan::{Plan, Request, Response};
use crate::state::{LogInfo, State};
use crate::wakeup::Wakeup;
use kulya_store::clock::Clock;
use kulya_store::supervision::Component;
use kulya_store::{Durability, Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

/// The maximum size of a group's frame, in bytes, after which no request is added.
const GROUP_BYTES: usize = 1 << 20;
/// The minimum interval between checks of the folder's lock.
const LOCK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum capacity of the frame buffer that is reused, in bytes.
const MAX_BUFFER_BYTES: usize = 2 << 20;

/// A queued request with its share of the queue's memory limit. The request is returned with the response,
/// so that its caller frees it and not the committer.
pub(crate) struct PendingRequest {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<(Request, Result<Response>)>,
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// Returns the round-robin number of the next event without a key.
pub(crate) fn next_unkeyed(unkeyed: &AtomicU32) -> u32 {
    unkeyed.fetch_add(1, Ordering::Relaxed)
}

/// The writer of the log; runs until all senders of requests are dropped.
pub(crate) struct Committer {
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) commits: watch::Sender<u64>,
    pub(crate) folder: Arc<Folder>,
    pub(crate) log: Box<dyn LogFile>,
    /// The current log file, and its length.
    pub(crate) position: LogPosition,
    pub(crate) name: LogName,
    /// The maximum size of a log file, in bytes, after which a new one is started.
    pub(crate) file_bytes: u64,
    /// The sequence of the last synced frame.
    pub(crate) synced: u64,
    /// The key of the current file's frames.
    pub(crate) frame_key: FrameKey,
    /// The file that records how far the log is synced.
    pub(crate) sync_mark: Option<Box<dyn InPlaceFile>>,
    /// The round-robin counter of events without a key.
    pub(crate) unkeyed: Arc<AtomicU32>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The buffer of frames, reused to avoid an allocation per frame.
    pub(crate) buffer: Vec<u8>,
    /// Why all later requests fail: an I/O error left the content of the disk unknown.
    pub(crate) failed: Option<String>,
    /// The health of the log.
    pub(crate) health: Component,
    /// The time of the last check of the folder's lock.
    pub(crate) lock_checked: Instant,
    /// Whether the last write failed because the disk is full.
    pub(crate) is_full: bool,
    /// Wakes up maintenance.
    pub(crate) wakeup: Arc<Wakeup>,
}

impl Committer {
    pub(crate) fn run(&mut self, requests: &Receiver<PendingRequest>) {
        let mut queue = VecDeque::new();
        while let Some(first) = queue.pop_front().or_else(|| requests.recv().ok()) {
            queue.push_front(first);
            queue.extend(requests.try_iter());
            self.commit_group(&mut queue);
        }
        self.finish();
    }

    /// Shuts down: syncs what was only written and updates the manifest.
    pub(crate) fn finish(&mut self) {
        if self.failure().is_some() {
            return;
        }
        let end = read(&self.state).end;
        if self.sync_before(end).is_err() {
            return;
        }
        let result =
            self.folder.write_manifest(|manifest| Manifest::from_state(manifest.key, &read(&self.state)));
        if let Err(error) = result {
            tracing::warn!("cannot update the manifest on close: {error}");
        }
    }

    /// Commits one group from the front of the queue, which is not empty.
    pub(crate) fn commit_group(&mut self, queue: &mut VecDeque<PendingRequest>) {
        let state = Arc::clone(&self.state);
        let mut durability = Durability::Written;
        let (mut planned, before, events, has_ops) = {
            let state = state.read().unwrap_or_else(PoisonError::into_inner);
            let mut plan = Plan::new(
                &state,
                std::mem::take(&mut self.buffer),
                self.clock.since_epoch().as_millis() as u64,
            );
            let mut planned = Vec::new();
            while let Some(next) = queue.front() {
                let is_exclusive = Plan::is_exclusive(&next.request);
                if is_exclusive && !planned.is_empty() || plan.frame.len() > GROUP_BYTES {
                    break;
                }
                let Some(mut pending) = queue.pop_front() else { break };
                match plan.add(&mut pending.request, || next_unkeyed(&self.unkeyed)) {
                    Ok(response) => {
                        if pending.request.durability() == Durability::Synced {
                            durability = Durability::Synced;
                        }
                        planned.push((pending, response));
                    }
                    Err(error) => drop(pending.reply.send((pending.request, Err(error)))),
                }
                if is_exclusive {
                    break;
                }
            }
            let (has_ops, events) = (!plan.is_empty(), plan.events);
            self.buffer = plan.frame;
            (planned, state.end, events, has_ops)
        };
        let written = match has_ops {
            true => self.write(before, events, durability),
            // the original of a duplicate may have been written without a sync
            false if durability == Durability::Synced => {
                self.sync_before(before).map_err(|e| (e.kind(), e.to_string()))
            }
            false => Ok(()),
        };
        if self.buffer.capacity() > MAX_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        for (pending, response) in planned.drain(..) {
            let result = match &written {
                Ok(()) => Ok(response),
                Err((kind, message)) => Err(Error::new(*kind, message.clone())),
            };
            // the caller may be dropped; the write stays
            let _ = pending.reply.send((pending.request, result));
        }
    }

    /// Writes and syncs the frame in the buffer, then applies it to the state. The error is a kind and a
    /// message, which is copied for each request of the group.
    fn write(
        &mut self,
        before: LogEnd,
        events: u64,
        durability: Durability,
    ) -> std::result::Result<(), (ErrorKind, String)> {
        if let Some(reason) = self.failure() {
            let message = format!("an earlier write failed ({reason}): reopen the store");
            return Err((ErrorKind::Failed, message));
        }
        if self.lock_checked.elapsed() > LOCK_CHECK_INTERVAL {
            self.check_lock().map_err(|error| (error.kind(), error.to_string()))?;
        }
        let end = match self.roll_file(before).and_then(|()| self.append(before, events, durability)) {
            Ok(end) => end,
            Err(error) => {
                if error.kind() == ErrorKind::Full && self.failure().is_none() {
                    self.is_full = true;
                    self.health.set(HealthStatus::Degraded, error.to_string());
                }
                return Err((error.kind(), error.to_string()));
            }
        };
        if std::mem::take(&mut self.is_full) {
            self.health.set_healthy();
        }
        let position = self.position.length;
        self.position.length += self.buffer.len() as u64;
        let body = self.buffer.get(frame::HEADER_BYTES..).unwrap_or_default();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut ops = OpReader::new(body);
        while let Some((op, at)) = ops.next().expect("the ops were just encoded") {
            let at = position + (frame::HEADER_BYTES + at) as u64;
            state.apply(&op, self.position.file, at).expect("the plan was made against this state");
        }
        state.files.add_framing(self.position.file, frame::HEADER_BYTES as u64);
        state.set_position(self.position, end);
        let needs_checkpoint = state.needs_checkpoint();
        drop(state);
        if needs_checkpoint {
            self.wakeup.notify();
        }
        self.commits.send_replace(end.sequence);
        Ok(())
    }

    /// Rolls over to a new log file if the current one is full.
    fn roll_file(&mut self, before: LogEnd) -> Result<()> {
        if self.position.length < self.file_bytes {
            return Ok(());
        }
        // the new file is created by path, which must still be our folder
        self.check_lock()?;
        // a file is synced before the next one starts
        self.sync_before(before)?;
        let number = self.name.last.checked_add(1);
        let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "the log has no file numbers left"))?;
        let name = LogName::plain(number);
        let log = self.folder.create_log(name, before)?;
        let bytes = frame::FILE_HEADER_BYTES as u64;
        let info = LogInfo { bytes, framing: bytes, end: before, ..LogInfo::new(name) };
        let file = write(&self.state).files.add(info);
        // a file is listed in the manifest before it holds anything, so that its loss is detected
        if let Err(error) =
            self.folder.write_manifest(|manifest| Manifest::from_state(manifest.key, &read(&self.state)))
        {
            write(&self.state).files.by_id.remove(&file);
            return Err(error);
        }
        self.log = log;
        self.position = LogPosition { file, length: bytes };
        self.name = name;
        self.frame_key = FrameKey::new(self.folder.key(), name);
        write(&self.state).set_position(self.position, before);
        self.wakeup.notify();
        Ok(())
    }

    /// Appends the frame, and returns the log end after it.
    fn append(&mut self, before: LogEnd, events: u64, durability: Durability) -> Result<LogEnd> {
        if durability == Durability::Synced {
            // a synced frame implies that everything before it is synced
            self.sync_before(before)?;
        }
        let end = self.frame_key.seal(&mut self.buffer, self.position.length, before, self.synced, events);
        if let Err(error) = self.log.append(&self.buffer) {
            let error =
                disk_error(&format!("cannot write to {}", self.folder.log_path(self.name).display()), error);
            // remove what was written of the frame; then the store is as before and can continue
            if self.log.truncate(self.position.length).is_err() || error.kind() != ErrorKind::Full {
                self.fail(&error);
            }
            return Err(error);
        }
        if durability == Durability::Synced {
            self.sync(self.position.length + self.buffer.len() as u64, end)?;
        }
        Ok(end)
    }

    fn sync_before(&mut self, before: LogEnd) -> Result<()> {
        if self.synced < before.sequence { self.sync(self.position.length, before) } else { Ok(()) }
    }

    /// Syncs the file, whose length is `bytes` and whose last frame is `end`.
    fn sync(&mut self, bytes: u64, end: LogEnd) -> Result<()> {
        if let Err(error) = self.log.sync() {
            // after a failed sync the content of the disk is unknown, and another sync could succeed
            // wrongly
            let message = format!("cannot sync {}", self.folder.log_path(self.name).display());
            let error = Error::new(ErrorKind::Failed, format!("{message}: reopen the store")).because(error);
            self.fail(&error);
            return Err(error);
        }
        self.synced = end.sequence;
        if let Some(file) = &mut self.sync_mark {
            let mark = SyncMark(SyncedFile { name: self.name, bytes, end });
            if let Err(error) = file.overwrite(&mark.encode(self.folder.key())) {
                // optional: without it, recovery can tell less about a torn write
                tracing::warn!("cannot write the file SYNCED, it is no longer updated: {error}");
                self.sync_mark = None;
            }
        }
        Ok(())
    }

    /// Checks that the folder is still locked by this process, and fails all later requests if it is not.
    fn check_lock(&mut self) -> Result<()> {
        self.lock_checked = Instant::now();
        let checked = self.folder.check_lock();
        if let Err(error) = &checked {
            self.fail(error);
        }
        checked
    }

    /// Fails all later requests.
    fn fail(&mut self, error: &Error) {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        tracing::error!("the store accepts no more writes: {error}{cause}");
        self.health.set(HealthStatus::Failed, format!("{error}{cause}"));
        self.failed = Some(format!("{error}{cause}"));
    }

    /// Returns why all requests fail, if they do.
    fn failure(&self) -> Option<String> {
        if self.state.is_poisoned() {
            return Some("a panic left the store's state inconsistent".into());
        }
        self.failed.clone()
    }
}

fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}
