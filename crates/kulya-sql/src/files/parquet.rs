//! Parquet files, by Arrow's reader: columns that a query does not need are not read.

use super::BATCH_ROWS;
use super::source::{FileSource, invalid};
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use std::fs::File;
use std::sync::Arc;

fn builder(source: &FileSource) -> SqlResult<ParquetRecordBatchReaderBuilder<File>> {
    // columns have the types of the file, not those of the program that wrote it
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = source.file()?;
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|e| invalid(source, None, e))
}

/// Returns the columns of a file, and the number of its row groups.
///
/// # Errors
/// `InvalidValue` for what is not a Parquet file.
pub(super) fn schema(source: &FileSource) -> SqlResult<(Schema, usize)> {
    let builder = builder(source)?;
    let schema = Schema::new(builder.schema().fields().clone());
    Ok((schema, builder.metadata().num_row_groups()))
}

/// The rows of some row groups of a file.
pub(super) struct ParquetRows {
    source: FileSource,
    schema: SchemaRef,
    reader: ParquetRecordBatchReader,
    /// Where the returned columns are in the batches that are read.
    places: Vec<usize>,
}

impl ParquetRows {
    /// Opens a file for the columns of the projection, whose schema is `projected`.
    ///
    /// # Errors
    /// As [`schema`].
    pub(super) fn open(
        source: FileSource,
        projection: &[usize],
        projected: SchemaRef,
        row_groups: Vec<usize>,
    ) -> SqlResult<Self> {
        let builder = builder(&source)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), projection.iter().copied());
        // batches have the columns in the file's order
        let mut sorted = projection.to_vec();
        sorted.sort_unstable();
        let place = |index: &usize| sorted.iter().position(|other| other == index).unwrap_or_default();
        let places = projection.iter().map(place).collect();
        let reader = builder
            .with_projection(mask)
            .with_row_groups(row_groups)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|e| invalid(&source, None, e))?;
        Ok(Self { source, schema: projected, reader, places })
    }
}

impl Iterator for ParquetRows {
    type Item = SqlResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(invalid(&self.source, None, error))),
        };
        let batch = batch.project(&self.places).and_then(|batch| batch.with_schema(Arc::clone(&self.schema)));
        Some(batch.map_err(|e| SqlError::internal().because(e)))
    }
}
