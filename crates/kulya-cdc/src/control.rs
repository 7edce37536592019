//! The handle by which others observe and steer a capture ([`Control`]): its status, pausing, and signals.
//!
//! What is wanted of a capture is kept apart from what it does. The engine and the sources read the first and
//! report the second; neither calls the other. What is to reach a running capture in another way belongs
//! beside `wanted`, and a source finds it in its `Output`.

mod signals;

use crate::signal::WaitingSignals;
use crate::sink::store::positions;
use crate::status::{CaptureState, CaptureStatus, LogReport, Stored, Tracker};
use crate::{CdcResult, Progress};
use kulya_store::StreamStore;
use kulya_store::clock::{Clock, SystemClock};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The time between two looks at the store for a capture that another process pauses or resumes.
const STORE_INTERVAL: Duration = Duration::from_secs(10);
/// The time between two lines about the status in the log.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The control of a capture. Clones are one control. It may exist without a capture that runs.
///
/// ```no_run
/// use kulya_cdc::Control;
/// use kulya_cdc::prelude::*;
/// # async fn example(store: std::sync::Arc<dyn StreamStore>) -> CdcResult<()> {
/// let control = Control::open(store, "shop").await?;
/// control.pause().await?; // a capture with this control closes its connection, now and after a restart
/// println!("{:?}", control.status());
/// control.resume().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    tracker: Mutex<Tracker>,
    wanted: watch::Sender<Wanted>,
    signals: WaitingSignals,
    /// Where the pause and the signals are stored, under the name.
    store: Option<(Arc<dyn StreamStore>, String)>,
}

/// What is wanted of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    is_paused: bool,
    /// The number of times that it was paused or resumed, also in vain.
    requests: u64,
}

impl Default for Control {
    /// Creates a control that keeps nothing.
    fn default() -> Self {
        Self::new("", SystemClock)
    }
}

impl Control {
    /// Creates a control of which nothing is stored: a capture that is paused runs after a restart.
    pub fn new(name: impl Into<String>, clock: impl Into<Arc<dyn Clock>>) -> Self {
        Self::with(name.into(), clock.into(), None)
    }

