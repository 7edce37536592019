//! Decoder of binary logs: bytes of events to values, for MySQL 5.7 and later and MariaDB 10.6 and later. It
//! reads from no server and no file, and knows no table but by the log's table maps. Any bytes give a value
//! or an error, and the memory used is bounded by their length and by the decoder's limit.
//!
//! - A [`Decoder`] turns an event's bytes into an [`Event`]; [`LogFile`] splits a log file into events.
//! - A [`TableMap`], prepared from a [`TableMapEvent`], decodes the rows of the [`RowsEvent`]s that name it.
//! - [`TransactionPayload::events`] gives the events of a compressed transaction, for
//!   [`Decoder::decode_inner`].
//!
//! ```
//! use kulya_cdc::mysql::binlog::{BinlogError, Checksum, Decoder, Event, LogFile, Row, TableMap};
//!
//! fn count_rows(file: &[u8]) -> Result<usize, BinlogError> {
//!     let mut decoder = Decoder::new(Checksum::Off);
//!     let mut table = None;
//!     let mut count = 0;
//!     for event in LogFile::new(file)? {
//!         let (_position, bytes) = event?;
//!         match decoder.decode(bytes)? {
//!             (_, Event::TableMap(event)) => table = Some(TableMap::prepare(&event)?),
//!             (_, Event::Rows(event)) => {
//!                 let Some(table) = &table else { continue };
//!                 let mut rows = event.rows(table)?;
//!                 let mut row = Row::default();
//!                 while rows.next_row(&mut row)? {
//!                     count += 1;
//!                 }
//!             }
//!             _ => {}
//!         }
//!     }
//!     Ok(count)
//! }
//! # assert_eq!(count_rows(b"\xfebin"), Ok(0));
//! ```

mod compression;
mod decoder;
mod error;
mod event;
mod event_splitter;
mod event_type;
mod file;
mod format;
mod header;
mod inflate;
mod large_event;
mod mariadb;
mod payload;
mod query;
mod reader;
mod row_splitter;
mod rows;
mod table_map;
mod tagged;
#[cfg(test)]
mod tests;
mod transaction;
pub mod value;
mod xa;

pub use decoder::{DEFAULT_MAX_EVENT_BYTES, Decoder};
pub use error::BinlogError;
pub use event::{Event, LogPosition};
pub(crate) use event_splitter::EventSplitter;
pub use event_type::EventType;
pub use file::{LogFile, MAGIC};
pub use format::{Checksum, Flavor, FormatDescription};
pub use header::{EventHeader, HEADER_LENGTH};
pub(crate) use inflate::Inflater;
pub(crate) use large_event::{LargeEvent, LargeKind};
pub use mariadb::{AlterPhase, MariadbTransactionStart};
pub use payload::{PayloadCompression, PayloadEvents, TransactionPayload};
pub use query::{Query, QueryCharset, QueryVariables};
pub(crate) use row_splitter::{CutRow, RowSplitter, SplitRow};
pub use rows::{Row, Rows, RowsEvent, RowsKind};
pub use table_map::{Column, ColumnType, KeyPart, TableMap, TableMapEvent};
pub use transaction::TransactionStart;
pub use xa::{XaId, XaPrepare};
