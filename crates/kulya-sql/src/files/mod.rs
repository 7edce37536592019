//! Files as tables: CSV, JSON lines and Parquet files of the user's machine, which a query names by texts in
//! FROM.
//!
//! Only in sessions whose program allows it. Columns and types follow from the file: those of CSV and JSON
//! from a bounded sample at its beginning. A file is read while the query runs, a batch at a time, so
//! that its size does not matter.

mod csv;
mod json;
mod parquet;
mod source;
mod table;

pub(crate) use table::FileTable;

/// The rows of a batch.
const BATCH_ROWS: usize = 8192;
