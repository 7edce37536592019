//! Capturing real PostgreSQL databases. Each test makes a database, a slot and a publication of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod database;
mod zoo;
