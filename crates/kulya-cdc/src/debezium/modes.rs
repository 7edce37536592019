//! The modes by which values are represented in events (Debezium documentation, connector properties
//! `*.handling.mode` and `time.precision.mode`). A mode has the name that Debezium gives it.

use serde::{Deserialize, Serialize};

/// The modes of a capture. In a settings file all members are optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ValueModes {
    /// Decimals (`decimal.handling.mode`).
    pub decimal: DecimalMode,
    /// Dates and times (`time.precision.mode`); `None` for the source's default.
    pub time_precision: Option<TimePrecision>,
    /// Bytes (`binary.handling.mode`).
    pub binary: BinaryMode,
    /// PostgreSQL's intervals (`interval.handling.mode`).
    pub interval: IntervalMode,
    /// PostgreSQL's hstore (`hstore.handling.mode`).
    pub hstore: HstoreMode,
    /// MySQL's BIGINT UNSIGNED (`bigint.unsigned.handling.mode`); `None` for the default: the exact number,
    /// or, with [`Compatibility::Debezium`], Debezium's `long`.
    pub bigint_unsigned: Option<BigintUnsignedMode>,
    /// Whether columns of unknown types are in events, as bytes (`include.unknown.datatypes`).
    pub include_unknown_types: bool,
    /// The text in place of a value that the log does not contain (`unavailable.value.placeholder`).
    pub unavailable_value: String,
    /// Whether defects of Debezium's representation are corrected.
    pub compat: Compatibility,
}

impl Default for ValueModes {
    fn default() -> Self {
        Self {
            decimal: DecimalMode::default(),
            time_precision: None,
            binary: BinaryMode::default(),
            interval: IntervalMode::default(),
            hstore: HstoreMode::default(),
            bigint_unsigned: None,
            include_unknown_types: false,
            unavailable_value: "__debezium_unavailable_value".to_owned(),
            compat: Compatibility::default(),
        }
    }
}

/// The representation of decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecimalMode {
    /// The unscaled number in two's complement, in base64.
    #[default]
    Precise,
    /// A text.
    String,
    /// A floating-point number, which may lose digits.
    Double,
}

/// The representation of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePrecision {
    /// Milliseconds or microseconds by the column's precision. PostgreSQL's default.
    Adaptive,
    /// As [`Adaptive`](Self::Adaptive), but times of day always in microseconds. MySQL's default.
    AdaptiveTimeMicroseconds,
    /// Kafka Connect's types, in milliseconds.
    Connect,
    /// Texts in ISO 8601.
    Isostring,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// The representation of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryMode {
    /// Bytes, which JSON has in base64.
    #[default]
    Bytes,
    /// A text in base64.
    Base64,
    /// A text in the URL-safe alphabet of base64.
    Base64UrlSafe,
    /// A text of hexadecimal digits.
    Hex,
}

/// The representation of intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMode {
    /// Microseconds.
    #[default]
    Numeric,
    /// A text in ISO 8601.
    String,
}

/// The representation of hstore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HstoreMode {
    /// A text with a JSON object.
    #[default]
    Json,
    /// A map.
    Map,
}

/// The representation of BIGINT UNSIGNED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BigintUnsignedMode {
    /// A signed number of 64 bits: 2⁶³ and larger numbers become negative.
    Long,
    /// The number as a decimal without digits after the point.
    Precise,
}

/// Whether defects of Debezium's representation are corrected (`docs/cdc-differences.md`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compatibility {
    /// Values are those of the database.
    #[default]
    Corrected,
    /// Values are Debezium's, defects included.
    Debezium,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_debeziums_names() {
        let text = r#"{"decimal":"string","time-precision":"adaptive_time_microseconds",
            "binary":"base64-url-safe","bigint-unsigned":"long","compat":"debezium"}"#;
        let modes: ValueModes = serde_json::from_str(text).unwrap();
        assert_eq!(modes.time_precision, Some(TimePrecision::AdaptiveTimeMicroseconds));
        assert_eq!((modes.decimal, modes.binary), (DecimalMode::String, BinaryMode::Base64UrlSafe));
        assert_eq!(modes.compat, Compatibility::Debezium);
        assert!(serde_json::from_str::<ValueModes>(r#"{"decimals":"string"}"#).is_err());
    }
}
