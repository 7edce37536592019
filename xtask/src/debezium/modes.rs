//! The modes of the connectors in which a zoo runs: each has one setting, all others are the connector's own.
//! A zoo with files of properties has a mode for each file instead.

use super::engine::Kind;
use anyhow::{Context, Result};
use std::path::Path;

/// A mode's name, which is its file's, and its settings.
type ModeSettings = (&'static str, &'static [(&'static str, &'static str)]);

/// A mode of a zoo.
pub(super) struct Mode {
    /// The name, which is its file's.
    pub(super) name: String,
    pub(super) settings: Vec<(String, String)>,
    /// Whether the file has all events instead of those that differ from the default mode's.
    pub(super) has_all_events: bool,
}

/// Modes of all databases. The first one is compared with the others.
const MODES: &[ModeSettings] = &[
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
const POSTGRES_MODES: &[ModeSettings] = &[
    ("time-adaptive-time-microseconds", &[("time.precision.mode", "adaptive_time_microseconds")]),
    ("interval-string", &[("interval.handling.mode", "string")]),
    ("hstore-map", &[("hstore.handling.mode", "map")]),
    ("unknown-types", &[("include.unknown.datatypes", "true")]),
    ("unavailable-placeholder", &[("unavailable.value.placeholder", "not sent: \"täst\"")]),
];
const BINLOG_MODES: &[ModeSettings] = &[("bigint-precise", &[("bigint.unsigned.handling.mode", "precise")])];

/// Returns the modes of a zoo with a connector.
///
/// # Errors
/// A folder or a file that cannot be read.
pub(super) fn modes(zoo: &Path, kind: Kind) -> Result<Vec<Mode>> {
    let own = own_modes(zoo).with_context(|| format!("cannot read {}", zoo.display()))?;
    if !own.is_empty() {
        return Ok(own);
    }
    let modes = MODES.iter().chain(if kind == Kind::Postgres { POSTGRES_MODES } else { BINLOG_MODES });
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mode = |(name, settings): &ModeSettings| Mode {
        name: (*name).to_owned(),
        settings: settings.iter().map(owned).collect(),
        has_all_events: *name == "default",
    };
    Ok(modes.map(mode).collect())
}

/// Returns the modes of a zoo's files `MODE.properties`, by name.
fn own_modes(zoo: &Path) -> Result<Vec<Mode>> {
    let mut modes = Vec::new();
    for entry in std::fs::read_dir(zoo)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.and_then(|name| name.strip_suffix(".properties")) else { continue };
        let text = std::fs::read_to_string(&path)?;
        let settings = text.lines().filter_map(|line| line.split_once('='));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        modes.push(Mode { name: name.to_owned(), settings, has_all_events: true });
    }
    modes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(modes)
}
