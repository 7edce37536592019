//! The program as its users meet it: command line in, text, exit code and stored events out.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod address;
mod bounds;
mod capture;
mod costly;
mod damage;
mod demo;
mod docs;
mod door;
mod flink;
mod help;
mod hostile;
mod kill;
mod operations;
mod pravega;
mod program;
mod reading;
mod registry;
mod schemathesis;
mod secrets;
mod serve;
mod store;
mod strangers;
mod wrong;
