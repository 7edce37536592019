//! Capture of MySQL and MariaDB from their binary log: the parts from which it is built.
//!
//! The connection that reads the log, the decoders of what it contains, and the schemas that its DDL
//! statements leave behind are independent of each other. On the latter two stands the conversion of rows to
//! events' ([`table`]). All but the connection are functions on bytes and text.

pub mod binlog;
mod catalog;
pub mod charset;
mod checkpoint;
pub mod column;
pub mod connection;
pub mod ddl;
mod default_value;
mod event_table;
mod events;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub mod gtid;
mod heartbeat;
mod json_text;
mod key_range;
mod log_meter;
mod log_stream;
mod offset;
mod schema_changes;
pub mod schema_history;
mod session;
mod settings;
mod snapshot;
mod snapshot_rows;
pub(crate) mod source;
pub mod source_block;
mod stream;
pub mod table;
mod table_description;
mod table_rows;
mod transaction;
pub mod value;

pub use offset::{Cut, Gtids, LogPoint, MysqlPosition, ServerName, SnapshotReads, TransactionId};
