//! The keeper: a thread beside the committer that does the [upkeep](crate::upkeep), now and then, when the bell rings, or
//! when somebody asks for it: there is no other way to it, so that what tests ask for is what a server does.
//!
//! The thread has no runtime and needs none: whatever it calls must not depend on who calls it.

use crate::error::closed;
use crate::wakeup::Signal;
use crate::index::Index;
use crate::store::{EmbeddedStore, Inner};
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{Error, ErrorKind, HealthStatus, Result, StreamId, retain};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// An end leaves no more of the log to be read at the next opening.
const UNREAD_BYTES: u64 = 4 << 20;

/// Nobody waits for a thread that is no more.
struct Ending(Weak<Inner>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.maintenance_handle.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// Starts the thread, which ends with the store.
pub(crate) fn start(inner: &Arc<Inner>) -> Result<()> {
    let store = Arc::downgrade(inner);
    let (wakeup, interval) = (Arc::clone(&inner.wakeup), inner.maintenance_handle.interval);
    let keep = move || {
        let _ending = Ending(Weak::clone(&store));
        let mut least = Signal::Yes;
        loop {
            let signal = wakeup.wait(interval, least);
            let Some(inner) = Weak::upgrade(&store) else { return };
            let done = keep_once(&inner, signal);
            if signal == Signal::Closed {
                if let Err(error) = index(&inner).flush() {
                    tracing::warn!("the next prepare takes longer: {error}");
                }
                return;
            }
            // each commit may ring, and what has failed will not be better a moment later
            least = if done { Signal::Yes } else { Signal::Asked };
        }
    };
    let thread = inner.supervisor.thread("store.maintenance", HealthStatus::Degraded, keep);
    let thread = thread.map_err(|e| {
        Error::new(ErrorKind::Failed, "cannot start the thread of the store's maintenance").because(e)
    })?;
    *inner.maintenance_handle.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(())
}

/// Does the upkeep and tells those who wait for it. What fails, or panics, is tried again later, and said meanwhile;
/// nothing is lost, only not given back.
fn keep_once(inner: &Arc<Inner>, signal: Signal) -> bool {
    let component = &inner.maintenance_handle.component;
    let waiting = inner.maintenance_handle.take_waiting();
    let outcome = component.catch(|| {
        let checkpoint = !waiting.is_empty() || signal == Signal::Closed && is_worth_it(inner);
        maintain(inner, checkpoint)
    });
    let outcome = match outcome {
        Ok(done) => done.map_err(|error| (error.kind(), with_cause(&error))),
        Err(panic) => Err((ErrorKind::Failed, panic)),
    };
    component.count("rounds", 1);
    match &outcome {
        Ok(()) => component.set_healthy(),
        Err((_, what)) => {
            component.count("failures", 1);
            component.set(HealthStatus::Degraded, what.clone());
            tracing::error!(
                "the store's maintenance failed (retention, checkpoints, compaction) and will be tried again: {what}"
            );
        }
    }
    let is_done = outcome.is_ok();
    for waiting in waiting {
        let _ = waiting.send(outcome.clone());
    }
    is_done
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Has the upkeep done, a checkpoint included, and waits for it.
pub(crate) async fn ask(store: &EmbeddedStore) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    match store.inner.maintenance_handle.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(waiting) => waiting.push(reply),
        None => return Err(closed()),
    }
    if store.is_inline() {
        // on a thread like the keeper's own, so that nothing there depends on who asks
        std::thread::scope(|scope| {
            let keeping = scope.spawn(|| keep_once(&store.inner, Signal::Asked));
            drop(keeping.join());
        });
    } else {
        store.inner.wakeup.ask();
    }
    answer.await.map_err(|_| closed())?.map_err(|(kind, what)| Error::new(kind, what))
}

fn index(inner: &Inner) -> Arc<dyn Index> {
    Arc::clone(&inner.state.read().unwrap_or_else(PoisonError::into_inner).index)
}

/// Whether the next opening would have much to read.
fn is_worth_it(inner: &Inner) -> bool {
    inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner).unread() > UNREAD_BYTES
}

/// Applies retention, takes a checkpoint if it is due or asked for, and gives room back.
fn maintain(inner: &Arc<Inner>, checkpoint: bool) -> Result<()> {
    let store = EmbeddedStore { _open: None, inner: Arc::clone(inner) };
    let component = &inner.maintenance_handle.component;
    if let Err(error) = inner.folder.check_lock() {
        inner.log.set(HealthStatus::Failed, error.to_string());
        return Err(error);
    }
    // what is left of a change that a panic cut off must not be written down
    drop(store.state()?);
    for stream in limited(inner) {
        match wait_for(retain(&store, &stream, inner.clock.since_epoch())) {
            // it was deleted meanwhile
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => component.count("truncations", u64::from(done?)),
        }
    }
    let mut maintenance = inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
    if maintenance.is_due() && (checkpoint || maintenance.needs_checkpoint()) {
        let taken = maintenance.take();
        // the index must not know what the log could still lose
        wait_for(store.sync())?;
        maintenance.keep(taken)?;
        component.count("checkpoints", 1);
    }
    maintenance.collect_garbage()?;
    while let Some(gone) = maintenance.compact()? {
        component.count("compactions", 1);
        component.count("files removed", gone.len() as u64);
        let mut files = inner.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|number, _| !gone.contains(number));
    }
    Ok(())
}

/// Waits for a call of the store on this thread, which the committer, on another, answers.
fn wait_for<T>(call: impl Future<CompactedFileWriter = T>) -> T {
    futures::executor::block_on(call)
}

/// The streams of which not everything is kept.
fn limited(inner: &Inner) -> Vec<StreamId> {
    let state = inner.state.read().unwrap_or_else(PoisonError::into_inner);
    let is_limited = |(_, stream): &(&StreamId, &crate::state::Stream)| {
        stream.retention.age.is_some() || stream.retention.bytes.is_some()
    };
    state.streams.iter().filter(is_limited).map(|(name, _)| name.clone()).collect()
}
