//! Arrow's types of Flink's types.
//!
//! Lengths of characters and bytes, and precisions between Arrow's units, have no place in Arrow's types.

use crate::dialect::{FlinkType, TypeKind};
use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// The time zone of moments.
const UTC: &str = "+00:00";

/// Returns the Arrow type of a Flink type.
pub(crate) fn arrow_type(kind: &TypeKind) -> DataType {
    match kind {
        TypeKind::Boolean => DataType::Boolean,
        TypeKind::TinyInt => DataType::Int8,
        TypeKind::SmallInt => DataType::Int16,
        TypeKind::Int => DataType::Int32,
        TypeKind::BigInt => DataType::Int64,
        TypeKind::Float => DataType::Float32,
        TypeKind::Double => DataType::Float64,
        TypeKind::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale as i8),
        TypeKind::Char(_) | TypeKind::Varchar(_) => DataType::Utf8,
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => DataType::Binary,
        TypeKind::Date => DataType::Date32,
        TypeKind::Time(0..=3) => DataType::Time32(TimeUnit::Millisecond),
        TypeKind::Time(digits) => DataType::Time64(unit(*digits)),
        TypeKind::Timestamp(digits) => DataType::Timestamp(unit(*digits), None),
        TypeKind::TimestampLtz(digits) => DataType::Timestamp(unit(*digits), Some(UTC.into())),
        TypeKind::IntervalYearMonth(..) => DataType::Interval(IntervalUnit::YearMonth),
        TypeKind::IntervalDayTime(..) => DataType::Interval(IntervalUnit::MonthDayNano),
        TypeKind::Array(element) => DataType::List(field("item", element)),
        TypeKind::Multiset(element) => {
            map(field("key", element), Arc::new(Field::new("value", DataType::Int32, false)))
        }
        TypeKind::Map(key, value) => map(field("key", key), field("value", value)),
        TypeKind::Row(fields) => {
            DataType::Struct(fields.iter().map(|f| field(&f.name, &f.field_type)).collect())
        }
    }
}

/// Returns the Arrow field of a Flink type.
pub(crate) fn field(name: &str, flink_type: &FlinkType) -> Arc<Field> {
    Arc::new(Field::new(name, arrow_type(&flink_type.kind), flink_type.nullable))
}

/// Returns the type of a map; Arrow has no null keys.
fn map(key: Arc<Field>, value: Arc<Field>) -> DataType {
    let key = Arc::new(key.as_ref().clone().with_nullable(false));
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

fn unit(digits: u8) -> TimeUnit {
    match digits {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_types::type_name;
    use crate::dialect::parse_type;

    #[test]
    fn types_are_named_as_they_are_written() {
        for (text, name) in [
            ("BOOLEAN", "BOOLEAN"),
            ("DECIMAL(12, 2)", "DECIMAL(12, 2)"),
            ("VARCHAR(3)", "STRING"),
            ("BYTES", "BYTES"),
            ("TIME(0)", "TIME(3)"),
            ("TIME(4)", "TIME(6)"),
            ("TIMESTAMP(0)", "TIMESTAMP(3)"),
            ("TIMESTAMP(9)", "TIMESTAMP(9)"),
            ("TIMESTAMP_LTZ(6)", "TIMESTAMP_LTZ(6)"),
            ("ARRAY<ROW<a INT, b DOUBLE>>", "ARRAY<ROW<`a` INT, `b` DOUBLE>>"),
            ("MAP<STRING, ARRAY<DATE>>", "MAP<STRING, ARRAY<DATE>>"),
            ("MULTISET<SMALLINT>", "MAP<SMALLINT, INT>"),
        ] {
            assert_eq!(type_name(&arrow_type(&parse_type(text).unwrap().kind)), name, "{text}");
        }
    }
}
