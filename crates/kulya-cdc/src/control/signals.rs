//! The signals that a control was given, until the capture has executed them.

use super::Control;
use crate::sink::store::signals as stored;
use crate::signal::{QueuedSignal, Signal, SignalRecord, SignalQueue};
use crate::status::IncrementalStatus;
use crate::{CdcError, CdcResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The signals of a control.
pub(super) struct Signals {
    waiting: watch::Sender<Waiting>,
    /// The number of the last signal whose effect is stored.
    executed: AtomicU64,
    /// The number up to which signals were removed from the store.
    removed: AtomicU64,
}

#[derive(Clone, Default)]
struct Waiting {
    /// Grows with each change.
    version: u64,
    queue: SignalQueue,
}

impl Default for Signals {
    fn default() -> Self {
        let (executed, removed) = Default::default();
        Self { waiting: watch::Sender::new(Waiting::default()), executed, removed }
    }
}

impl Signals {
    fn set(&self, queue: SignalQueue) {
        self.waiting.send_if_modified(|waiting| {
            let is_changed = waiting.queue != queue;
            if is_changed {
                *waiting = Waiting { version: waiting.version + 1, queue };
            }
            is_changed
        });
    }
}

impl Control {
    /// Gives the capture a signal in Debezium's form, such as `execute-snapshot`. It is executed once, at the
    /// latest ten seconds after the capture runs; if the control has a store, also by a capture that starts
    /// later, or that another process runs. A signal whose id was given lately is not given again.
    ///
    /// # Errors
    /// `Configuration` names the field that is malformed; `Store`, `Unreachable`: then nothing has changed.
    pub async fn signal(&self, signal: SignalRecord) -> CdcResult<()> {
        Signal::parse(&signal).map_err(|error| CdcError::configuration(error.to_string()))?;
        let queue = match &self.0.store {
            Some((store, name)) => stored::add(&**store, name, signal).await?,
            None => self.add_unstored(signal)?,
        };
        self.0.signals.set(queue);
        Ok(())
    }

    fn add_unstored(&self, signal: SignalRecord) -> CdcResult<SignalQueue> {
        let mut queue = self.0.signals.waiting.borrow().queue.clone();
        // a stored position may have the number of a signal of an earlier run
        let now = u64::try_from(self.0.clock.since_epoch().as_millis()).unwrap_or(u64::MAX);
        queue.start_at(now);
        queue.add(signal).map_err(|error| CdcError::configuration(error.to_string()))?;
        Ok(queue)
    }

    /// Takes over the signals of the store, which other processes may have added, and removes there those
    /// that are executed.
    pub(super) async fn read_signals(&self) -> CdcResult<()> {
        let Some((store, name)) = &self.0.store else { return Ok(()) };
        let signals = &self.0.signals;
        let executed = signals.executed.load(Ordering::Relaxed);
        if executed > signals.removed.load(Ordering::Relaxed) {
            stored::remove_executed(&**store, name, executed).await?;
            signals.removed.store(executed, Ordering::Relaxed);
        }
        let queue = stored::read(&**store, name).await?.map(|(queue, _)| queue).unwrap_or_default();
        signals.set(queue);
        Ok(())
    }

    /// Returns the signals that wait, some of which may be executed already, and the version of the list.
    pub(crate) fn signals(&self) -> (u64, Arc<[QueuedSignal]>) {
        let waiting = self.0.signals.waiting.borrow();
        (waiting.version, waiting.queue.signals().into())
    }

    /// Returns whether the list of signals has another version.
    pub(crate) fn has_signals(&self, seen: u64) -> bool {
        self.0.signals.waiting.borrow().version != seen
    }

    /// Waits until the list of signals has another version. Cancel-safe.
    pub(crate) async fn signalled(&self, seen: u64) {
        // this handle holds the sender, so the channel is open
        let _ = self.0.signals.waiting.subscribe().wait_for(|waiting| waiting.version != seen).await;
    }

    /// Reports the number of the last signal whose effect is stored.
    pub(crate) fn on_signals_stored(&self, number: u64) {
        if self.0.signals.executed.fetch_max(number, Ordering::Relaxed) < number {
            // what is executed needs no further look
            self.0.signals.waiting.send_if_modified(|waiting| {
                waiting.queue.remove_executed(number);
                false
            });
        }
    }

    /// Reports a signal that was not executed, or what an incremental snapshot could not read.
    pub(crate) fn on_signal_error(&self, error: String) {
        tracing::error!("{error}");
        self.tracker().on_signal_error(&error, self.0.clock.since_epoch());
    }

    /// Reports the progress of an incremental snapshot; `None` if there is none.
    pub(crate) fn on_incremental(&self, status: Option<IncrementalStatus>) {
        self.tracker().on_incremental(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CdcErrorKind;
    use kulya_store::memory::MemoryStore;

    fn log(id: &str) -> SignalRecord {
        SignalRecord { id: id.into(), kind: "log".into(), data: r#"{"message":"x"}"#.into() }
    }

    fn numbers(control: &Control) -> Vec<u64> {
        control.signals().1.iter().map(|queued| queued.number).collect()
    }

    #[tokio::test]
    async fn signals_wait_in_the_store_until_they_are_executed() {
        let store = MemoryStore::new();
        let control = Control::open(store.clone(), "shop").await.unwrap();
        let malformed = SignalRecord { kind: "run".into(), ..log("") };
        let error = control.signal(malformed).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Configuration);
        assert!(error.to_string().starts_with("type: "), "{error}");
        control.signal(log("a")).await.unwrap();
        control.signal(log("b")).await.unwrap();
        control.signal(log("a")).await.unwrap();
        let other = Control::open(store.clone(), "shop").await.unwrap();
        assert_eq!((numbers(&control), numbers(&other)), (vec![1, 2], vec![1, 2]));
        control.on_signals_stored(1);
        assert_eq!(numbers(&control), [2]);
        control.read_signals().await.unwrap();
        assert_eq!(numbers(&Control::open(store, "shop").await.unwrap()), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn signal_of_another_process_is_found_in_the_store() {
        let store = MemoryStore::new();
        let own = Control::open(store.clone(), "shop").await.unwrap();
        let other = Control::open(store, "shop").await.unwrap();
        let (seen, _) = own.signals();
        other.signal(log("a")).await.unwrap();
        tokio::select! {
            () = own.signalled(seen) => {}
            () = own.follow_store() => unreachable!("it does not end"),
        }
        assert_eq!(numbers(&own), [1]);
        assert!(!own.has_signals(own.signals().0));
    }

    #[tokio::test]
    async fn control_without_a_store_has_signals_of_its_own() {
        let control = Control::default();
        control.signal(log("")).await.unwrap();
        control.signal(log("")).await.unwrap();
        let numbers = numbers(&control);
        assert!(numbers.len() == 2 && numbers[0] > 1_000_000 && numbers[1] > numbers[0], "{numbers:?}");
    }
}
