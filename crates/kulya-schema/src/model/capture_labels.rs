//! The labels that a capture gives to the group of a table's stream, in its
//! [`GroupProperties`](super::GroupProperties): queries read the stream by them.

/// The format of the events: [`DEBEZIUM_JSON`] and its like.
pub const FORMAT: &str = "format";
/// The table of the database, or the topic of several.
pub const TABLE: &str = "source.table";
/// The name of the capture.
pub const SOURCE: &str = "source.name";

/// Debezium's events in JSON without a header.
pub const DEBEZIUM_JSON: &str = "debezium-json";
/// Debezium's events in JSON with the five-byte header.
pub const DEBEZIUM_JSON_SCHEMA: &str = "debezium-json-schema";
/// Debezium's events in Avro with the five-byte header.
pub const DEBEZIUM_AVRO: &str = "debezium-avro";
