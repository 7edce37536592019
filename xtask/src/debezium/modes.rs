//! The modes of the connectors in which a zoo runs: each has one setting, all others are the connector's own.

use super::engine::Kind;

/// A mode's name, which is its file's, and its settings.
pub(super) type Mode = (&'static str, &'static [(&'static str, &'static str)]);

/// Modes of all databases. The first one is compared with the others.
const MODES: &[Mode] = &[
    ("default", &[]),
    ("noschema", &[("key.converter.schemas.enable", "false"), ("value.converter.schemas.enable", "false")]),
    ("decimal-string", &[("decimal.handling.mode", "string")]),
    ("decimal-double", &[("decimal.handling.mode", "double")]),
    ("time-connect", &[("time.precision.mode", "connect")]),
    ("time-isostring", &[("time.precision.mode", "isostring")]),
    ("time-microseconds", &[("time.precision.mode", "microseconds")]),
    ("time-nanoseconds", &[("time.precision.mode", "nanoseconds")]),
    ("binary-base64", &[("binary.handling.mode", "base64")]),
    ("binary-base64-url-safe", &[("binary.handling.mode", "base64-url-safe")]),
    ("binary-hex", &[("binary.handling.mode", "hex")]),
    ("tombstones-off", &[("tombstones.on.delete", "false")]),
];
const POSTGRES_MODES: &[Mode] = &[
    ("time-adaptive-time-microseconds", &[("time.precision.mode", "adaptive_time_microseconds")]),
    ("interval-string", &[("interval.handling.mode", "string")]),
    ("hstore-map", &[("hstore.handling.mode", "map")]),
    ("unknown-types", &[("include.unknown.datatypes", "true")]),
    ("unavailable-placeholder", &[("unavailable.value.placeholder", "not sent: \"täst\"")]),
];
const BINLOG_MODES: &[Mode] = &[("bigint-precise", &[("bigint.unsigned.handling.mode", "precise")])];

/// Returns the modes of a connector.
pub(super) fn modes(kind: Kind) -> impl Iterator<Item = &'static Mode> {
    MODES.iter().chain(if kind == Kind::Postgres { POSTGRES_MODES } else { BINLOG_MODES })
}
