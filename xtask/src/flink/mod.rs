//! Apache Flink as a peer of Kulya's SQL.

pub(crate) mod parser;
pub(crate) mod pravega;
pub(crate) mod programs;
mod script;

/// Java packages that must be opened for Flink's serializers.
const OPENS: [&str; 4] = ["java.lang", "java.nio", "java.util", "sun.nio.ch"];
