//! Flink's names of Arrow types.

use arrow::datatypes::{DataType, TimeUnit};

/// Returns the name of a type, as in DESCRIBE.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".into(),
        DataType::FixedSizeBinary(length) => format!("BINARY({length})"),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(*unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(*unit)),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("DECIMAL({p}, {s})")
        }
        DataType::List(item) | DataType::LargeList(item) => format!("ARRAY<{}>", type_name(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let parts: Vec<_> = fields.iter().map(|field| type_name(field.data_type())).collect();
                format!("MAP<{}>", parts.join(", "))
            }
            other => type_name(other),
        },
        DataType::Struct(fields) => {
            let parts: Vec<_> = fields
                .iter()
                .map(|field| format!("`{}` {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("ROW<{}>", parts.join(", "))
        }
        DataType::Null => "NULL".into(),
        other => format!("RAW({other})"),
    }
}

fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_match_flinks() {
        assert_eq!(type_name(&DataType::Decimal128(12, 2)), "DECIMAL(12, 2)");
        assert_eq!(
            type_name(&DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()))),
            "TIMESTAMP_LTZ(3)"
        );
        assert_eq!(type_name(&DataType::new_list(DataType::Utf8, true)), "ARRAY<STRING>");
    }
}
