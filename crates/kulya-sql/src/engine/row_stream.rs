//! The rows of a running query.

use crate::output::batch_bytes;
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryReservation;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Returns the warnings of a query so far.
pub(crate) type Warnings = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The rows of a running query, batch by batch. Dropping it cancels the query.
pub struct RowStream {
    pub(super) schema: SchemaRef,
    pub(super) batches: mpsc::Receiver<RecordBatch>,
    /// `None` after the end of the query.
    pub(super) task: Option<JoinHandle<SqlResult<()>>>,
    /// The memory of the rows that [`RowStream::collect`] has collected.
    pub(super) collected: MemoryReservation,
    pub(super) warnings: Warnings,
}

impl RowStream {
    /// Returns the schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns warnings about the query, such as skipped events; complete after the last batch.
    pub fn warnings(&self) -> Vec<String> {
        (self.warnings)()
    }

    /// Returns the next batch; `None` after the last one and after an error.
    ///
    /// # Errors
    /// The query's error, such as an event that cannot be decoded or exceeded memory.
    pub async fn next(&mut self) -> SqlResult<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return Ok(Some(batch));
        }
        match self.task.take() {
            Some(task) => task.await.map_err(|_| SqlError::internal())?.map(|()| None),
            None => Ok(None),
        }
    }

    /// Collects all rows, within the query's memory limit.
    pub(crate) async fn collect(mut self) -> SqlResult<(SchemaRef, Vec<RecordBatch>, Vec<String>)> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            self.collected.try_grow(batch_bytes(&batch))?;
            batches.push(batch);
        }
        Ok((Arc::clone(&self.schema), batches, self.warnings()))
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
