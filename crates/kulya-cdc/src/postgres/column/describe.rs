//! Description of a column in Kafka Connect's terms.

use super::{ClockForm, DateForm, IntervalForm, Kind};
use crate::ColumnDescription;
use crate::debezium::{BinaryMode, Compatibility, DecimalMode, HstoreMode};

/// Connect's type, the semantic type, and its parameters.
type ConnectType = (&'static str, Option<&'static str>, Vec<(&'static str, String)>);

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

impl Kind {
    /// Describes the column. The items of an enum's array are not optional with Debezium, even if one is
    /// null.
    pub(crate) fn describe(&self, name: &str, optional: bool) -> ColumnDescription {
        let (connect_type, connect_name, parameters) = self.connect();
        let items = match self {
            Self::Array(array) => {
                let is_corrected = array.compat == Compatibility::Corrected;
                let optional = is_corrected || !matches!(array.items, Self::Enum(_));
                Some(Box::new(array.items.describe("", optional)))
            }
            Self::EmptyArray(items) => Some(Box::new(items.describe("", false))),
            Self::WithPlaceholder(with) => return with.kind.describe(name, optional),
            _ => None,
        };
        ColumnDescription {
            name: name.to_owned(),
            optional,
            connect_type: connect_type.into(),
            connect_name: connect_name.map(Into::into),
            parameters: parameters.into_iter().map(|(key, value)| (key.into(), value)).collect(),
            items,
            default: None,
            history: crate::ColumnHistory::default(),
        }
    }

    fn connect(&self) -> ConnectType {
        match self {
            Self::Boolean | Self::Bit => plain("boolean"),
            Self::Integer(16) => plain("int16"),
            Self::Integer(32) => plain("int32"),
            Self::Integer(_) | Self::Oid => plain("int64"),
            Self::Float32(_) => plain("float32"),
            Self::Float64 | Self::DecimalFloat => plain("float64"),
            Self::Decimal { precision, scale } => {
                let parameters =
                    vec![("scale", scale.to_string()), ("connect.decimal.precision", precision.to_string())];
                ("bytes", Some(DECIMAL), parameters)
            }
            Self::Money { digits, mode } => money(*digits, *mode),
            Self::VariableDecimal => named("struct", "io.debezium.data.VariableScaleDecimal"),
            Self::Text | Self::Printed | Self::AlwaysNull | Self::DecimalText { .. } => plain("string"),
            Self::Hstore { mode: HstoreMode::Map, .. } => plain("map"),
            Self::Json | Self::Hstore { mode: HstoreMode::Json, .. } => {
                named("string", "io.debezium.data.Json")
            }
            Self::Enum(labels) => {
                ("string", Some("io.debezium.data.Enum"), vec![("allowed", labels.join(","))])
            }
            Self::Uuid => named("string", "io.debezium.data.Uuid"),
            Self::Xml => named("string", "io.debezium.data.Xml"),
            Self::Ltree => named("string", "io.debezium.data.Ltree"),
            Self::TsVector => named("string", "io.debezium.data.Tsvector"),
            Self::Bytes(BinaryMode::Bytes) | Self::Opaque { mode: BinaryMode::Bytes, .. } => plain("bytes"),
            Self::Bytes(_) | Self::Opaque { .. } => plain("string"),
            Self::Bits(length) => {
                ("bytes", Some("io.debezium.data.Bits"), vec![("length", length.to_string())])
            }
            Self::Date(form) => date(*form),
            Self::Time(form) | Self::ArrayTime(form) => time(*form),
            Self::TimeTz | Self::ArrayTimeTz => named("string", "io.debezium.time.ZonedTime"),
            Self::Timestamp { form, .. } => timestamp(*form),
            Self::TimestampTz { .. } => named("string", "io.debezium.time.ZonedTimestamp"),
            Self::Interval(IntervalForm::Iso) => named("string", "io.debezium.time.Interval"),
            Self::Interval(_) => named("int64", "io.debezium.time.MicroDuration"),
            Self::Point => named("struct", "io.debezium.data.geometry.Point"),
            Self::Array(_) | Self::EmptyArray(_) => plain("array"),
            Self::WithPlaceholder(with) => with.kind.connect(),
            Self::AlwaysNullAs(kind) => kind.connect(),
        }
    }
}

fn plain(connect_type: &'static str) -> ConnectType {
    (connect_type, None, Vec::new())
}

fn named(connect_type: &'static str, name: &'static str) -> ConnectType {
    (connect_type, Some(name), Vec::new())
}

fn money(digits: u32, mode: DecimalMode) -> ConnectType {
    match mode {
        DecimalMode::Precise => ("bytes", Some(DECIMAL), vec![("scale", digits.max(2).to_string())]),
        DecimalMode::String => plain("string"),
        DecimalMode::Double => plain("float64"),
    }
}

fn date(form: DateForm) -> ConnectType {
    match form {
        DateForm::Days => named("int32", "io.debezium.time.Date"),
        DateForm::ConnectDays => named("int32", "org.apache.kafka.connect.data.Date"),
        DateForm::Iso => named("string", "io.debezium.time.IsoDate"),
    }
}

fn time(form: ClockForm) -> ConnectType {
    match form {
        ClockForm::Millis => named("int32", "io.debezium.time.Time"),
        ClockForm::ConnectMillis => named("int32", "org.apache.kafka.connect.data.Time"),
        ClockForm::Micros => named("int64", "io.debezium.time.MicroTime"),
        ClockForm::Nanos => named("int64", "io.debezium.time.NanoTime"),
        ClockForm::Iso => named("string", "io.debezium.time.IsoTime"),
    }
}

fn timestamp(form: ClockForm) -> ConnectType {
    match form {
        ClockForm::Millis => named("int64", "io.debezium.time.Timestamp"),
        ClockForm::ConnectMillis => named("int64", "org.apache.kafka.connect.data.Timestamp"),
        ClockForm::Micros => named("int64", "io.debezium.time.MicroTimestamp"),
        ClockForm::Nanos => named("int64", "io.debezium.time.NanoTimestamp"),
        ClockForm::Iso => named("string", "io.debezium.time.IsoTimestamp"),
    }
}
