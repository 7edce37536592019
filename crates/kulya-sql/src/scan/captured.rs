//! Scan of a captured table between two cuts, for live queries: the changes of its rows in the order of the
//! events.

use super::capture_events::{CaptureEvents, EventForm};
use super::context::ScanContext;
use super::events::ScannedRows;
use super::source::{EventReader, SourcePart};
use crate::SqlResult;
use kulya_codec::arrow::{CapturedChanges, Column, RowHistory};
use std::collections::VecDeque;
use std::sync::Arc;

/// A scan whose parts are those of a tick.
#[derive(Clone)]
pub(crate) struct CapturedScan {
    pub(crate) context: ScanContext,
    /// The table's columns.
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Vec<String>,
    /// The columns that are read, as positions in the table; of one without a key, all are.
    pub(crate) wanted: Vec<usize>,
    pub(crate) form: EventForm,
    pub(crate) history: RowHistory,
    /// Whether all events of the table are in one segment.
    pub(crate) is_ordered: bool,
}

impl CapturedScan {
    /// Returns a decoder of the events, whose batches have the columns of the scan.
    ///
    /// # Errors
    /// `TypeMismatch` for a column that events do not have.
    pub(crate) fn decoder(&self) -> SqlResult<CapturedChanges> {
        let changes = CapturedChanges::new(&self.columns, &self.key, &self.wanted, self.is_ordered)?;
        Ok(changes.with_history(self.history.clone()))
    }

    /// Opens the parts of a tick, which are read one after the other.
    pub(super) fn open(&self, parts: Vec<Arc<dyn SourcePart>>) -> SqlResult<RunningCapture> {
        let events = CaptureEvents::new(&self.context, self.form);
        Ok(RunningCapture { events, decoder: self.decoder()?, parts: parts.into(), current: None })
    }
}

/// The changes of a tick that are being read.
pub(crate) struct RunningCapture {
    events: CaptureEvents,
    decoder: CapturedChanges,
    parts: VecDeque<Arc<dyn SourcePart>>,
    current: Option<(Arc<dyn SourcePart>, Box<dyn EventReader>)>,
}

impl RunningCapture {
    /// Reads until there are changes; `None` at the end of the tick.
    ///
    /// # Errors
    /// Those of the store and of events that cannot be decoded, by the policy of the table.
    pub(super) async fn next(&mut self) -> SqlResult<Option<Vec<ScannedRows>>> {
        loop {
            let Some((part, reader)) = &mut self.current else {
                match self.parts.pop_front() {
                    Some(part) => {
                        let reader = part.open();
                        self.current = Some((part, reader));
                        continue;
                    }
                    None => return Ok(self.flush()?.map(|rows| vec![rows])),
                }
            };
            match reader.next().await? {
                Some(chunk) => {
                    let decoder = &mut self.decoder;
                    self.events.each(&**part, &chunk, |event| decoder.push(event)).await?;
                }
                None => self.current = None,
            }
            if self.decoder.is_full()
                && let Some(rows) = self.flush()?
            {
                return Ok(Some(vec![rows]));
            }
        }
    }

    fn flush(&mut self) -> SqlResult<Option<ScannedRows>> {
        let batch = self.decoder.flush()?;
        Ok(batch.map(|batch| ScannedRows { rows: batch.rows, kinds: batch.kinds, clears: batch.clears }))
    }
}
