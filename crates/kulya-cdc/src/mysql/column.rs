//! Types of columns: the representation of a column's values in events (Debezium documentation, "Data type
//! mappings" of the MySQL and MariaDB connectors), and how it is called in Kafka Connect's terms.
//!
//! A BIGINT UNSIGNED is Connect's Decimal without digits after the point, unless the modes ask for 64 bits:
//! consumers know that type from Debezium's `precise`, and it holds every value.

use super::charset::Charset;
use super::ddl::{ColumnType, Flavour, TypeName};
use super::schema_history::Column;
use crate::ColumnDescription;
use crate::debezium::{
    BigintUnsignedMode, BinaryMode, Compatibility, DecimalMode, TimePrecision, ValueModes, json,
};
use std::sync::Arc;

/// The representation of a column's values, with everything that decides about their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// BIT(1): a boolean.
    Boolean,
    /// BIT of several bits: bytes, the least significant first.
    Bits {
        /// The number of bits, 2 to 64.
        bits: u8,
    },
    /// TINYINT to BIGINT.
    Integer {
        /// The length in bytes: 1, 2, 3, 4 or 8.
        bytes: u8,
        /// UNSIGNED. With 8 bytes, numbers from 2⁶³ on become negative.
        unsigned: bool,
    },
    /// BIGINT UNSIGNED as a decimal.
    UnsignedDecimal,
    /// FLOAT.
    Float {
        /// FLOAT(M,D), which Debezium represents as a number of 64 bits.
        is_widened: bool,
    },
    /// DOUBLE.
    Double,
    /// DECIMAL.
    Decimal {
        /// The number of digits.
        precision: u32,
        /// The number of digits after the point.
        scale: u32,
        /// The representation.
        mode: DecimalMode,
    },
    /// CHAR, VARCHAR, TEXT, and JSON of MariaDB.
    Text(Charset),
    /// JSON of MySQL, which is binary in the log.
    Json {
        /// Whether documents of the log are written as Debezium does, in contrast to those of a SELECT.
        is_compact: bool,
        /// NOT NULL.
        required: bool,
    },
    /// ENUM.
    Enum(Labels),
    /// SET.
    Set(Labels),
    /// BINARY, VARBINARY, BLOB.
    Bytes {
        /// The representation.
        mode: BinaryMode,
        /// The least number of bytes: the log lacks zero bytes at the end of BINARY.
        length: u8,
    },
    /// DATE.
    Date(Temporal),
    /// DATETIME.
    DateTime(Temporal),
    /// TIME.
    Time(Temporal),
    /// TIMESTAMP: a text in UTC.
    Timestamp {
        /// The number of digits of a second's fraction.
        digits: u8,
        /// NOT NULL: the zero value is written as the start of 1970.
        required: bool,
        /// Whether texts are Debezium's, which in a snapshot have no zeros at the end of the fraction.
        is_debezium: bool,
    },
    /// YEAR.
    Year {
        /// Whether 0000 is Debezium's: 1900 in the log, 2000 in a snapshot.
        is_debezium: bool,
    },
    /// GEOMETRY and its kinds.
    Geometry {
        /// POINT, whose coordinates are written too.
        is_point: bool,
    },
    /// VECTOR: an array of numbers of 32 bits.
    Vector,
    /// UUID of MariaDB.
    Uuid,
    /// INET4 of MariaDB.
    Inet4,
    /// INET6 of MariaDB.
    Inet6,
}

/// The representation of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    /// The unit.
    pub unit: Unit,
    /// NOT NULL: values that no calendar has are written as the start of 1970, else as null.
    pub required: bool,
    /// Whether values are Debezium's, defects included: years below 100 are read as having two digits,
    /// milliseconds that are too large wrap around, nanoseconds that are too large are no value.
    pub is_debezium: bool,
}

/// The unit of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds; for dates, as in all units of numbers, days.
    Millis,
    /// The same, of Kafka Connect's own types.
    ConnectMillis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Text in ISO 8601.
    Iso,
}

impl Unit {
    fn new(mode: TimePrecision, is_time: bool, digits: u8) -> Self {
        match mode {
            TimePrecision::AdaptiveTimeMicroseconds if is_time => Self::Micros,
            TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds if digits <= 3 => Self::Millis,
            TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds => Self::Micros,
            TimePrecision::Connect => Self::ConnectMillis,
            TimePrecision::Isostring => Self::Iso,
            TimePrecision::Microseconds => Self::Micros,
            TimePrecision::Nanoseconds => Self::Nanos,
        }
    }
}

/// The labels of an ENUM or SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Arc<[Label]>);

#[derive(Debug, PartialEq, Eq)]
struct Label {
    /// The text, with commas and backslashes escaped.
    allowed: String,
    /// The text of values, as the inner part of a JSON string.
    json: Box<[u8]>,
}

