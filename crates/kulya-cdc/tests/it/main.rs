//! Capture of real databases. Each PostgreSQL test creates its own database, replication slot and
//! publication; each MariaDB and MySQL test its own database, accounts and server ids.
#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod added_tables;
mod avro_zoo;
mod binlog_capture;
mod binlog_cases;
mod binlog_columns;
mod binlog_faults;
mod binlog_rows;
mod binlog_server;
mod binlog_setups;
mod binlog_snapshots;
mod binlog_uncaptured;
mod binlog_workload;
mod binlog_zoo;
mod column_rules;
mod connection_faults;
mod database;
mod encodings;
mod exactly_once;
mod failing_sink;
mod fault_cases;
mod faults;
mod golden;
mod large_transactions;
mod operation;
mod own_server;
mod parallel_snapshots;
mod postgres_failover;
mod postgres_faults;
mod postgres_setups;
mod postgres_workload;
mod proxy;
mod real_mariadb;
mod real_mysql;
mod running;
mod signal_cases;
mod signals;
mod signals_binlog;
mod snapshots;
mod table_changes;
mod table_kinds;
mod test_store;
mod transform_cases;
mod transform_zoo;
mod zoo;
