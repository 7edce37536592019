//! HTTP with JSON.

pub mod v1;
