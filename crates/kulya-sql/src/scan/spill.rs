//! The memory of current rows: it is registered with the pool of the session's queries, and beyond it rows go
//! to files of the session's spill folder.

use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SpillFile, TaskContext};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use kulya_codec::arrow::{RowState, SpillTarget};
use kulya_codec::{CodecError, CodecResult};
use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;

/// The memory of a scan's rows.
pub(super) struct RowMemory {
    reservation: MemoryReservation,
}

impl RowMemory {
    /// Registers with the pool of a query, and returns the target of rows beyond it.
    pub(super) fn new(context: &TaskContext) -> (Self, Box<dyn SpillTarget>) {
        let consumer = MemoryConsumer::new("current rows").with_can_spill(true);
        let reservation = consumer.register(context.memory_pool());
        let disk = Arc::clone(&context.runtime_env().disk_manager);
        (Self { reservation }, Box::new(SpillFiles { disk, partitions: HashMap::new() }))
    }

    /// Makes the rows fit into memory. To be called after each chunk of events.
    ///
    /// # Errors
    /// `OutOfMemory` when they do not fit even though rows are spilled, `DiskFull` when they cannot be.
    pub(super) async fn fit(&mut self, rows: &mut RowState) -> SqlResult<()> {
        let mut limit = rows.memory_bytes();
        while self.reservation.try_resize(rows.memory_bytes()).is_err() {
            limit /= 2;
            rows.spill_beyond(limit).await?;
            if limit < MIN_BYTES {
                self.reservation.try_resize(rows.memory_bytes())?;
                return Ok(());
            }
        }
        // what is spilled already goes on
        rows.spill_beyond(usize::MAX).await?;
        Ok(())
    }

    /// Returns the rows as a stream of batches with this schema.
    pub(super) fn into_stream(
        self,
        rows: RowState,
        schema: SchemaRef,
    ) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send {
        futures::stream::try_unfold((self, rows, schema), |(memory, mut rows, schema)| async move {
            let Some(batch) = rows.next_batch().await.map_err(SqlError::from)? else { return Ok(None) };
            // a partition that was spilled is in memory again
            memory.reservation.try_resize(rows.memory_bytes())?;
            let batch = with_schema(&batch, &schema)?;
            Ok(Some((batch, (memory, rows, schema))))
        })
    }
}

/// The size of rows, in bytes, below which spilling more of them does not help.
const MIN_BYTES: usize = 1 << 20;

/// Gives a batch of nullable columns the columns of a table.
fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Files of a query's spill folder, one for each partition.
struct SpillFiles {
    disk: Arc<DiskManager>,
    partitions: HashMap<usize, Partition>,
}

struct Partition {
    file: Arc<dyn SpillFile>,
    /// The lengths of the pieces that were not read.
    lengths: VecDeque<usize>,
    /// What was read of the file, and the rest of it.
    reading: Option<(BytesMut, BoxStream<'static, Result<Bytes, DataFusionError>>)>,
}

impl SpillFiles {
    fn partition(&mut self, number: usize) -> CodecResult<&mut Partition> {
        if !self.partitions.contains_key(&number) {
            let file = self.disk.create_tmp_file("storing current rows").map_err(failed)?;
            self.partitions.insert(number, Partition { file, lengths: VecDeque::new(), reading: None });
        }
        self.partitions.get_mut(&number).ok_or_else(|| failed("a file is missing"))
    }
}

fn failed(cause: impl std::fmt::Display) -> CodecError {
    CodecError::Spill(format!("rows beyond the query's memory cannot be stored: {cause}"))
}

#[async_trait]
impl SpillTarget for SpillFiles {
    async fn write(&mut self, partition: usize, piece: Bytes) -> CodecResult<()> {
        let (used, limit) = (self.disk.used_disk_space(), self.disk.max_temp_directory_size());
        if used.saturating_add(piece.len() as u64) > limit {
            return Err(CodecError::Spill(format!(
                "the query exceeds its spill limit of {limit} bytes: raise --spill, or query fewer rows"
            )));
        }
        let partition = self.partition(partition)?;
        let mut writer = partition.file.open_writer().map_err(failed)?;
        // about a hundred kilobytes, into the page cache
        match writer.write_all(&piece).and_then(|()| writer.flush()) {
            Ok(()) => partition.lengths.push_back(piece.len()),
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                return Err(failed("the disk of the spill folder is full"));
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    async fn read(&mut self, number: usize) -> CodecResult<Option<Bytes>> {
        let Some(partition) = self.partitions.get_mut(&number) else { return Ok(None) };
        let Some(length) = partition.lengths.pop_front() else {
            // the file is removed
            self.partitions.remove(&number);
            return Ok(None);
        };
        let (read, rest) = match &mut partition.reading {
            Some(reading) => reading,
            none => none.insert((BytesMut::new(), partition.file.read_stream().map_err(failed)?)),
        };
        while read.len() < length {
            match rest.next().await {
                Some(bytes) => read.extend_from_slice(&bytes.map_err(failed)?),
                None => return Err(failed("a file is shorter than what was written")),
            }
        }
        Ok(Some(read.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqlErrorKind;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::execution::disk_manager::DiskManagerBuilder;
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use futures::TryStreamExt;
    use kulya_codec::arrow::RowIdentity;

    fn context(memory: usize, disk: u64) -> TaskContext {
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_max_temp_directory_size(disk))
            .build_arc()
            .unwrap();
        TaskContext::default().with_runtime(environment)
    }

    fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
        let texts: ArrayRef =
            Arc::new(ids.clone().map(|n| Some(format!("{n:0>80}"))).collect::<StringArray>());
        let ids: ArrayRef = Arc::new(ids.map(Some).collect::<Int64Array>());
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("text", texts, true)]).unwrap()
    }

    /// Puts 40,000 rows of 90 bytes twice, and returns how many there are.
    async fn count(context: &TaskContext) -> SqlResult<usize> {
        let schema = batch(0..0).schema();
        let (mut memory, target) = RowMemory::new(context);
        let mut rows = RowState::new(&schema, RowIdentity::Key(&[0]), &[0, 1]).unwrap().with_spill(target);
        for round in 0..80 {
            let first = round % 40 * 1000;
            rows.apply(&batch(first..first + 1000), None)?;
            memory.fit(&mut rows).await?;
        }
        let batches: Vec<RecordBatch> = memory.into_stream(rows, schema).try_collect().await?;
        Ok(batches.iter().map(RecordBatch::num_rows).sum())
    }

    #[tokio::test]
    async fn rows_beyond_the_memory_of_the_query_are_on_disk() {
        let enough = context(64 << 20, 0);
        assert_eq!(count(&enough).await.unwrap(), 40_000);
        let little = context(2 << 20, 1 << 30);
        assert_eq!(count(&little).await.unwrap(), 40_000);
        let disk = &little.runtime_env().disk_manager;
        assert_eq!((disk.used_disk_space(), little.memory_pool().reserved()), (0, 0), "nothing is left");
        let error = count(&context(2 << 20, 1 << 20)).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::DiskFull, "{error}");
        assert!(error.to_string().contains("raise --spill"), "{error}");
    }
}
