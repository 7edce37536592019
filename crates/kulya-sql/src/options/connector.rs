//! The options of the connector `pravega`: Flink's, and those of Kulya.

use super::spec::{OptionKind, OptionSpec};

const FLINK_READER: &str = "no effect: a query reads the segments itself, without a reader group";
const OF_CATALOG: &str = "no effect: the catalog's options say how its store is reached";
const FLINK_WRITER: &str = "no effect: a statement is one transaction";

/// The largest number of segments that CREATE TABLE makes.
const MAX_SEGMENTS: u64 = 10_000;

/// The options.
pub(crate) static CONNECTOR: &[OptionSpec] = &[
    OptionSpec::new(
        "connector",
        OptionKind::Choice(&["pravega", "kulya"]),
        "pravega",
        "the streams of a store",
    ),
    OptionSpec::new(
        "format",
        OptionKind::Text,
        "",
        "the format of events; without it the one of the catalog, by the registry",
    ),
    OptionSpec::new("controller-uri", OptionKind::Text, "", "the store; without it the catalog's"),
    OptionSpec::new(
        "scope",
        OptionKind::Text,
        "",
        "the scope of the streams; without it the table's database",
    ),
    OptionSpec::new(
        "scan.streams",
        OptionKind::Text,
        "",
        "the streams to read, separated by semicolons; without it the one with the table's name",
    ),
    OptionSpec::new(
        "sink.stream",
        OptionKind::Text,
        "",
        "the stream to write; without it the one with the table's name",
    ),
    OptionSpec::new("security.auth-type", OptionKind::Text, "", OF_CATALOG),
    OptionSpec::new("security.auth-token", OptionKind::Text, "", OF_CATALOG),
    OptionSpec::new(
        "security.validate-hostname",
        OptionKind::Choice(&["true"]),
        "true",
        "host names are always verified",
    ),
    OptionSpec::new("security.trust-store", OptionKind::Text, "", OF_CATALOG),
    OptionSpec::new(
        "scan.execution.type",
        OptionKind::Choice(&["batch", "streaming"]),
        "batch",
        "batch reads to the tail of now; streaming is not supported yet and reads the same",
    ),
    OptionSpec::new(
        "scan.start-streamcuts",
        OptionKind::Text,
        "",
        "where reading starts, a cut for each stream, separated by semicolons: Pravega's text, `scope/stream@0.0:120,1.0:64` or `UNBOUNDED`; without it the head",
    ),
    OptionSpec::new(
        "scan.end-streamcuts",
        OptionKind::Text,
        "",
        "where reading ends, likewise; without it the tail of now",
    ),
    OptionSpec::new(
        "scan.start-timestamp",
        OptionKind::Text,
        "",
        "reading starts at the first event that was committed then or later: `2024-02-29 12:34:56.789` in UTC, or milliseconds since 1970",
    ),
    OptionSpec::new(
        "scan.end-timestamp",
        OptionKind::Text,
        "",
        "reading ends before the first event that was committed then or later",
    ),
    OptionSpec::new(
        "scan.event-pointer",
        OptionKind::Text,
        "",
        "reads one event, as `TABLE(EVENT(TABLE t, pointer))` does: the pointer's bytes in hexadecimal, or its text in messages",
    ),
    OptionSpec::new("scan.reader-group.name", OptionKind::WithoutEffect, "", FLINK_READER),
    OptionSpec::new("scan.uid", OptionKind::WithoutEffect, "", FLINK_READER),
    OptionSpec::new(
        "scan.reader-group.max-outstanding-checkpoint-request",
        OptionKind::WithoutEffect,
        "",
        FLINK_READER,
    ),
    OptionSpec::new("scan.reader-group.refresh.interval", OptionKind::WithoutEffect, "", FLINK_READER),
    OptionSpec::new("scan.event-read.timeout.interval", OptionKind::WithoutEffect, "", FLINK_READER),
    OptionSpec::new(
        "scan.reader-group.checkpoint-initiate-timeout.interval",
        OptionKind::WithoutEffect,
        "",
        FLINK_READER,
    ),
    OptionSpec::new(
        "sink.semantic",
        OptionKind::Choice(&["at-least-once", "exactly-once", "best-effort"]),
        "exactly-once",
        FLINK_WRITER,
    ),
    OptionSpec::new("sink.txn-lease-renewal.interval", OptionKind::WithoutEffect, "", FLINK_WRITER),
    OptionSpec::new("sink.enable.watermark-propagation", OptionKind::WithoutEffect, "", FLINK_WRITER),
    OptionSpec::new(
        "sink.routing-key.field.name",
        OptionKind::Text,
        "",
        "the text column whose value is the routing key; without it the primary key, or none",
    ),
    OptionSpec::new(
        "segments",
        OptionKind::Integer(1, MAX_SEGMENTS),
        "1",
        "the number of segments of the stream that CREATE TABLE makes",
    ),
    OptionSpec::new(
        "unreadable-events",
        OptionKind::Choice(&["fail", "skip", "dead-letter"]),
        "fail",
        "what becomes of events that cannot be decoded",
    ),
    OptionSpec::new(
        "unreadable-events.dead-letter-stream",
        OptionKind::Text,
        "",
        "the stream to which `dead-letter` writes them, of the table's scope or as `scope/stream`; it must exist, and the user must be allowed to write it",
    ),
];
