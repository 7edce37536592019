//! Writing of a value of any kind.

use super::super::column::{self, ArrayKind, Kind, OpaqueNumbers};
use super::temporal::without_era;
use super::{array, binary, decimal, geometric, hstore, number, temporal, text};
use crate::debezium::Compatibility;
use crate::debezium::Written;

/// Writes a value as JSON.
pub(crate) fn write_value(kind: &Kind, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let start = out.len();
    let written = write(kind, bytes, out);
    if written == Written::NotAValue {
        out.truncate(start);
    }
    written
}

fn write(kind: &Kind, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let checked = Written::from_option;
    match kind {
        Kind::Text
        | Kind::Printed
        | Kind::Json
        | Kind::Enum(_)
        | Kind::Uuid
        | Kind::Xml
        | Kind::Ltree
        | Kind::TsVector => text::write_text(bytes, out),
        Kind::Integer(_) | Kind::Oid => number::write_integer(bytes, out),
        Kind::Boolean | Kind::Bit => number::write_boolean(bytes, out),
        Kind::Float32(Compatibility::Corrected) => number::write_float32(bytes, out),
        Kind::Float32(Compatibility::Debezium) => number::write_java_float32(bytes, out),
        Kind::Float64 => number::write_float64(bytes, out),
        Kind::Decimal { scale, .. } => decimal::write_scaled(bytes, *scale, out),
        Kind::VariableDecimal => decimal::write_variable(bytes, out),
        Kind::DecimalText { compat, .. } => decimal::write_text(bytes, *compat, out),
        Kind::DecimalFloat => decimal::write_float(bytes, out),
        Kind::Money { digits, mode } => decimal::write_money(bytes, *digits, *mode, out),
        Kind::Date(form) => checked(temporal::write_date(bytes, *form, out)),
        Kind::Time(form) => checked(temporal::write_time(bytes, *form, out)),
        Kind::ArrayTime(form) => checked(temporal::write_array_time(bytes, *form, out)),
        Kind::TimeTz => checked(temporal::write_time_tz(bytes, out)),
        Kind::ArrayTimeTz => checked(temporal::write_array_time_tz(bytes, out)),
        Kind::Timestamp { form, compat } => temporal::write_timestamp(bytes, *form, *compat, out),
        Kind::TimestampTz { digits } => checked(temporal::write_timestamp_tz(bytes, *digits, out)),
        Kind::Interval(form) => checked(temporal::write_interval(bytes, *form, out)),
        Kind::Bytes(mode) => binary::write_bytea(bytes, *mode, out),
        Kind::Bits(_) => binary::write_bits(bytes, out),
        Kind::Opaque { mode, numbers: OpaqueNumbers::Printed } => {
            binary::write_bytes(bytes, *mode, out);
            Written::Value
        }
        Kind::Opaque { mode, numbers: OpaqueNumbers::Java } => {
            binary::write_bytes(&geometric::with_java_numbers(bytes), *mode, out);
            Written::Value
        }
        Kind::Hstore { mode, compat } => hstore::write_hstore(bytes, *mode, *compat, out),
        Kind::Point => checked(geometric::write_point(bytes, out)),
        Kind::Array(array) if decimal::is_null_array(array, bytes) => Written::Null,
        Kind::Array(array) => array::write_array(bytes, array, out, |item, out| write_item(array, item, out)),
        Kind::EmptyArray(_) => {
            out.extend_from_slice(b"[]");
            Written::Value
        }
        Kind::AlwaysNull | Kind::AlwaysNullAs(_) => Written::Null,
        Kind::WithPlaceholder(with) => write(&with.kind, bytes, out),
    }
}

/// Writes an item of an array. Debezium converts dates and timestamps in arrays by other ways than those of
/// columns.
fn write_item(array: &ArrayKind, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    match (&array.items, array.compat) {
        (Kind::Date(form), Compatibility::Debezium) => {
            Written::from_option(temporal::write_array_date(bytes, *form, out))
        }
        (Kind::Timestamp { form, compat }, Compatibility::Debezium) => {
            temporal::write_timestamp(without_era(bytes), *form, *compat, out)
        }
        (Kind::TimestampTz { digits }, Compatibility::Debezium) => {
            Written::from_option(temporal::write_array_timestamp_tz(bytes, *digits, out))
        }
        (items, _) => write(items, bytes, out),
    }
}

/// Writes the placeholder of a column's type for an unchanged TOAST value.
pub(crate) fn write_unavailable(kind: &Kind, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    if column::write_unavailable(kind, out) {
        return Written::Value;
    }
    out.truncate(start);
    Written::Null
}
