//! The generated code is that of the proto file, and every value of the contract crosses and comes back.

#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod generated;
mod registry;
mod values;
