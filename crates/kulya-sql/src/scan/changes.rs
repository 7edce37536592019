//! Scan of a change log as the rows that it leaves: the last one of each key, or without a key each row as
//! often as it was added and not removed.

use super::events::EventScan;
use super::spill::RowMemory;
use crate::SqlResult;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use kulya_codec::arrow::{RowIdentity, RowState};
use std::sync::Arc;

/// A scan of all parts of a change log, one after the other: only the events of one part have an order, and
/// the result is the same in every run.
#[derive(Clone)]
pub(crate) struct ChangesScan {
    /// A scan for each part, of all columns that are needed.
    scans: Vec<EventScan>,
    /// The schema of the scans.
    scanned: SchemaRef,
    /// The columns of the scans that tell rows apart: the primary key, or all of the events.
    identity: Vec<usize>,
    is_keyed: bool,
    /// The columns of the scans that are returned.
    output: Vec<usize>,
    schema: SchemaRef,
}

impl std::fmt::Debug for ChangesScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangesScan({} parts)", self.scans.len())
    }
}

impl ChangesScan {
    pub(crate) fn new(
        (scans, scanned): (Vec<EventScan>, SchemaRef),
        (identity, is_keyed): (Vec<usize>, bool),
        output: Vec<usize>,
        schema: SchemaRef,
    ) -> Self {
        Self { scans, scanned, identity, is_keyed, output, schema }
    }

    /// Reads all parts.
    async fn rows(&self, context: &TaskContext) -> SqlResult<(RowMemory, RowState)> {
        let identity = match self.is_keyed {
            true => RowIdentity::Key(&self.identity),
            false => RowIdentity::Columns(&self.identity),
        };
        let (mut memory, target) = RowMemory::new(context);
        let mut rows = RowState::new(&self.scanned, identity, &self.output)?.with_spill(target);
        for scan in &self.scans {
            let mut running = scan.open()?;
            while let Some(batches) = running.next().await? {
                for batch in batches {
                    if batch.clears {
                        rows.clear();
                    }
                    rows.apply(&batch.rows, batch.kinds.as_deref())?;
                }
                memory.fit(&mut rows).await?;
                // a store that never waits leaves no other place to cancel the query
                tokio::task::yield_now().await;
            }
        }
        Ok((memory, rows))
    }
}

impl PartitionStream for ChangesScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (scan, schema) = (self.clone(), Arc::clone(&self.schema));
        let batches = async move {
            let (memory, rows) = scan.rows(&context).await?;
            Ok::<_, DataFusionError>(memory.into_stream(rows, schema))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