impl Labels {
    /// Debezium writes cells of the log with the escapes that stand in the list of labels.
    fn new(labels: &[String], is_debezium: bool) -> Self {
        let label = |text: &String| {
            let allowed = text.replace('\\', "\\\\").replace(',', "\\,");
            let mut json = Vec::new();
            json::write(&mut json, if is_debezium { &allowed } else { text });
            let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
            Label { json: inner.into(), allowed }
        };
        Self(labels.iter().map(label).collect())
    }

    /// Returns a label by its place, from 0, as the inner part of a JSON string.
    pub(super) fn json(&self, place: usize) -> Option<&[u8]> {
        self.0.get(place).map(|label| &*label.json)
    }

    /// Returns the labels with commas between them.
    fn allowed(&self) -> String {
        self.0.iter().map(|label| label.allowed.as_str()).collect::<Vec<_>>().join(",")
    }
}

impl Kind {
    /// Maps a column of a table.
    pub fn from_column(column: &Column, modes: &ValueModes, flavour: Flavour) -> Self {
        let column_type = &column.column_type;
        let is_debezium = modes.compat == Compatibility::Debezium;
        let required = !column.nullable;
        let length = column_type.length.unwrap_or(0);
        let digits = u8::try_from(length.min(6)).unwrap_or(6);
        let temporal = |is_time| {
            let mode = modes.time_precision.unwrap_or(TimePrecision::AdaptiveTimeMicroseconds);
            Temporal { unit: Unit::new(mode, is_time, digits), required, is_debezium }
        };
        match column_type.name {
            TypeName::Bit if length <= 1 => Self::Boolean,
            TypeName::Bit => Self::Bits { bits: u8::try_from(length.min(64)).unwrap_or(64) },
            TypeName::BigInt if column_type.unsigned && is_exact(modes) => Self::UnsignedDecimal,
            TypeName::TinyInt => integer(1, column_type),
            TypeName::SmallInt => integer(2, column_type),
            TypeName::MediumInt => integer(3, column_type),
            TypeName::Int => integer(4, column_type),
            TypeName::BigInt => integer(8, column_type),
            TypeName::Float => Self::Float { is_widened: column_type.scale.is_some() },
            TypeName::Double => Self::Double,
            TypeName::Decimal => Self::Decimal {
                precision: length,
                scale: column_type.scale.unwrap_or(0),
                mode: modes.decimal,
            },
            TypeName::Date => Self::Date(temporal(false)),
            TypeName::Time => Self::Time(temporal(true)),
            TypeName::DateTime => Self::DateTime(temporal(false)),
            TypeName::Timestamp => Self::Timestamp { digits, required, is_debezium },
            TypeName::Year => Self::Year { is_debezium },
            TypeName::Enum => Self::Enum(Labels::new(&column_type.labels, is_debezium)),
            TypeName::Set => Self::Set(Labels::new(&column_type.labels, is_debezium)),
            // MariaDB's JSON is text
            TypeName::Json if flavour == Flavour::MySql => Self::Json { is_compact: is_debezium, required },
            TypeName::Vector => Self::Vector,
            TypeName::Uuid => Self::Uuid,
            TypeName::Inet4 => Self::Inet4,
            TypeName::Inet6 => Self::Inet6,
            TypeName::Binary => {
                Self::Bytes { mode: modes.binary, length: u8::try_from(length).unwrap_or(u8::MAX) }
            }
            name if name.is_bytes() => Self::Bytes { mode: modes.binary, length: 0 },
            name if name.is_geometry() => Self::Geometry { is_point: name == TypeName::Point },
            _ => Self::Text(charset(column_type)),
        }
    }

    /// Returns the representation whose dates and times that no calendar has are null.
    #[must_use]
    pub fn without_epoch(mut self) -> Self {
        match &mut self {
            Self::Date(temporal) | Self::Time(temporal) | Self::DateTime(temporal) => {
                temporal.required = false
            }
            Self::Timestamp { required, .. } => *required = false,
            _ => {}
        }
        self
    }

    /// Describes a column of this representation in Kafka Connect's terms, without its default value.
    pub fn describe(&self, name: &str, optional: bool) -> ColumnDescription {
        let (connect_type, connect_name) = self.connect_type();
        let items = matches!(self, Self::Vector)
            .then(|| Box::new(Self::Float { is_widened: false }.describe("", false)));
        ColumnDescription {
            name: name.to_owned(),
            // Debezium's types of geometries are optional by themselves
            optional: optional || matches!(self, Self::Geometry { .. }),
            connect_type: connect_type.into(),
            connect_name: connect_name.map(Into::into),
            parameters: self.parameters().into_iter().map(|(key, value)| (key.into(), value)).collect(),
            items,
            default: None,
            history: crate::ColumnHistory::default(),
        }
    }

