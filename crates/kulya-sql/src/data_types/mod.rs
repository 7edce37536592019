//! The types of columns: Flink's names of Arrow's types, and Arrow's types of Flink's.

mod flink;
mod names;
mod type_planner;

pub(crate) use flink::field;
pub(crate) use names::type_name;
pub(crate) use type_planner::FlinkTypePlanner;
