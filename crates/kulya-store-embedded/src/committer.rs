//! The one writer: takes every request that is waiting, writes them as one frame, syncs once if any of them asks for
//! it, and only then lets the state show it and answers. The sync in progress is the only delay; requests that come
//! meanwhile form the next group.

use crate::error::disk_error;
use crate::log_name::{LogName, LogPosition};
use crate::wakeup::Wakeup;
use crate::disk::{InPlaceFile, LogFile};
use crate::folder::Folder;
use crate::frame::{self, FrameKey, LogEnd};
use crate::manifest::{SyncedFile, Manifest, SyncMark};
use crate::op::OpReader;
use crate::plan::{Plan, Response, Request};
use crate::state::{LogInfo, State};
use kulya_store::clock::Clock;
use kulya_store::supervision::Component;
use kulya_store::{Durability, Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

/// A group takes no further request once its frame is this long.
const GROUP_BYTES: usize = 1 << 20;
/// So often, at most, a write looks whether the folder is still ours.
const LOCK_CHECK: Duration = Duration::from_secs(1);
/// A buffer that has grown beyond this is not kept.
const BUFFER_BYTES: usize = 2 << 20;

/// A request on its way, with the room it takes in the queue. It goes back with its answer: what it holds is let go by
/// whoever asked, beside the committer.
pub(crate) struct PendingRequest {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<(Request, Result<Response>)>,
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// The number of an event without a key.
pub(crate) fn next_unkeyed(unkeyed: &AtomicU32) -> u32 {
    unkeyed.fetch_add(1, Ordering::Relaxed)
}

/// Runs on a thread of its own until every sender of requests is gone.
pub(crate) struct Committer {
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) commits: watch::Sender<u64>,
    pub(crate) folder: Arc<Folder>,
    pub(crate) log: Box<dyn LogFile>,
    /// The file that is written to, and its length.
    pub(crate) end: LogPosition,
    pub(crate) name: LogName,
    /// A log file takes no further frame once it is this long.
    pub(crate) file_bytes: u64,
    /// The last frame that is known to be synced.
    pub(crate) synced: u64,
    /// What tells the file's frames.
    pub(crate) frames: FrameKey,
    /// Where is written how far the log was synced.
    pub(crate) mark: Option<Box<dyn InPlaceFile>>,
    /// Events without a key so far, which are spread by their number.
    pub(crate) unkeyed: Arc<AtomicU32>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where frames are built, one after the other: new memory for each would cost more than what is done in it.
    pub(crate) buffer: Vec<u8>,
    /// Why every later request fails: the disk failed in a way that leaves unknown what it holds.
    pub(crate) failed: Option<String>,
    /// Where that is said to those who look at the store's health.
    pub(crate) health: Component,
    /// When the folder's lock was looked at the last time.
    pub(crate) lock_checked: Instant,
    /// Whether the last write found no room.
    pub(crate) is_full: bool,
    /// Rung when there is something for the upkeep to do.
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

    /// An orderly end: what was only written becomes durable, and the manifest says how much there is.
    pub(crate) fn finish(&mut self) {
        if self.failure().is_some() {
            return;
        }
        let end = read(&self.state).end;
        if self.sync_before(end).is_err() {
            return;
        }
        let written = self.folder.write_manifest(|known| Manifest::of(known.key, &read(&self.state)));
        if let Err(error) = written {
            tracing::warn!("the end of the log is not written down: {error}");
        }
    }

    /// Writes one group from the front of the queue, which is not empty.
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
                let alone = Plan::is_exclusive(&next.request);
                if alone && !planned.is_empty() || plan.frame.len() > GROUP_BYTES {
                    break;
                }
                let Some(mut waiting) = queue.pop_front() else { break };
                match plan.add(&mut waiting.request, || next_unkeyed(&self.unkeyed)) {
                    Ok(reply) => {
                        if waiting.request.durability() == Durability::Synced {
                            durability = Durability::Synced;
                        }
                        planned.push((waiting, reply));
                    }
                    Err(refusal) => drop(waiting.reply.send((waiting.request, Err(refusal)))),
                }
                if alone {
                    break;
                }
            }
            let (has_ops, events) = (!plan.is_empty(), plan.events);
            self.buffer = plan.frame;
            (planned, state.end, events, has_ops)
        };
        let written = match has_ops {
            true => self.write(before, events, durability),
            // a repetition of something that was only written must not be answered as if it were synced
            false if durability == Durability::Synced => {
                self.sync_before(before).map_err(|e| (e.kind(), e.to_string()))
            }
            false => Ok(()),
        };
        if self.buffer.capacity() > BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        for (waiting, reply) in planned.drain(..) {
            let answer = match &written {
                Ok(()) => Ok(reply),
                Err((kind, what)) => Err(Error::new(*kind, what.clone())),
            };
            // whoever asked may have gone; what was written stays written
            let _ = waiting.reply.send((waiting.request, answer));
        }
    }

    /// Writes and syncs the frame in the buffer, then lets the state take it over. An error tells kind and text, to be given to
    /// everyone in the group.
    fn write(
        &mut self,
        before: LogEnd,
        events: u64,
        durability: Durability,
    ) -> std::result::Result<(), (ErrorKind, String)> {
        if let Some(reason) = self.failure() {
            let what = format!("the disk failed under an earlier write ({reason}): open the store again");
            return Err((ErrorKind::Failed, what));
        }
        if self.lock_checked.elapsed() > LOCK_CHECK {
            self.check_lock().map_err(|error| (error.kind(), error.to_string()))?;
        }
        let end = match self.roll(before).and_then(|()| self.append(before, events, durability)) {
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
        let position = self.end.length;
        self.end.length += self.buffer.len() as u64;
        let body = self.buffer.get(frame::HEADER_BYTES..).unwrap_or_default();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut ops = OpReader::new(body);
        while let Some((op, at)) = ops.next().expect("we have just written these ops") {
            let at = position + (frame::HEADER_BYTES + at) as u64;
            state.apply(&op, self.end.file, at).expect("the plan was made against this state");
        }
        state.files.frame(self.end.file, frame::HEADER_BYTES as u64);
        state.set_position(self.end, end);
        let needs_checkpoint = state.needs_checkpoint();
        drop(state);
        if needs_checkpoint {
            self.wakeup.ring();
        }
        self.commits.send_replace(end.sequence);
        Ok(())
    }

    /// Goes on to the next file when this one is long enough.
    fn roll(&mut self, before: LogEnd) -> Result<()> {
        if self.end.length < self.file_bytes {
            return Ok(());
        }
        // a new file is made by its path, which must still lead to our folder
        self.check_lock()?;
        // a file is whole before another follows it
        self.sync_before(before)?;
        let number = self.name.last.checked_add(1);
        let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "the log has no file numbers left"))?;
        let name = LogName::plain(number);
        let log = self.folder.create_log(name, before)?;
        let bytes = frame::FILE_HEADER_BYTES as u64;
        let info = LogInfo { bytes, framing: bytes, end: before, ..LogInfo::new(name) };
        let file = write(&self.state).files.add(info);
        // nothing stands in a file that would not be missed
        if let Err(error) = self.folder.write_manifest(|known| Manifest::of(known.key, &read(&self.state))) {
            write(&self.state).files.by_id.remove(&file);
            return Err(error);
        }
        self.log = log;
        self.end = LogPosition { file, length: bytes };
        self.name = name;
        self.frames = FrameKey::new(self.folder.key(), name);
        write(&self.state).set_position(self.end, before);
        self.wakeup.ring();
        Ok(())
    }

    /// Gives how the log goes on behind what was written.
    fn append(&mut self, before: LogEnd, events: u64, durability: Durability) -> Result<LogEnd> {
        if durability == Durability::Synced {
            // so that a synced frame says of itself that everything before it is synced
            self.sync_before(before)?;
        }
        let end = self.frames.seal(&mut self.buffer, self.end.length, before, self.synced, events);
        if let Err(error) = self.log.append(&self.buffer) {
            let error = disk_error(&format!("cannot write to {}", self.folder.log_path(self.name).display()), error);
            // take back what part of the frame got there; then the store is as before and may go on
            if self.log.truncate(self.end.length).is_err() || error.kind() != ErrorKind::Full {
                self.fail(&error);
            }
            return Err(error);
        }
        if durability == Durability::Synced {
            self.sync(self.end.length + self.buffer.len() as u64, end)?;
        }
        Ok(end)
    }

    fn sync_before(&mut self, before: LogEnd) -> Result<()> {
        if self.synced < before.sequence { self.sync(self.end.length, before) } else { Ok(()) }
    }

    /// Makes everything in the file, of this length and with this end, durable.
    fn sync(&mut self, bytes: u64, end: LogEnd) -> Result<()> {
        if let Err(error) = self.log.sync() {
            // after a failed sync nobody knows what the disk holds, and asking again would lie
            let what = format!("cannot sync {}", self.folder.log_path(self.name).display());
            let error = Error::new(ErrorKind::Failed, format!("{what}: open the store again")).because(error);
            self.fail(&error);
            return Err(error);
        }
        self.synced = end.sequence;
        if let Some(mark) = &mut self.mark {
            let known = SyncMark(SyncedFile { name: self.name, bytes, end });
            if let Err(error) = mark.overwrite(&known.to_bytes(self.folder.key())) {
                // the store does without it: less can be told from a write that was cut off
                tracing::warn!("cannot write to the file SYNCED, which is written no more: {error}");
                self.mark = None;
            }
        }
        Ok(())
    }

    /// Whether the folder is still ours; takes no further request when it is not.
    fn check_lock(&mut self) -> Result<()> {
        self.lock_checked = Instant::now();
        let checked = self.folder.check_lock();
        if let Err(error) = &checked {
            self.fail(error);
        }
        checked
    }

    /// Takes no further request.
    fn fail(&mut self, error: &Error) {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        tracing::error!("the store takes no further writes: {error}{cause}");
        self.health.set(HealthStatus::Failed, format!("{error}{cause}"));
        self.failed = Some(format!("{error}{cause}"));
    }

    /// Why it takes no request any more.
    fn failure(&self) -> Option<String> {
        if self.state.is_poisoned() {
            return Some("a panic left the store's state half changed".into());
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
