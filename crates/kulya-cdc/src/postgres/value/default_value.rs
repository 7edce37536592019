//! The values that Debezium gives a required column when the log does not contain its value, as in an old
//! row of which only the replica identity is logged: zero or empty, as the type is represented. A default
//! value of the column has precedence.

use super::super::column::{ClockForm, DateForm, IntervalForm, Kind};
use super::geometric;
use crate::debezium::Written;
use crate::debezium::{DecimalMode, HstoreMode};

/// Writes the default value of a kind.
pub(crate) fn write_default(kind: &Kind, out: &mut Vec<u8>) -> Written {
    let text = match kind {
        Kind::Boolean | Kind::Bit => "false",
        Kind::Integer(_) | Kind::Oid => "0",
        Kind::Float32(_) | Kind::Float64 | Kind::DecimalFloat => "0.0",
        Kind::Decimal { .. } | Kind::Money { mode: DecimalMode::Precise, .. } => "\"AA==\"",
        Kind::VariableDecimal => "{\"scale\":0,\"value\":\"AA==\"}",
        Kind::DecimalText { scale, .. } => {
            write_zero(*scale, out);
            return Written::Value;
        }
        Kind::Money { mode: DecimalMode::String, digits } => {
            write_zero((*digits).max(2), out);
            return Written::Value;
        }
        Kind::Money { mode: DecimalMode::Double, .. } => "0.0",
        Kind::Date(DateForm::Iso) => "\"1970-01-01Z\"",
        Kind::Time(ClockForm::Iso) | Kind::ArrayTime(ClockForm::Iso) | Kind::TimeTz | Kind::ArrayTimeTz => {
            "\"00:00:00Z\""
        }
        Kind::Timestamp { form: ClockForm::Iso, .. } | Kind::TimestampTz { .. } => "\"1970-01-01T00:00:00Z\"",
        Kind::Interval(IntervalForm::Iso) => "\"P0Y0M0DT0H0M0S\"",
        Kind::Date(_) | Kind::Time(_) | Kind::ArrayTime(_) | Kind::Timestamp { .. } | Kind::Interval(_) => {
            "0"
        }
        Kind::Hstore { mode: HstoreMode::Json, .. } => "\"{}\"",
        Kind::Hstore { mode: HstoreMode::Map, .. } => "{}",
        Kind::Array(_) | Kind::EmptyArray(_) => "[]",
        Kind::Point => {
            geometric::write_coordinates(0.0, 0.0, out);
            return Written::Value;
        }
        Kind::WithPlaceholder(with) => return write_default(&with.kind, out),
        Kind::AlwaysNull | Kind::AlwaysNullAs(_) => return Written::Null,
        Kind::Text
        | Kind::Printed
        | Kind::Json
        | Kind::Enum(_)
        | Kind::Uuid
        | Kind::Xml
        | Kind::Ltree
        | Kind::TsVector
        | Kind::Bytes(_)
        | Kind::Opaque { .. }
        | Kind::Bits(_) => "\"\"",
    };
    out.extend_from_slice(text.as_bytes());
    Written::Value
}

/// Writes zero as a text with `scale` digits after the point.
fn write_zero(scale: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(if scale == 0 { b"\"0" } else { b"\"0." });
    out.resize(out.len() + scale as usize, b'0');
    out.push(b'"');
}
