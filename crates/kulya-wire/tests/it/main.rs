//! The generated code is that of the proto file, and every value of the contract crosses and comes back.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod generated;
mod registry;
mod values;
