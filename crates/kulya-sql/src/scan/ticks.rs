//! Scan of a table between two cuts, for live queries: its rows with their kinds, many events at a time.

use super::events::{EventScan, RunningScan, ScannedRows};
use super::source::SourcePart;
use crate::SqlResult;
use std::collections::VecDeque;
use std::sync::Arc;

/// A scan whose parts are those of a tick.
#[derive(Clone)]
pub(crate) struct TickScan {
    template: EventScan,
}

impl TickScan {
    /// Creates a scan that is as the template but for its part.
    pub(crate) fn new(template: EventScan) -> Self {
        Self { template }
    }

    /// Opens the parts of a tick, which are read one after the other.
    pub(crate) fn open(&self, parts: Vec<Arc<dyn SourcePart>>) -> RunningTick {
        RunningTick { template: self.template.clone(), parts: parts.into(), current: None }
    }
}

/// The rows of a tick that are being read.
pub(crate) struct RunningTick {
    template: EventScan,
    parts: VecDeque<Arc<dyn SourcePart>>,
    current: Option<RunningScan>,
}

impl RunningTick {
    /// Reads until there are rows; `None` at the end of the tick.
    ///
    /// # Errors
    /// Those of the store and of events that cannot be decoded, by the policy of the table.
    pub(crate) async fn next(&mut self) -> SqlResult<Option<Vec<ScannedRows>>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(rows) = current.next().await? {
                    return Ok(Some(rows));
                }
                self.current = None;
            }
            let Some(part) = self.parts.pop_front() else { return Ok(None) };
            self.current = Some(self.template.clone().with_part(part).open()?);
        }
    }
}
