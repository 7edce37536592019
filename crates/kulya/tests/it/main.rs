//! Tests of the program as a process: arguments in; output, exit code and stored events out.
#![allow(clippy::unwrap_used, reason = "a failed test reports its line")]

mod access;
mod address;
mod capture;
mod damage;
mod debezium_server;
mod demo;
mod docs;
mod error_messages;
mod expensive_requests;
mod flink;
mod help;
mod hostile;
mod kill;
mod live;
mod live_replica;
mod operations;
mod pravega;
mod program;
mod read_permissions;
mod registry;
mod registry_check;
mod registry_references;
mod schemathesis;
mod secrets;
mod serve;
mod sql_limits;
mod sql_output;
mod sql_prompt;
mod store;
mod untrusted_clients;
