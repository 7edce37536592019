//! Incremental snapshots: the rows of tables are read in chunks while the log is streamed, and written
//! between the log's events, so that the last event of each row has its newest state.
//!
//! A chunk is read at a point of the log that is known exactly, or within bounds (its `Cut`), on a
//! connection of its own, which needs no write access. From the request of the chunk on, rows that the log
//! changes are noted (`Window`). Once the log is read beyond everything that the chunk contains, its rows
//! are written without those that a transaction has changed that the chunk does not contain. Which tables
//! and rows are left ([`IncrementalState`]) is a part of the position and stored in the same commit, so that
//! after a crash the next run reads the chunk that was not stored.
//!
//! All this is the same for all databases. A source reads the chunks (`ChunkReader`) and writes their
//! rows.

mod cut;
mod driver;
mod reader;
mod state;
mod window;

pub(crate) use cut::Cut;
pub(crate) use driver::{FinishedChunk, Incremental, StreamProgress};
pub(crate) use reader::{Chunk, ChunkReader, ChunkRequest, ChunkRow, RowLimit};
pub use state::{IncrementalState, TableProgress};
pub(crate) use window::RowKey;

#[cfg(test)]
mod tests;
