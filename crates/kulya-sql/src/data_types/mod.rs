//! The types of columns: Flink's names of Arrow's types, and Arrow's types of Flink's.

mod flink;
mod names;

pub(crate) use flink::{arrow_type, field};
pub(crate) use names::type_name;
