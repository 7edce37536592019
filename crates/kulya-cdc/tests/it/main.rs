//! Capture of real PostgreSQL databases. Each test creates its own database, replication slot and
//! publication.
#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod database;
mod zoo;
