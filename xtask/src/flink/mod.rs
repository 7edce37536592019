//! Apache Flink as a peer of Kulya's SQL.

pub(crate) mod parser;
pub(crate) mod pravega;
pub(crate) mod programs;
mod script;
pub(crate) mod session;
