//! Capture of real databases. Each PostgreSQL test creates its own database, replication slot and
//! publication; each MariaDB and MySQL test its own database, accounts and server ids.
#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod avro_zoo;
mod binlog_capture;
mod binlog_cases;
mod binlog_columns;
mod binlog_faults;
mod binlog_server;
mod binlog_setups;
mod binlog_snapshots;
mod binlog_zoo;
mod column_rules;
mod connection_faults;
mod database;
mod encodings;
mod failing_sink;
mod faults;
mod golden;
mod operation;
mod parallel_snapshots;
mod proxy;
mod real_mariadb;
mod real_mysql;
mod snapshots;
mod table_changes;
mod zoo;
