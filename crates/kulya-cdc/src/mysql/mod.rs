//! Capture of MySQL and MariaDB: pure parts on values. It opens no connection and reads no file.

pub mod ddl;
pub mod schema_history;
