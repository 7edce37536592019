//! Scan of a change log as the rows that it leaves: the last one of each key, or without a key each row as
//! often as it was added and not removed.

use super::events::{EventScan, KindedRows};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use kulya_codec::arrow::{BATCH_ROWS, RowKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What an entry takes beside its bytes, in bytes.
const ENTRY_BYTES: usize = 64;

/// A scan of all parts of a change log.
#[derive(Clone)]
pub(crate) struct ChangesScan {
    /// A scan for each part, of all columns that are needed.
    scans: Vec<EventScan>,
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
        scans: Vec<EventScan>,
        (identity, is_keyed): (Vec<usize>, bool),
        output: Vec<usize>,
        schema: SchemaRef,
    ) -> Self {
        Self { scans, identity, is_keyed, output, schema }
    }

    async fn batches(self, memory: MemoryReservation) -> SqlResult<Vec<RecordBatch>> {
        let mut rows: Option<Rows> = None;
        for scan in &self.scans {
            let mut running = scan.open()?;
            while let Some(batches) = running.next().await? {
                for batch in batches {
                    let rows = match &mut rows {
                        Some(rows) => rows,
                        none => none.insert(Rows::new(&batch.0.schema(), &self)?),
                    };
                    rows.apply(&batch, &self, &memory)?;
                }
            }
        }
        rows.map_or(Ok(Vec::new()), |rows| rows.into_batches(&self.schema))
    }
}

/// The rows so far.
struct Rows {
    identity: RowConverter,
    output: RowConverter,
    /// By their keys.
    entries: HashMap<RowBytes, CountedRow>,
}

/// The values of a row's columns, in the form of a converter.
type RowBytes = Box<[u8]>;

/// A row, and how often it is there.
struct CountedRow {
    row: RowBytes,
    count: u64,
}

impl Rows {
    fn new(schema: &Schema, scan: &ChangesScan) -> SqlResult<Self> {
        let converter = |columns: &[usize]| {
            let fields: Vec<SortField> = columns
                .iter()
                .filter_map(|index| schema.fields().get(*index))
                .map(|field| SortField::new(field.data_type().clone()))
                .collect();
            if !RowConverter::supports_fields(&fields) {
                let what = "current rows of a change log with a column of type MAP";
                return Err(SqlError::new(
                    SqlErrorKind::NotSupported,
                    format!("{what} are not supported yet"),
                ));
            }
            RowConverter::new(fields).map_err(|e| SqlError::internal().because(e))
        };
        Ok(Self {
            identity: converter(&scan.identity)?,
            output: converter(&scan.output)?,
            entries: HashMap::new(),
        })
    }

    fn apply(
        &mut self,
        (batch, kinds): &KindedRows,
        scan: &ChangesScan,
        memory: &MemoryReservation,
    ) -> SqlResult<()> {
        let of = |columns: &[usize]| -> Vec<ArrayRef> {
            columns.iter().filter_map(|index| batch.columns().get(*index).cloned()).collect()
        };
        let failed = |e: arrow::error::ArrowError| SqlError::internal().because(e);
        let keys = self.identity.convert_columns(&of(&scan.identity)).map_err(failed)?;
        let rows = self.output.convert_columns(&of(&scan.output)).map_err(failed)?;
        for row in 0..batch.num_rows() {
            let kind = kinds.as_ref().and_then(|kinds| kinds.get(row).copied()).unwrap_or(RowKind::Insert);
            let key: RowBytes = keys.row(row).as_ref().into();
            // without columns a row has no bytes in its converter
            let value: RowBytes =
                if scan.output.is_empty() { Box::default() } else { rows.row(row).as_ref().into() };
            let bytes = key.len() + value.len() + ENTRY_BYTES;
            match (self.entries.entry(key), kind.is_addition()) {
                (Entry::Vacant(entry), true) => {
                    memory.try_grow(bytes)?;
                    entry.insert(CountedRow { row: value, count: 1 });
                }
                (Entry::Occupied(mut entry), true) => {
                    let counted = entry.get_mut();
                    counted.count = if scan.is_keyed { 1 } else { counted.count + 1 };
                    counted.row = value;
                }
                // the addition that follows replaces the row
                (Entry::Occupied(_), false) if scan.is_keyed && kind == RowKind::UpdateBefore => {}
                (Entry::Occupied(mut entry), false) => {
                    let count = &mut entry.get_mut().count;
                    *count -= 1;
                    if *count == 0 {
                        entry.remove();
                    }
                }
                // a log that starts later than its table
                (Entry::Vacant(_), false) => {}
            }
        }
        Ok(())
    }

    fn into_batches(self, schema: &SchemaRef) -> SqlResult<Vec<RecordBatch>> {
        let failed = |e: arrow::error::ArrowError| SqlError::internal().because(e);
        let parser = self.output.parser();
        let rows: Vec<RowBytes> = self
            .entries
            .into_values()
            .flat_map(|CountedRow { row, count }| {
                std::iter::repeat_n(row, usize::try_from(count).unwrap_or(usize::MAX))
            })
            .collect();
        let mut batches = Vec::new();
        for chunk in rows.chunks(BATCH_ROWS) {
            let columns = match schema.fields().is_empty() {
                true => Vec::new(),
                false => {
                    self.output.convert_rows(chunk.iter().map(|row| parser.parse(row))).map_err(failed)?
                }
            };
            let options = RecordBatchOptions::new().with_row_count(Some(chunk.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options);
            batches.push(batch.map_err(failed)?);
        }
        Ok(batches)
    }
}

impl PartitionStream for ChangesScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let memory = MemoryConsumer::new("current rows").register(context.memory_pool());
        let scan = self.clone();
        let batches = async move {
            let batches = scan.batches(memory).await?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches.into_iter().map(Ok)))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