    fn connect_type(&self) -> (&'static str, Option<&'static str>) {
        const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
        match self {
            Self::Boolean => ("boolean", None),
            Self::Bits { .. } => ("bytes", Some("io.debezium.data.Bits")),
            Self::Integer { bytes: 1, .. } | Self::Integer { bytes: 2, unsigned: false } => ("int16", None),
            Self::Integer { bytes: 2 | 3, .. } | Self::Integer { bytes: 4, unsigned: false } => {
                ("int32", None)
            }
            Self::Integer { .. } => ("int64", None),
            Self::UnsignedDecimal => ("bytes", Some(DECIMAL)),
            Self::Float { is_widened: false } => ("float32", None),
            Self::Float { is_widened: true } | Self::Double => ("float64", None),
            Self::Decimal { mode: DecimalMode::Precise, .. } => ("bytes", Some(DECIMAL)),
            Self::Decimal { mode: DecimalMode::String, .. } => ("string", None),
            Self::Decimal { mode: DecimalMode::Double, .. } => ("float64", None),
            Self::Text(_) | Self::Inet4 | Self::Inet6 => ("string", None),
            Self::Json { .. } => ("string", Some("io.debezium.data.Json")),
            Self::Enum(_) => ("string", Some("io.debezium.data.Enum")),
            Self::Set(_) => ("string", Some("io.debezium.data.EnumSet")),
            Self::Bytes { mode: BinaryMode::Bytes, .. } => ("bytes", None),
            Self::Bytes { .. } => ("string", None),
            Self::Date(temporal) => date_type(temporal.unit),
            Self::Time(temporal) => time_type(temporal.unit),
            Self::DateTime(temporal) => date_time_type(temporal.unit),
            Self::Timestamp { .. } => ("string", Some("io.debezium.time.ZonedTimestamp")),
            Self::Year { .. } => ("int32", Some("io.debezium.time.Year")),
            Self::Geometry { is_point: true } => ("struct", Some("io.debezium.data.geometry.Point")),
            Self::Geometry { is_point: false } => ("struct", Some("io.debezium.data.geometry.Geometry")),
            Self::Vector => ("array", Some("io.debezium.data.FloatVector")),
            Self::Uuid => ("string", Some("io.debezium.data.Uuid")),
        }
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let decimal = |precision: u32, scale: u32| {
            vec![("scale", scale.to_string()), ("connect.decimal.precision", precision.to_string())]
        };
        match self {
            Self::Bits { bits } => vec![("length", bits.to_string())],
            // the digits of the largest number
            Self::UnsignedDecimal => decimal(20, 0),
            Self::Decimal { precision, scale, mode: DecimalMode::Precise } => decimal(*precision, *scale),
            Self::Enum(labels) | Self::Set(labels) => vec![("allowed", labels.allowed())],
            _ => Vec::new(),
        }
    }
}

fn date_type(unit: Unit) -> (&'static str, Option<&'static str>) {
    match unit {
        Unit::ConnectMillis => ("int32", Some("org.apache.kafka.connect.data.Date")),
        Unit::Iso => ("string", Some("io.debezium.time.IsoDate")),
        Unit::Millis | Unit::Micros | Unit::Nanos => ("int32", Some("io.debezium.time.Date")),
    }
}

fn time_type(unit: Unit) -> (&'static str, Option<&'static str>) {
    match unit {
        Unit::Millis => ("int32", Some("io.debezium.time.Time")),
        Unit::ConnectMillis => ("int32", Some("org.apache.kafka.connect.data.Time")),
        Unit::Micros => ("int64", Some("io.debezium.time.MicroTime")),
        Unit::Nanos => ("int64", Some("io.debezium.time.NanoTime")),
        Unit::Iso => ("string", Some("io.debezium.time.IsoTime")),
    }
}

fn date_time_type(unit: Unit) -> (&'static str, Option<&'static str>) {
    match unit {
        Unit::Millis => ("int64", Some("io.debezium.time.Timestamp")),
        Unit::ConnectMillis => ("int64", Some("org.apache.kafka.connect.data.Timestamp")),
        Unit::Micros => ("int64", Some("io.debezium.time.MicroTimestamp")),
        Unit::Nanos => ("int64", Some("io.debezium.time.NanoTimestamp")),
        Unit::Iso => ("string", Some("io.debezium.time.IsoTimestamp")),
    }
}

fn integer(bytes: u8, column_type: &ColumnType) -> Kind {
    Kind::Integer { bytes, unsigned: column_type.unsigned }
}

/// Whether a BIGINT UNSIGNED is written as the exact number.
fn is_exact(modes: &ValueModes) -> bool {
    match modes.bigint_unsigned {
        Some(mode) => mode == BigintUnsignedMode::Precise,
        None => modes.compat == Compatibility::Corrected,
    }
}

/// A character set that is not known is read as UTF-8, with replacement characters where it is not.
fn charset(column_type: &ColumnType) -> Charset {
    column_type.charset.as_deref().and_then(Charset::from_name).unwrap_or(Charset::UTF8)
}

#[cfg(test)]
mod tests;
