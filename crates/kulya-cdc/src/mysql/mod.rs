//! Capture of MySQL and MariaDB from their binary log: the parts from which it is built.
//!
//! The parts are independent of each other: the connection that reads the log, the decoders of what it
//! contains, and the schemas that its DDL statements leave behind, which are functions on bytes and text.

pub mod binlog;
mod catalog;
pub mod connection;
pub mod ddl;
mod event_table;
mod events;
pub mod gtid;
mod log_stream;
mod offset;
pub mod schema_history;
mod session;
mod settings;
mod snapshot;
mod source;
mod stream;
mod table_rows;
mod transaction;

pub use settings::MysqlSettings;
pub use offset::{Cut, Gtids, LogPoint, MysqlPosition, ServerName, TransactionId};
