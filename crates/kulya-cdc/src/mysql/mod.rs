//! Capture of MySQL and MariaDB from their binary log: the parts from which it is built.
//!
//! The connection that reads the log, the decoders of what it contains, and the schemas that its DDL
//! statements leave behind are independent of each other. On the latter two stands the conversion of rows to
//! events' ([`table`]). All but the connection are functions on bytes and text.

pub mod binlog;
pub mod charset;
pub mod column;
pub mod connection;
pub mod ddl;
mod default_value;
pub mod gtid;
mod json_text;
pub mod schema_history;
pub mod source_block;
pub mod table;
pub mod value;
