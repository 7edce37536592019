//! The types of columns: Flink's names of Arrow's types.

mod names;

pub(crate) use names::type_name;
