//! Integration tests of the registry's rules: tables of schema pairs, and properties of random schemas that
//! are verified on values.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod avro;
mod families;
mod field_kinds;
mod json_schema_any;
mod json_schema_changes;
mod json_schema_pairs;
mod json_schema_sizes;
mod json_schema_suite;
mod megabyte;
mod protobuf;
mod source_families;
