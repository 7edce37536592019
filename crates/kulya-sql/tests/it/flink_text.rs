//! Values as texts of Flink: as its rows print them, that is as Java does, or as `Session.java` answers.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, ListArray, MapArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Which texts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    /// Those of a row that is printed: bytes are numbers, rows have a kind, seconds of zero are left out.
    Printed,
    /// Those of `Session.java`: bytes are hexadecimal digits, timestamps have a space.
    Session,
}

/// Returns the text of a value.
pub(crate) fn text(column: &ArrayRef, row: usize, style: Style) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    match column.data_type() {
        DataType::Boolean => column.as_any().downcast_ref::<BooleanArray>().unwrap().value(row).to_string(),
        DataType::Float32 => {
            let value = column.as_any().downcast_ref::<Float32Array>().unwrap().value(row);
            java_float(f64::from(value), &format!("{value:e}"))
        }
        DataType::Float64 => {
            let value = column.as_any().downcast_ref::<Float64Array>().unwrap().value(row);
            java_float(value, &format!("{value:e}"))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            bytes(cast(column, &DataType::Binary).unwrap().as_binary::<i32>().value(row), style)
        }
        DataType::Time32(_) | DataType::Time64(_) => without_seconds(&displayed(column, row)),
        DataType::Timestamp(..) => timestamp(&displayed(column, row), style),
        DataType::List(_) => {
            let items = column.as_any().downcast_ref::<ListArray>().unwrap().value(row);
            let texts: Vec<String> = (0..items.len()).map(|row| text(&items, row, style)).collect();
            format!("[{}]", texts.join(", "))
        }
        DataType::Struct(_) => {
            let columns = column.as_any().downcast_ref::<StructArray>().unwrap().columns();
            let texts: Vec<String> = columns.iter().map(|column| text(column, row, style)).collect();
            match style {
                Style::Printed => format!("+I[{}]", texts.join(", ")),
                Style::Session => format!("({})", texts.join(", ")),
            }
        }
        DataType::Map(..) => {
            let entries = column.as_any().downcast_ref::<MapArray>().unwrap().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let pair = |row| format!("{}={}", text(keys, row, style), text(values, row, style));
            sorted_map(&format!("{{{}}}", (0..entries.len()).map(pair).collect::<Vec<_>>().join(", ")))
        }
        _ => displayed(column, row),
    }
}

/// Sorts the entries of a map that is printed; Java's order is that of hashes.
pub(crate) fn sorted_map(text: &str) -> String {
    match text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(entries) if text.contains('=') => {
            let mut entries: Vec<&str> = entries.split(", ").collect();
            entries.sort_unstable();
            format!("{{{}}}", entries.join(", "))
        }
        _ => text.to_owned(),
    }
}

fn displayed(column: &ArrayRef, row: usize) -> String {
    let formatter = ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap();
    formatter.value(row).to_string()
}

fn timestamp(text: &str, style: Style) -> String {
    if style == Style::Printed {
        return without_seconds(text);
    }
    let text = text.replace('T', " ");
    let (text, zone) = text.strip_suffix('Z').map_or((text.as_str(), ""), |text| (text, "Z"));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    format!("{text}{zone}")
}

/// Leaves out seconds of zero, as `LocalTime` and `LocalDateTime` do.
fn without_seconds(text: &str) -> String {
    let has_seconds = text.split('T').next_back().is_some_and(|time| time.split(':').count() == 3);
    match text.strip_suffix(":00") {
        Some(short) if has_seconds => short.to_owned(),
        _ => text.to_owned(),
    }
}

fn bytes(value: &[u8], style: Style) -> String {
    if style == Style::Session {
        return value.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    let texts: Vec<String> = value.iter().map(|byte| byte.cast_signed().to_string()).collect();
    format!("[{}]", texts.join(", "))
}

/// Prints a float as `Double.toString`; `scientific` are its shortest digits.
fn java_float(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    let fraction = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    match exponent {
        0..=6 => {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            format!("{sign}{}.{}", &padded[..whole], fraction(&padded[whole..]))
        }
        -3..=-1 => format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ => format!("{sign}{}.{}E{exponent}", &digits[..1], fraction(&digits[1..])),
    }
}

#[test]
fn values_are_printed_as_java_prints_them() {
    for (value, expected) in [
        (0.0, "0.0"),
        (-42.0, "-42.0"),
        (1234567.0, "1234567.0"),
        (12345678.0, "1.2345678E7"),
        (1e10, "1.0E10"),
        (0.001, "0.001"),
        (-0.0001234, "-1.234E-4"),
        (0.25, "0.25"),
    ] {
        assert_eq!(java_float(value, &format!("{value:e}")), expected);
    }
    for (text, printed, session) in [
        ("2020-10-10T00:00:00", "2020-10-10T00:00", "2020-10-10 00:00:00"),
        ("2020-10-10T00:00:07.500", "2020-10-10T00:00:07.500", "2020-10-10 00:00:07.5"),
        ("2020-10-10T00:00:00Z", "2020-10-10T00:00:00Z", "2020-10-10 00:00:00Z"),
    ] {
        assert_eq!(timestamp(text, Style::Printed), printed);
        assert_eq!(timestamp(text, Style::Session), session);
    }
    assert_eq!([without_seconds("12:30:00"), without_seconds("12:00")], ["12:30", "12:00"]);
    assert_eq!(sorted_map("{b=1, a=2}"), "{a=2, b=1}");
}
