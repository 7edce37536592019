//! Avro: pairs with their verdicts, and random schemas, compared with Avro Java.

mod avro_java;
mod change;
mod generator;
mod pairs;
mod strict_pairs;
mod summary;
