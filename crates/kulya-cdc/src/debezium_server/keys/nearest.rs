//! The known key that an unknown one probably stands for.

use super::known_keys;

/// Keys of earlier versions of Debezium, and their present names.
const RENAMED: &[(&str, &str)] = &[
    ("debezium.source.database.server.name", "debezium.source.topic.prefix"),
    ("debezium.source.table.whitelist", "debezium.source.table.include.list"),
    ("debezium.source.table.blacklist", "debezium.source.table.exclude.list"),
    ("debezium.source.schema.whitelist", "debezium.source.schema.include.list"),
    ("debezium.source.schema.blacklist", "debezium.source.schema.exclude.list"),
    ("debezium.source.database.whitelist", "debezium.source.database.include.list"),
    ("debezium.source.database.blacklist", "debezium.source.database.exclude.list"),
    ("debezium.source.column.whitelist", "debezium.source.column.include.list"),
    ("debezium.source.column.blacklist", "debezium.source.column.exclude.list"),
    ("debezium.source.slot.drop_on_stop", "debezium.source.slot.drop.on.stop"),
    ("debezium.source.toasted.value.placeholder", "debezium.source.unavailable.value.placeholder"),
    ("debezium.source.sanitize.field.names", "debezium.source.field.name.adjustment.mode"),
    ("debezium.source.database.history", "debezium.source.schema.history.internal"),
    (
        "debezium.source.database.history.file.filename",
        "debezium.source.schema.history.internal.file.filename",
    ),
    ("debezium.source.offset.storage.filename", "debezium.source.offset.storage.file.filename"),
    ("debezium.source.transaction.topic", "debezium.source.topic.transaction"),
];

/// Longest key for which a near one is looked for, in bytes.
const MAX_KEY_BYTES: usize = 120;

/// A known key near an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearestKey {
    /// Debezium has renamed the key to this.
    Renamed(&'static str),
    /// This key is spelt like it.
    Similar(&'static str),
}

/// Returns the key that an unknown one probably stands for: its present name, or the known key that takes
/// the fewest changes of letters, if they are few.
pub fn nearest(key: &str) -> Option<NearestKey> {
    if let Some((_, name)) = RENAMED.iter().find(|(former, _)| *former == key) {
        return Some(NearestKey::Renamed(name));
    }
    if key.len() > MAX_KEY_BYTES {
        return None;
    }
    // the beginning that most keys share is no likeness
    let distinct = key.strip_prefix("debezium.source.").unwrap_or(key).len();
    let max_distance = (distinct / 4).clamp(1, 5);
    let candidates = known_keys().filter(|row| !row.is_family());
    let distances = candidates.map(|row| (strsim::osa_distance(key, row.name), row.name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= max_distance).then_some(NearestKey::Similar(name))
}
