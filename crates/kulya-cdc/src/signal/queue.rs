//! The signals that were given to a capture's control and are not executed yet: a plain value, kept in the
//! store with a number for each signal. The position of the capture has the number of the last one that was
//! executed, so that each is executed once.

use super::{SignalError, SignalRecord};
use serde::{Deserialize, Serialize};

/// The maximum number of signals that wait.
const MAX_SIGNALS: usize = 1000;
/// The number of ids that are remembered, so that a signal that is sent again is recognized.
const MAX_IDS: usize = 100;

/// A signal with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueuedSignal {
    /// The number, from 1.
    pub(crate) number: u64,
    pub(crate) signal: SignalRecord,
}

/// The queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignalQueue {
    /// The number of the last signal that was added.
    last: u64,
    signals: Vec<QueuedSignal>,
    /// The ids of the last signals, executed or not.
    #[serde(default)]
    ids: Vec<String>,
}

impl SignalQueue {
    /// Returns the signals in their order.
    pub(crate) fn signals(&self) -> &[QueuedSignal] {
        &self.signals
    }

    /// Numbers the first signal behind `number`, so that no signal of an earlier queue has its number.
    pub(crate) fn start_at(&mut self, number: u64) {
        if self.last == 0 {
            self.last = number;
        }
    }

    /// Adds a signal, unless one with its id was added lately. Returns whether it was added.
    ///
    /// # Errors
    /// [`SignalError`] when a thousand signals wait already.
    pub(crate) fn add(&mut self, signal: SignalRecord) -> Result<bool, SignalError> {
        if !signal.id.is_empty() && self.ids.contains(&signal.id) {
            return Ok(false);
        }
        if self.signals.len() >= MAX_SIGNALS {
            let reason = format!("{MAX_SIGNALS} signals wait already: start the capture, or resume it");
            return Err(SignalError { field: "signal".into(), reason });
        }
        if !signal.id.is_empty() {
            self.ids.push(signal.id.clone());
            let surplus = self.ids.len().saturating_sub(MAX_IDS);
            self.ids.drain(..surplus);
        }
        self.last += 1;
        self.signals.push(QueuedSignal { number: self.last, signal });
        Ok(true)
    }

    /// Removes the signals up to a number. Returns whether there were any.
    pub(crate) fn remove_executed(&mut self, number: u64) -> bool {
        let count = self.signals.len();
        self.signals.retain(|queued| queued.number > number);
        self.signals.len() < count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> SignalRecord {
        SignalRecord { id: id.into(), kind: "log".into(), data: String::new() }
    }

    fn numbers(queue: &SignalQueue) -> Vec<u64> {
        queue.signals().iter().map(|queued| queued.number).collect()
    }

    #[test]
    fn each_signal_has_its_own_number() {
        let mut queue = SignalQueue::default();
        assert!(queue.add(record("a")).unwrap() && queue.add(record("")).unwrap());
        assert!(queue.add(record("")).unwrap() && !queue.add(record("a")).unwrap());
        assert_eq!(numbers(&queue), [1, 2, 3]);
        assert!(queue.remove_executed(2) && !queue.remove_executed(2));
        assert!(!queue.add(record("a")).unwrap(), "it was executed already");
        queue.remove_executed(9);
        let text = serde_json::to_string(&queue).unwrap();
        let mut queue: SignalQueue = serde_json::from_str(&text).unwrap();
        queue.add(record("b")).unwrap();
        assert_eq!(numbers(&queue), [4], "a number is used once");
    }

    #[test]
    fn queue_is_bounded() {
        let mut queue = SignalQueue::default();
        for number in 0..MAX_SIGNALS {
            queue.add(record(&number.to_string())).unwrap();
        }
        assert_eq!(queue.add(record("x")).unwrap_err().field, "signal");
        assert_eq!(queue.ids.len(), MAX_IDS);
    }
}
