//! A file as a DataFusion table.

use super::csv::{self, CsvRows};
use super::json::{self, JsonRows};
use super::parquet::{self, ParquetRows};
use super::source::{FileKind, FileSource};
use crate::progress::Progress;
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;

/// The batches that are read ahead of the query.
const BATCHES_AHEAD: usize = 2;

/// A file whose columns are known.
#[derive(Debug, Clone)]
pub(crate) struct FileTable {
    source: FileSource,
    layout: Layout,
    schema: SchemaRef,
    progress: Progress,
}

/// What is known of the file besides its columns.
#[derive(Debug, Clone)]
enum Layout {
    Separated(u8),
    JsonLines,
    Parquet { row_groups: usize },
}

impl FileTable {
    /// Looks at a file: its kind follows from its name, its columns from its content. Blocks on reading.
    /// `progress` counts the rows that are read.
    ///
    /// # Errors
    /// `UnknownTable`, `NotSupported`, `InvalidValue` and `Failed`; the text names the file.
    pub(crate) fn open(path: &str, sample_bytes: usize, progress: Progress) -> SqlResult<Self> {
        let source = FileSource::new(path)?;
        let (layout, schema) = match source.kind {
            FileKind::Separated(separator) => {
                let (separator, schema) = csv::schema(&source, separator, sample_bytes)?;
                (Layout::Separated(separator), schema)
            }
            FileKind::JsonLines => (Layout::JsonLines, json::schema(&source, sample_bytes)?),
            FileKind::Parquet => {
                let (schema, row_groups) = parquet::schema(&source)?;
                (Layout::Parquet { row_groups }, schema)
            }
        };
        Ok(Self { source, layout, schema: Arc::new(schema), progress })
    }

    /// Returns the row groups of each partition: rows of text files are found only one after the other.
    fn partitions(&self, parallelism: usize) -> Vec<Vec<usize>> {
        match self.layout {
            Layout::Separated(_) | Layout::JsonLines => vec![Vec::new()],
            Layout::Parquet { row_groups } => {
                let each = row_groups.div_ceil(parallelism.max(1)).max(1);
                let groups: Vec<usize> = (0..row_groups).collect();
                let mut parts: Vec<Vec<usize>> = groups.chunks(each).map(<[usize]>::to_vec).collect();
                if parts.is_empty() {
                    parts.push(Vec::new());
                }
                parts
            }
        }
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let partition = |row_groups| {
            let (table, projection, schema) = (self.clone(), projection.clone(), Arc::clone(&schema));
            Arc::new(FilePartition { table, projection, schema, row_groups }) as Arc<dyn PartitionStream>
        };
        let partitions = self.partitions(session.config().target_partitions()).into_iter().map(partition);
        let exec =
            StreamingTableExec::try_new(Arc::clone(&schema), partitions.collect(), None, [], false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// A part of a file.
#[derive(Debug, Clone)]
struct FilePartition {
    table: FileTable,
    projection: Vec<usize>,
    schema: SchemaRef,
    row_groups: Vec<usize>,
}

type Rows = Box<dyn Iterator<Item = SqlResult<RecordBatch>>>;

impl FilePartition {
    fn rows(&self) -> SqlResult<Rows> {
        let FileTable { source, layout, schema, .. } = &self.table;
        let (source, projected) = (source.clone(), Arc::clone(&self.schema));
        Ok(match layout {
            Layout::Separated(separator) => {
                let (schema, projection) = (Arc::clone(schema), self.projection.clone());
                Box::new(CsvRows::open(source, *separator, schema, projection)?)
            }
            Layout::JsonLines => Box::new(JsonRows::open(source, schema, projected)?),
            Layout::Parquet { .. } => {
                Box::new(ParquetRows::open(source, &self.projection, projected, self.row_groups.clone())?)
            }
        })
    }
}

impl PartitionStream for FilePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_AHEAD);
        let (sender, part) = (stream.tx(), self.clone());
        stream.spawn_blocking(move || {
            for batch in part.rows()? {
                let batch = batch?;
                part.table.progress.add_read(batch.num_rows());
                // columns of CSV and JSON keep their places, names and types
                let batch = batch.with_schema(Arc::clone(&part.schema));
                let batch = batch.map_err(|e| DataFusionError::from(SqlError::internal().because(e)));
                if sender.blocking_send(batch).is_err() {
                    break;
                }
            }
            Ok(())
        });
        stream.build()
    }
}
