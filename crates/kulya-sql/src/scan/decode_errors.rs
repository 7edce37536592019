//! The policy for events that cannot be decoded: the table option `unreadable-events`, set by a hint as in
//! Flink: `SELECT … FROM orders /*+ OPTIONS('unreadable-events' = 'skip') */`.
//!
//! There is no dead-letter queue: a query does not write.

use crate::{SqlError, SqlErrorKind, SqlResult};
use std::sync::{Arc, Mutex, PoisonError};

/// The name of the option.
pub(crate) const OPTION: &str = "unreadable-events";

/// The policy for events that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DecodeErrorPolicy {
    /// The query fails with an error that contains the event's pointer.
    #[default]
    Fail,
    /// The event is skipped and counted.
    Skip,
}

impl DecodeErrorPolicy {
    pub(crate) fn parse(value: &str) -> SqlResult<Self> {
        match value {
            "fail" => Ok(Self::Fail),
            "skip" => Ok(Self::Skip),
            "dead-letter" => Err(SqlError::not_supported(format!(
                "'{OPTION}' = 'dead-letter': a query does not write; use 'skip', and the error of 'fail' to find the events"
            ))),
            other => Err(SqlError::new(
                SqlErrorKind::InvalidOption,
                format!("invalid '{OPTION}' = '{other}': use 'fail' or 'skip'"),
            )),
        }
    }
}

/// The events that a query skipped. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct SkippedEvents(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    events: u64,
    /// The message of the first error.
    first: String,
}

impl SkippedEvents {
    /// Counts an event, or returns its error, by the policy.
    pub(crate) fn handle(&self, policy: DecodeErrorPolicy, error: SqlError) -> SqlResult<()> {
        if policy == DecodeErrorPolicy::Fail {
            return Err(error);
        }
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.events == 0 {
            count.first = error.to_string();
        }
        count.events += 1;
        Ok(())
    }

    /// Returns a warning with the number of skipped events; `None` when there are none.
    pub(crate) fn warning(&self) -> Option<String> {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = &count.first;
        match count.events {
            0 => None,
            1 => Some(format!("1 event was skipped: {first}")),
            events => Some(format!("{events} events were skipped, the first of them: {first}")),
        }
    }
}
