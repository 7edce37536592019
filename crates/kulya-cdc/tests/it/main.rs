//! Capture of real PostgreSQL databases. Each test creates its own database, replication slot and
//! publication.
#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod connection_faults;
mod database;
mod table_changes;
mod zoo;
