//! The generated code matches the proto files, and every value survives the round trip through its message.

#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod generated;
mod registry;
mod values;
