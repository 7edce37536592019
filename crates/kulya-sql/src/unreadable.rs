//! What becomes of a query when an event cannot be read: the table option `unreadable-events`, given as Flink gives options
//! of a table, in a hint: `SELECT … FROM orders /*+ OPTIONS('unreadable-events' = 'skip') */`.
//!
//! Not here: a stream for such events (a dead-letter queue). A query reads and writes nothing.

use crate::{SqlError, SqlResult};
use std::sync::{Arc, Mutex, PoisonError};

/// The option's name.
pub(crate) const OPTION: &str = "unreadable-events";

/// What is done with an event that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnUnreadable {
    /// The query ends with an error that names the event.
    #[default]
    Fail,
    /// It is left out, and counted.
    Skip,
}

impl OnUnreadable {
    pub(crate) fn parse(value: &str) -> SqlResult<Self> {
        match value {
            "fail" => Ok(Self::Fail),
            "skip" => Ok(Self::Skip),
            "dead-letter" => Err(SqlError::not_supported(format!(
                "'{OPTION}' = 'dead-letter': a query writes nothing; use 'skip', and the error of 'fail' to find the events"
            ))),
            other => {
                Err(SqlError::new(format!("'{OPTION}' = '{other}' is unknown: choose 'fail' or 'skip'")))
            }
        }
    }
}

/// The events that one query left out. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Skipped(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    events: u64,
    /// What was said of the first.
    first: String,
}

impl Skipped {
    /// Leaves an event out, or ends the query.
    pub(crate) fn take(&self, policy: OnUnreadable, why: SqlError) -> SqlResult<()> {
        if policy == OnUnreadable::Fail {
            return Err(why);
        }
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.events == 0 {
            count.first = why.to_string();
        }
        count.events += 1;
        Ok(())
    }

    /// What to tell of it; nothing when no event was left out.
    pub(crate) fn note(&self) -> Option<String> {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = &count.first;
        match count.events {
            0 => None,
            1 => Some(format!("1 event was skipped: {first}")),
            events => Some(format!("{events} events were skipped, the first of them: {first}")),
        }
    }
}
