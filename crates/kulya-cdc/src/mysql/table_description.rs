//! Descriptions of tables in schema changes, and of columns for the rules: names and numbers of types that
//! Debezium's consumers know, those of JDBC.

use super::ddl::{ColumnType, DefaultValue, Flavour, TypeName};
use super::schema_history::{Column, Table};
use crate::column_rules::{ColumnRules, SourceColumn};
use crate::debezium::Compatibility;
use crate::debezium::schema_change::{ColumnDefinition, TableDescription};

/// The time that Debezium gives in place of the current one.
const EPOCH: &str = "1970-01-01 00:00:00";

/// Describes a table by the columns that its events have: those of rows and of the key.
pub(super) fn describe(table: &Table, compat: Compatibility, rules: &ColumnRules) -> TableDescription {
    let rules = rules.of_table(&table.name.database, &table.name.table, compat);
    let name = |place: usize| table.columns.get(place).map(|column| column.name.clone());
    let primary_key: Vec<String> = table.primary_key().into_iter().filter_map(name).collect();
    let columns = table.columns.iter().filter(|column| !column.hidden);
    let columns = columns.filter(|column| rules.is_needed(&column.name, &primary_key));
    TableDescription {
        default_charset: Some(table.charset.charset.clone()),
        columns: columns.map(|column| self::column(column, compat)).collect(),
        primary_key,
        comment: table.comment.clone(),
    }
}

/// Describes a column as rules for columns need it.
pub(super) fn source_column(column: &Column, compat: Compatibility, flavour: Flavour) -> SourceColumn {
    const CHAR: i32 = 1;
    const VARCHAR: i32 = 12;
    let column_type = &column.column_type;
    // MariaDB's JSON is text
    let is_json_text = column_type.name == TypeName::Json && flavour == Flavour::MariaDb;
    let length = match column_type.name {
        // Debezium cuts the hash of a label to one digit
        TypeName::Enum | TypeName::Set if compat == Compatibility::Corrected => None,
        _ => length(column_type),
    };
    SourceColumn {
        type_name: type_name(column_type),
        length,
        scale: column_type.scale.and_then(|scale| i32::try_from(scale).ok()),
        is_text: is_json_text || matches!(jdbc_type(column_type.name), CHAR | VARCHAR),
        comment: None,
    }
}

fn column(column: &Column, compat: Compatibility) -> ColumnDefinition {
    let column_type = &column.column_type;
    let type_name = type_name(column_type);
    let is_debezium = compat == Compatibility::Debezium;
    ColumnDefinition {
        name: column.name.clone(),
        jdbc_type: jdbc_type(column_type.name),
        native_type: None,
        type_expression: Some(type_name.clone()),
        type_name,
        charset: column_type.charset.clone().filter(|_| column_type.name.is_text()),
        length: length(column_type),
        scale: column_type.scale.and_then(|scale| i32::try_from(scale).ok()),
        optional: column.nullable,
        auto_incremented: column.auto_increment,
        // Debezium takes values that the server numbers for computed ones, and no others
        generated: if is_debezium { column.auto_increment } else { column.generated.is_some() },
        comment: column.comment.clone(),
        default_value: default_value(column, is_debezium),
        enum_values: column_type.labels.iter().map(|label| quoted(label)).collect(),
    }
}

fn quoted(label: &str) -> String {
    format!("'{}'", label.replace('\'', "''"))
}

fn type_name(column_type: &ColumnType) -> String {
    let mut name = column_type.name.as_str().to_ascii_uppercase();
    if column_type.unsigned {
        name.push_str(" UNSIGNED");
    }
    if column_type.zerofill {
        name.push_str(" ZEROFILL");
    }
    name
}

/// The number of a type in `java.sql.Types`.
fn jdbc_type(name: TypeName) -> i32 {
    use TypeName::{BigInt, Bit, Date, DateTime, Decimal, Double, Float, Int, Json, MediumInt, SmallInt};
    use TypeName::{Binary, Char, Enum, Set, Time, Timestamp, TinyInt, VarBinary, Vector, Year};
    match name {
        Bit => -7,
        BigInt => -5,
        VarBinary => -3,
        Binary => -2,
        Char | Enum | Set => 1,
        Decimal => 3,
        Int | MediumInt | Year => 4,
        TinyInt | SmallInt => 5,
        Float => 6,
        Double => 8,
        Date => 91,
        Time => 92,
        DateTime => 93,
        Timestamp => 2014,
        Json | Vector => 1111,
        name if name.is_geometry() => 1111,
        name if name.is_bytes() => 2004,
        _ => 12,
    }
}

fn length(column_type: &ColumnType) -> Option<i32> {
    use TypeName::{DateTime, Enum, Set, Time, Timestamp, Year};
    let length = match column_type.name {
        Enum => Some(1),
        // a character for each label, with commas between
        Set => u32::try_from((2 * column_type.labels.len()).saturating_sub(1)).ok(),
        Time | DateTime | Timestamp => column_type.length.filter(|digits| *digits > 0),
        Year => Some(4),
        _ => column_type.length,
    };
    length.and_then(|length| i32::try_from(length).ok())
}

fn default_value(column: &Column, is_debezium: bool) -> Option<String> {
    match column.default.as_ref()? {
        DefaultValue::Null => None,
        DefaultValue::Text(text) if is_debezium && column.column_type.name.is_text() => {
            Some(text.replace('\\', "\\\\").replace('\'', "''"))
        }
        DefaultValue::Text(text) | DefaultValue::Number(text) => Some(text.clone()),
        DefaultValue::Bytes(bytes) => {
            let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            let is_bit = column.column_type.name == TypeName::Bit;
            Some(if is_bit { format!("{number:b}") } else { number.to_string() })
        }
        DefaultValue::Expression(text) => {
            let is_now = text.to_ascii_lowercase().starts_with("current_timestamp");
            if is_debezium { is_now.then(|| EPOCH.to_owned()) } else { Some(text.clone()) }
        }
    }
}
