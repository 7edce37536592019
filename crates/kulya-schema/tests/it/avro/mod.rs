//! Avro: pairs with their verdicts, and any schemas, judged by Avro Java as well.

mod avro_java;
mod change;
mod draw;
mod pairs;
mod summary;