    /// Creates a control whose pause is stored beside the capture's position, so that it survives a restart,
    /// and that other processes on the same store can pause and resume. Creates nothing in the store.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn open(store: impl Into<Arc<dyn StreamStore>>, name: impl Into<String>) -> CdcResult<Self> {
        let control = Self::unloaded(store, name);
        control.load().await?;
        Ok(control)
    }

    /// Creates a control as [`open`](Self::open) does, for a store that may not respond yet: what it has is
    /// not known before [`load`](Self::load).
    pub fn unloaded(store: impl Into<Arc<dyn StreamStore>>, name: impl Into<String>) -> Self {
        let (store, name) = (store.into(), name.into());
        Self::with(name.clone(), SystemClock.into(), Some((store, name)))
    }

    fn with(name: String, clock: Arc<dyn Clock>, store: Option<(Arc<dyn StreamStore>, String)>) -> Self {
        let wanted = watch::Sender::new(Wanted { is_paused: false, requests: 0 });
        let (tracker, signals) = (Mutex::new(Tracker::new(name)), Default::default());
        Self(Arc::new(Inner { clock, tracker, wanted, signals, store }))
    }

    /// Reads whether the capture is paused, its signals and its position.
    ///
    /// # Errors
    /// `Store`, `Unreachable`; `Position` when the stored position cannot be parsed.
    pub async fn load(&self) -> CdcResult<()> {
        let Some((store, name)) = &self.0.store else { return Ok(()) };
        self.read_paused().await?;
        self.read_signals().await?;
        if let Some((checkpoint, ..)) = positions::read(&**store, name).await? {
            self.tracker().set_position(checkpoint.position.to_string());
        }
        Ok(())
    }

    /// Takes over from the store whether the capture is paused.
    async fn read_paused(&self) -> CdcResult<()> {
        let Some((store, name)) = &self.0.store else { return Ok(()) };
        let before = *self.0.wanted.borrow();
        let is_paused = positions::is_paused(&**store, name).await?;
        self.0.wanted.send_if_modified(|wanted| {
            // a request to this process meanwhile is newer than what was read
            let is_changed = *wanted == before && is_paused != before.is_paused;
            if is_changed {
                *wanted = Wanted { is_paused, requests: wanted.requests + 1 };
            }
            is_changed
        });
        Ok(())
    }

    /// Pauses the capture: it hands over what it has read, stores the position and closes its connections.
    /// Returns whether it was not paused already; it may still be running for a moment.
    ///
    /// # Errors
    /// `Store`, `Unreachable`; then nothing has changed.
    pub async fn pause(&self) -> CdcResult<bool> {
        self.set_paused(true).await
    }

    /// Resumes the capture from its position, or starts it again after an error has stopped it, where the
    /// program [waits for that](Self::resumed). Returns whether it was paused.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> CdcResult<bool> {
        self.set_paused(false).await
    }

    async fn set_paused(&self, is_paused: bool) -> CdcResult<bool> {
        let is_stored = match &self.0.store {
            Some((store, name)) => positions::set_paused(&**store, name, is_paused).await?,
            None => false,
        };
        Ok(self.want(is_paused) | is_stored)
    }

    /// Sets what is wanted. Returns whether it changes.
    fn want(&self, is_paused: bool) -> bool {
        let mut was_paused = false;
        self.0.wanted.send_modify(|wanted| {
            was_paused = wanted.is_paused;
            *wanted = Wanted { is_paused, requests: wanted.requests + 1 };
        });
        was_paused != is_paused
    }

    /// Returns the status. A capture that does not run and is to be paused is paused.
    pub fn status(&self) -> CaptureStatus {
        let mut status = self.tracker().status(self.0.clock.since_epoch());
        if self.is_paused() && !status.state.is_running() {
            status.state = CaptureState::Paused;
        }
        status
    }

    /// Returns whether the capture is paused, or is to be.
    pub fn is_paused(&self) -> bool {
        self.0.wanted.borrow().is_paused
    }

    /// Waits until the capture is paused. Cancel-safe.
    pub async fn paused(&self) {
        self.until(|wanted| wanted.is_paused).await;
    }

    /// Waits until the capture is not paused. Cancel-safe.
    pub(crate) async fn not_paused(&self) {
        self.until(|wanted| !wanted.is_paused).await;
    }

    /// Waits until the capture is resumed after this call, also if it was not paused. Cancel-safe.
    pub async fn resumed(&self) {
        let requests = self.0.wanted.borrow().requests;
        self.until(|wanted| !wanted.is_paused && wanted.requests != requests).await;
    }

    async fn until(&self, condition: impl FnMut(&Wanted) -> bool) {
        // this handle holds the sender, so the channel is open
        let _ = self.0.wanted.subscribe().wait_for(condition).await;
    }

    /// Reports that the program runs the capture again after a delay, because it failed.
    pub fn retrying(&self, error: &str, attempt: u32, delay: Duration) {
        let now = self.0.clock.since_epoch();
        self.tracker().on_retry(error.to_owned(), attempt, delay, now);
    }

    /// Follows the pause and the signals in the store, which other processes may change. Does not end.
    /// Cancel-safe.
    pub(crate) async fn follow_store(&self) {
        loop {
            tokio::time::sleep(STORE_INTERVAL).await;
            let read = async {
                self.read_paused().await?;
                self.read_signals().await
            };
            if let Err(error) = read.await {
                tracing::debug!(%error, "cannot read whether the capture is paused, and its signals");
            }
        }
    }

    /// Writes the status to the log every minute while the log is streamed. Does not end. Cancel-safe.
    pub(crate) async fn log_status(&self) {
        loop {
            tokio::time::sleep(LOG_INTERVAL).await;
            let status = self.status();
            if status.state == CaptureState::Streaming {
                let CaptureStatus { name, position, lag_bytes, lag_seconds, records_per_second, .. } = status;
                tracing::info!(
                    position,
                    lag_bytes,
                    lag_seconds,
                    records_per_second,
                    "{name}: capture is streaming"
                );
            }
        }
    }

    pub(crate) fn describe(&self, name: &str, connector: &str) {
        self.tracker().describe(name, connector);
    }

    pub(crate) fn set_state(&self, state: CaptureState) {
        self.tracker().set_state(state);
    }

    /// Reports that the position is not stored any more.
    pub(crate) fn forget_position(&self) {
        self.tracker().forget_position();
    }

    pub(crate) fn ended(&self, error: Option<String>) {
        self.tracker().on_end(error, self.0.clock.since_epoch());
    }

    pub(crate) fn failed_while_pausing(&self, error: &str) {
        self.tracker().on_error(error, self.0.clock.since_epoch());
    }

    pub(crate) fn on_progress(&self, progress: &Progress) {
        self.tracker().on_progress(progress, self.0.clock.since_epoch());
    }

    pub(crate) fn on_stored(&self, stored: Stored) {
        self.tracker().on_stored(stored, self.0.clock.since_epoch());
    }

    /// Reports that the capture waits for sessions of the database.
    pub(crate) fn waiting(&self, what: String) {
        self.tracker().on_waiting(what, self.0.clock.since_epoch());
    }

    /// Reports that it no longer waits.
    pub(crate) fn waited(&self) {
        self.tracker().on_waited();
    }

    /// Reports what the source has measured.
    pub(crate) fn on_log(&self, report: LogReport) {
        self.tracker().on_log(report);
    }

    /// Reports the number of transactions in the spool, and their size in bytes.
    pub(crate) fn on_spool(&self, transactions: u64, bytes: u64) {
        self.tracker().on_spool(transactions, bytes);
    }

    /// Reports whether everything is stored that the database had committed by now.
    pub(crate) fn set_caught_up(&self, is_caught_up: bool) {
        self.tracker().set_caught_up(is_caught_up, self.0.clock.since_epoch());
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.0.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted = *self.0.wanted.borrow();
        f.debug_struct("Control").field("wanted", &wanted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::memory::MemoryStore;

    #[tokio::test]
    async fn pause_is_stored_without_a_running_capture() {
        let store = MemoryStore::new();
        let control = Control::open(store.clone(), "shop").await.unwrap();
        assert_eq!(control.status().state, CaptureState::Stopped { error: None });
        assert!(control.pause().await.unwrap());
        assert!(!control.pause().await.unwrap());
        let after_restart = Control::open(store.clone(), "shop").await.unwrap();
        assert_eq!(after_restart.status().state, CaptureState::Paused);
        assert!(after_restart.resume().await.unwrap());
        assert!(!Control::open(store, "shop").await.unwrap().is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn pause_by_another_process_is_found_in_the_store() {
        let store = MemoryStore::new();
        let own = Control::open(store.clone(), "shop").await.unwrap();
        let other = Control::open(store, "shop").await.unwrap();
        let follow = async {
            other.pause().await.unwrap();
            own.paused().await;
            let resumed = own.resumed();
            other.resume().await.unwrap();
            resumed.await;
        };
        tokio::select! {
            () = follow => {}
            () = own.follow_store() => unreachable!("it does not end"),
        }
        assert!(!own.is_paused());
    }
}
