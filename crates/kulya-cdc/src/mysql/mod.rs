//! Capture of MySQL and MariaDB from their binary log.
//!
//! The parts are independent of each other: the connection that reads the log, and the decoders of what it
//! contains.

pub mod connection;
