//! Scan of a table as its changes, each with its kind and its number: in the order of the events of a
//! segment.

use super::events::{EventScan, RunningScan, ScannedRows};
use crate::SqlResult;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::arrow::RowKind;
use std::sync::Arc;

/// A scan of all parts, one after the other: only the events of one part have an order.
#[derive(Clone)]
pub(crate) struct KindScan {
    scans: Vec<EventScan>,
    /// The columns of the scans, the kind of a change, and its number.
    changes: SchemaRef,
    /// Those that are returned.
    output: Vec<usize>,
    schema: SchemaRef,
}

impl std::fmt::Debug for KindScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KindScan({} parts)", self.scans.len())
    }
}

/// Where a running scan is.
struct Running {
    scans: std::vec::IntoIter<EventScan>,
    current: Option<RunningScan>,
    number: i64,
}

impl KindScan {
    pub(crate) fn new(
        scans: Vec<EventScan>,
        changes: SchemaRef,
        output: Vec<usize>,
        schema: SchemaRef,
    ) -> Self {
        Self { scans, changes, output, schema }
    }

    /// Reads until there are rows; `None` at the end of the last part.
    async fn next(&self, running: &mut Running) -> SqlResult<Option<Vec<RecordBatch>>> {
        loop {
            if running.current.is_none() {
                let Some(scan) = running.scans.next() else { return Ok(None) };
                running.current = Some(scan.open()?);
            }
            let Some(current) = &mut running.current else { continue };
            match current.next().await? {
                Some(rows) => {
                    let changes = rows.into_iter().map(|rows| self.changes_of(rows, &mut running.number));
                    return changes.collect::<SqlResult<Vec<_>>>().map(Some);
                }
                None => running.current = None,
            }
        }
    }

    fn changes_of(&self, scanned: ScannedRows, number: &mut i64) -> SqlResult<RecordBatch> {
        let failed = |e| DataFusionError::from(e);
        let count = scanned.rows.num_rows();
        let kinds: ArrayRef = Arc::new(match &scanned.kinds {
            Some(kinds) => StringArray::from_iter_values(kinds.iter().map(|kind| name(*kind))),
            None => StringArray::from_iter_values(std::iter::repeat_n(name(RowKind::Insert), count)),
        });
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(*number..*number + count as i64));
        *number += count as i64;
        let mut columns = scanned.rows.columns().to_vec();
        columns.extend([kinds, numbers]);
        let changes = RecordBatch::try_new(Arc::clone(&self.changes), columns).map_err(failed)?;
        Ok(changes.project(&self.output).map_err(failed)?)
    }
}

/// Returns the long name of a kind, as Flink has it.
fn name(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Insert => "INSERT",
        RowKind::UpdateBefore => "UPDATE_BEFORE",
        RowKind::UpdateAfter => "UPDATE_AFTER",
        RowKind::Delete => "DELETE",
    }
}

impl PartitionStream for KindScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let scan = self.clone();
        let running = Running { scans: self.scans.clone().into_iter(), current: None, number: 0 };
        let groups = futures::stream::try_unfold((scan, running), |(scan, mut running)| async move {
            let batches = scan.next(&mut running).await?;
            Ok::<_, DataFusionError>(batches.map(|batches| (batches, (scan, running))))
        });
        let flat = groups.map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
