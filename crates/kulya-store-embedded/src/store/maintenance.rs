//! The maintenance thread of a store, which runs retention, checkpoints, garbage collection and compaction:
//! at intervals, when it is woken up, and on request. There is no other way to run maintenance, so that
//! tests exercise what a server does.
//!
//! The thread has no async runtime; nothing that it calls may depend on one.

use super::core::{EmbeddedStore, Inner};
use crate::error::closed;
use crate::index::Index;
use crate::wakeup::Signal;
use kulya_store::{Error, ErrorKind, HealthStatus, Result, StreamId, apply_retention};
use std::sync::{Arc, PoisonError, Weak};
use tokio::sync::oneshot;

/// On close a checkpoint is taken if the next opening would replay more than this, in bytes.
const MAX_UNREAD_BYTES: u64 = 4 << 20;

/// Fails the waiting callers when the thread ends.
struct FailWaitingOnDrop(Weak<Inner>);

impl Drop for FailWaitingOnDrop {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.maintenance_thread.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// Starts the thread, which ends with the store.
pub(crate) fn start(inner: &Arc<Inner>) -> Result<()> {
    let store = Arc::downgrade(inner);
    let (wakeup, interval) = (Arc::clone(&inner.wakeup), inner.maintenance_thread.interval);
    let run = move || {
        let _guard = FailWaitingOnDrop(Weak::clone(&store));
        let mut min_signal = Signal::Work;
        loop {
            let signal = wakeup.wait(interval, min_signal);
            let Some(inner) = Weak::upgrade(&store) else { return };
            let is_done = run_once(&inner, signal);
            if signal == Signal::Closed {
                if let Err(error) = index(&inner).flush() {
                    tracing::warn!("cannot flush the index on close, the next opening takes longer: {error}");
                }
                return;
            }
            // commits keep waking the thread up, so after a failure only a request or the interval does
            min_signal = if is_done { Signal::Work } else { Signal::Requested };
        }
    };
    let thread = inner.supervisor.spawn_thread("store.maintenance", HealthStatus::Degraded, run);
    let thread = thread
        .map_err(|e| Error::new(ErrorKind::Failed, "cannot start the maintenance thread").because(e))?;
    *inner.maintenance_thread.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(())
}

/// Runs maintenance and notifies the waiting callers. A failure or panic degrades the health of the
/// component until a later run succeeds; only disk space is wasted meanwhile.
fn run_once(inner: &Arc<Inner>, signal: Signal) -> bool {
    let component = &inner.maintenance_thread.component;
    let waiting = inner.maintenance_thread.take_waiting();
    let caught = component.catch(|| {
        let checkpoint = !waiting.is_empty() || signal == Signal::Closed && is_checkpoint_worthwhile(inner);
        run_tasks(inner, checkpoint)
    });
    let result = match caught {
        Ok(done) => done.map_err(|error| (error.kind(), with_cause(&error))),
        Err(panic) => Err((ErrorKind::Failed, panic)),
    };
    component.count("rounds", 1);
    match &result {
        Ok(()) => component.set_healthy(),
        Err((_, message)) => {
            component.count("failures", 1);
            component.set(HealthStatus::Degraded, message.clone());
            tracing::error!(
                "maintenance failed (retention, checkpoint, compaction) and will be retried: {message}"
            );
        }
    }
    let is_done = result.is_ok();
    for waiting in waiting {
        let _ = waiting.send(result.clone());
    }
    is_done
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Requests a run of maintenance, including a checkpoint, and waits for it.
pub(super) async fn request(store: &EmbeddedStore) -> Result<()> {
    let (reply, response) = oneshot::channel();
    match store.inner.maintenance_thread.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(waiting) => waiting.push(reply),
        None => return Err(closed()),
    }
    if store.is_inline() {
        // on a separate thread without a runtime, like the maintenance thread
        std::thread::scope(|scope| {
            let run = scope.spawn(|| run_once(&store.inner, Signal::Requested));
            drop(run.join());
        });
    } else {
        store.inner.wakeup.request();
    }
    response.await.map_err(|_| closed())?.map_err(|(kind, message)| Error::new(kind, message))
}

fn index(inner: &Inner) -> Arc<dyn Index> {
    Arc::clone(&inner.state.read().unwrap_or_else(PoisonError::into_inner).index)
}

/// Returns whether the next opening would replay much.
fn is_checkpoint_worthwhile(inner: &Inner) -> bool {
    inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner).unread_bytes() > MAX_UNREAD_BYTES
}

/// Applies retention, takes a checkpoint if one is due or requested, and reclaims disk space.
fn run_tasks(inner: &Arc<Inner>, checkpoint: bool) -> Result<()> {
    let store = EmbeddedStore { _open: None, inner: Arc::clone(inner) };
    let component = &inner.maintenance_thread.component;
    if let Err(error) = inner.folder.check_lock() {
        inner.log.set(HealthStatus::Failed, error.to_string());
        return Err(error);
    }
    // state that a panic left inconsistent must not be written
    drop(store.state()?);
    for stream in streams_with_retention(inner) {
        match block_on(apply_retention(&store, &stream, inner.clock.since_epoch())) {
            // the stream was deleted meanwhile
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => component.count("truncations", u64::from(done?)),
        }
    }
    let mut maintenance = inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
    if maintenance.is_due() && (checkpoint || maintenance.needs_checkpoint()) {
        let pending = maintenance.prepare_checkpoint();
        // the index must not contain what the log could still lose
        block_on(store.sync())?;
        maintenance.complete_checkpoint(pending)?;
        component.count("checkpoints", 1);
    }
    maintenance.collect_garbage()?;
    while let Some(removed) = maintenance.compact()? {
        component.count("compactions", 1);
        component.count("files removed", removed.len() as u64);
        let mut files = inner.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|number, _| !removed.contains(number));
    }
    Ok(())
}

/// Waits for a store call on this thread, which the committer processes on its own.
fn block_on<T>(call: impl Future<Output = T>) -> T {
    futures::executor::block_on(call)
}

/// Returns the streams with limited retention.
fn streams_with_retention(inner: &Inner) -> Vec<StreamId> {
    let state = inner.state.read().unwrap_or_else(PoisonError::into_inner);
    let is_limited = |(_, stream): &(&StreamId, &crate::state::Stream)| {
        stream.retention.age.is_some() || stream.retention.bytes.is_some()
    };
    state.streams.iter().filter(is_limited).map(|(name, _)| name.clone()).collect()
}
