//! Signals by the control: given, read by the source, and removed when they are executed.

use super::Control;
use crate::signal::{QueuedSignal, Signal, SignalQueue, SignalRecord};
use crate::sink::store::signals as stored;
use crate::status::IncrementalStatus;
use crate::{CdcError, CdcResult};
use std::sync::Arc;

impl Control {
    /// Gives the capture a signal in Debezium's form, such as `execute-snapshot`. It is executed once, at the
    /// latest ten seconds after the capture runs; if the control has a store, also by a capture that starts
    /// later, or that another process runs. Returns false for a signal whose id was given lately: it is not
    /// given again.
    ///
    /// # Errors
    /// `Configuration` names the field that is malformed; `Store`, `Unreachable`: then nothing has changed.
    pub async fn signal(&self, signal: SignalRecord) -> CdcResult<bool> {
        Signal::parse(&signal).map_err(|error| CdcError::configuration(error.to_string()))?;
        // a stored position may have the number of a signal of an earlier queue
        let now = u64::try_from(self.0.clock.since_epoch().as_millis()).unwrap_or(u64::MAX);
        let (queue, is_added) = match &self.0.store {
            Some((store, name)) => stored::add(&**store, name, signal, now).await?,
            None => self.add_unstored(signal, now)?,
        };
        self.0.signals.set(queue);
        Ok(is_added)
    }

    fn add_unstored(&self, signal: SignalRecord, start: u64) -> CdcResult<(SignalQueue, bool)> {
        let mut queue = self.0.signals.queue();
        queue.start_at(start);
        let is_added = queue.add(signal).map_err(|error| CdcError::configuration(error.to_string()))?;
        Ok((queue, is_added))
    }

    /// Takes over the signals of the store, which other processes may have added, and removes there those
    /// that are executed.
    pub(super) async fn read_signals(&self) -> CdcResult<()> {
        let Some((store, name)) = &self.0.store else { return Ok(()) };
        let signals = &self.0.signals;
        if let Some(executed) = signals.executed() {
            stored::remove_executed(&**store, name, executed).await?;
            signals.on_removed(executed);
        }
        let queue = stored::read(&**store, name).await?.map(|(queue, _)| queue).unwrap_or_default();
        signals.set(queue);
        Ok(())
    }

    /// Returns the signals that wait, some of which may be executed already, and the version of the list.
    pub(crate) fn signals(&self) -> (u64, Arc<[QueuedSignal]>) {
        self.0.signals.list()
    }

    /// Returns whether the list of signals has another version.
    pub(crate) fn has_signals(&self, seen: u64) -> bool {
        self.0.signals.version() != seen
    }

    /// Waits until the list of signals has another version. Cancel-safe.
    pub(crate) async fn signalled(&self, seen: u64) {
        self.0.signals.changed(seen).await;
    }

    /// Reports the number of the last signal whose effect is stored.
    pub(crate) fn on_signals_stored(&self, number: u64) {
        self.0.signals.on_executed(number);
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
        assert!(control.signal(log("a")).await.unwrap() && control.signal(log("b")).await.unwrap());
        assert!(!control.signal(log("a")).await.unwrap());
        let other = Control::open(store.clone(), "shop").await.unwrap();
        let given = numbers(&control);
        assert!(given.len() == 2 && given[0] > 1_000_000 && given[1] == given[0] + 1, "{given:?}");
        assert_eq!(numbers(&other), given);
        control.on_signals_stored(given[0]);
        assert_eq!(numbers(&control), given[1..]);
        control.read_signals().await.unwrap();
        assert_eq!(numbers(&Control::open(store, "shop").await.unwrap()), given[1..]);
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
        assert_eq!(numbers(&own).len(), 1);
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
