//! MySQL and MariaDB: what their servers send and store, as functions of bytes and text. Nothing in it opens
//! a connection.

pub mod binlog;
pub mod gtid;
