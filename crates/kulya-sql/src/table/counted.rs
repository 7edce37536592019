//! A part of a table whose rows are counted as they are read.

use crate::progress::Progress;
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use std::sync::Arc;

/// A part with a counter of its rows.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) part: Arc<dyn PartitionStream>,
    pub(super) progress: Progress,
}

impl PartitionStream for Counted {
    fn schema(&self) -> &SchemaRef {
        self.part.schema()
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let progress = self.progress.clone();
        let rows = self.part.execute(context).inspect(move |batch| {
            if let Ok(batch) = batch {
                progress.add_read(batch.num_rows());
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.schema()), rows))
    }
}
