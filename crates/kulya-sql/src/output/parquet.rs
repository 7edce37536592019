//! Rows as a Parquet file, written row group by row group.

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// The size of a row group, in bytes; it is in memory while it is written.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// A file that is being written.
pub(super) struct ParquetFile(ArrowWriter<Vec<u8>>);

impl ParquetFile {
    /// # Errors
    /// `NotSupported` for a column whose type Parquet does not have.
    pub(super) fn new(schema: &SchemaRef) -> SqlResult<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties));
        writer.map(Self).map_err(|e| error(&e))
    }

    /// Adds rows; returns the bytes that are complete.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> SqlResult<Vec<u8>> {
        self.0.write(rows).map_err(|e| error(&e))?;
        if self.0.in_progress_size() >= ROW_GROUP_BYTES {
            self.0.flush().map_err(|e| error(&e))?;
        }
        Ok(std::mem::take(self.0.inner_mut()))
    }

    /// Returns the rest of the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(self) -> SqlResult<Vec<u8>> {
        self.0.into_inner().map_err(|e| error(&e))
    }
}

fn error(error: &ParquetError) -> SqlError {
    let kind = match error {
        ParquetError::NYI(_) => SqlErrorKind::NotSupported,
        _ => SqlErrorKind::Failed,
    };
    SqlError::new(kind, format!("the rows cannot be written as Parquet: {error}"))
}
