//! The registry's rules from outside: pairs of schemas kept as data, and what must hold of any, put to the
//! test on values.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod avro;
mod families;
mod json_schema_any;
mod json_schema_pairs;
mod json_schema_suite;
mod protobuf;
