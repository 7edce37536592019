//! What the fuzz entry points of all sources share: the modes in which values are written, and the check that
//! what was written is JSON.

use super::modes::{BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode};
use super::modes::{TimePrecision, ValueModes};
use serde_json::Value;

/// Returns modes that have every mode of each kind of value, with and without Debezium's defects.
pub(crate) fn all_modes() -> Vec<ValueModes> {
    use TimePrecision::{Adaptive, AdaptiveTimeMicroseconds, Connect, Isostring, Microseconds, Nanoseconds};
    let mut all = Vec::new();
    for compat in [Compatibility::Corrected, Compatibility::Debezium] {
        let default = ValueModes { compat, ..ValueModes::default() };
        all.push(default.clone());
        for decimal in [DecimalMode::String, DecimalMode::Double] {
            all.push(ValueModes { decimal, ..default.clone() });
        }
        for time in [Adaptive, AdaptiveTimeMicroseconds, Connect, Isostring, Microseconds, Nanoseconds] {
            all.push(ValueModes { time_precision: Some(time), ..default.clone() });
        }
        for binary in [BinaryMode::Base64, BinaryMode::Base64UrlSafe, BinaryMode::Hex] {
            all.push(ValueModes { binary, ..default.clone() });
        }
        for bigint_unsigned in [BigintUnsignedMode::Long, BigintUnsignedMode::Precise] {
            all.push(ValueModes { bigint_unsigned: Some(bigint_unsigned), ..default.clone() });
        }
        all.push(ValueModes {
            interval: IntervalMode::String,
            hstore: HstoreMode::Map,
            include_unknown_types: true,
            unavailable_value: "\"?\\\n\u{0}".to_owned(),
            ..default
        });
    }
    all
}

/// Parses JSON, which must be valid.
pub(crate) fn parsed_json(json: &[u8]) -> Value {
    match serde_json::from_slice(json) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(json)),
    }
}

/// Removes an item that is equal to an earlier one.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}
