//! The functions of queries: Flink's, and limits of DataFusion's.

mod bounded;
mod time;
mod time_unit;

pub(crate) use bounded::register_bounded;
pub(crate) use time::register_time;
