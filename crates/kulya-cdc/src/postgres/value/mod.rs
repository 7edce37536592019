//! Conversion of PostgreSQL's text values to the JSON values of Debezium's events, written straight to bytes
//! (the differences are listed in `docs/cdc-differences.md`).

mod array;
mod binary;
mod decimal;
mod default_expression;
mod default_value;
mod geometric;
mod hstore;
mod number;
mod temporal;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub(crate) use binary::write_bytes;
pub(crate) use default_expression::default_json;
pub(crate) use default_value::write_default;
pub(crate) use write::{write_unavailable, write_value};
