//! Scan of a table between two cuts, for live queries: its rows with their kinds, many events at a time.

use super::captured::{CapturedScan, RunningCapture};
use super::events::{EventScan, RunningScan, ScannedRows};
use super::source::SourcePart;
use crate::SqlResult;
use std::collections::VecDeque;
use std::sync::Arc;

/// A scan whose parts are those of a tick.
#[derive(Clone)]
pub(crate) enum TickScan {
    /// Of a table whose rows follow from its events: a scan that is as this one but for its part.
    Events(EventScan),
    /// Of a captured table.
    Captured(CapturedScan),
}

impl TickScan {
    /// Opens the parts of a tick, which are read one after the other.
    ///
    /// # Errors
    /// `TypeMismatch` for a column that events do not have.
    pub(crate) fn open(&self, parts: Vec<Arc<dyn SourcePart>>) -> SqlResult<RunningTick> {
        Ok(match self {
            Self::Events(template) => {
                let parts = RunningParts { template: template.clone(), parts: parts.into(), current: None };
                RunningTick::Events(Box::new(parts))
            }
            Self::Captured(scan) => RunningTick::Captured(Box::new(scan.open(parts)?)),
        })
    }
}

/// The rows of a tick that are being read.
pub(crate) enum RunningTick {
    Events(Box<RunningParts>),
    Captured(Box<RunningCapture>),
}

impl RunningTick {
    /// Reads until there are rows; `None` at the end of the tick.
    ///
    /// # Errors
    /// Those of the store and of events that cannot be decoded, by the policy of the table.
    pub(crate) async fn next(&mut self) -> SqlResult<Option<Vec<ScannedRows>>> {
        match self {
            Self::Events(parts) => parts.next().await,
            Self::Captured(capture) => capture.next().await,
        }
    }
}

/// The parts of a tick, of which one is being read.
pub(crate) struct RunningParts {
    template: EventScan,
    parts: VecDeque<Arc<dyn SourcePart>>,
    current: Option<RunningScan>,
}

impl RunningParts {
    async fn next(&mut self) -> SqlResult<Option<Vec<ScannedRows>>> {
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
