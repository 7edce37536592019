//! Flink's types of columns, and their text.
//!
//! Display prints the form of DESCRIBE, in which the longest VARCHAR is STRING; `{:#}` prints that of SHOW
//! CREATE TABLE in Flink, without such short names. Both are parsed by [`parse_type`] to an equal type.

mod parse;

use super::quote::{Quoted, identifier};
pub(crate) use parse::{parse_type, parse_type_kind};
use std::fmt;

/// The length of STRING and BYTES.
pub(crate) const MAX_LENGTH: u32 = i32::MAX as u32;

/// A type, with its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FlinkType {
    pub(crate) kind: TypeKind,
    pub(crate) nullable: bool,
}

/// A type without its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TypeKind {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// Digits, and those after the decimal point.
    Decimal(u8, u8),
    /// The length in characters.
    Char(u32),
    /// The maximum length in characters.
    Varchar(u32),
    /// The length in bytes.
    Binary(u32),
    /// The maximum length in bytes.
    Varbinary(u32),
    Date,
    /// Digits of fractions of a second.
    Time(u8),
    /// Date and time without a time zone; digits of fractions of a second.
    Timestamp(u8),
    /// A moment; digits of fractions of a second.
    TimestampLtz(u8),
    /// Fields and digits of the years.
    IntervalYearMonth(YearMonthFields, u8),
    /// Fields, digits of the days, and digits of fractions of a second.
    IntervalDayTime(DayTimeFields, u8, u8),
    Array(Box<FlinkType>),
    Multiset(Box<FlinkType>),
    Map(Box<FlinkType>, Box<FlinkType>),
    Row(Vec<RowField>),
}

/// A field of ROW.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RowField {
    pub(crate) name: String,
    pub(crate) field_type: FlinkType,
    pub(crate) comment: Option<String>,
}

/// The fields of an interval of years and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum YearMonthFields {
    Year,
    YearToMonth,
    Month,
}

/// The fields of an interval of days and smaller units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DayTimeFields {
    Day,
    DayToHour,
    DayToMinute,
    DayToSecond,
    Hour,
    HourToMinute,
    HourToSecond,
    Minute,
    MinuteToSecond,
    Second,
}

impl fmt::Display for FlinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        f.write_str(if self.nullable { "" } else { " NOT NULL" })
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(MAX_LENGTH) if !f.alternate() => f.write_str("STRING"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::Binary(length) => write!(f, "BINARY({length})"),
            Self::Varbinary(MAX_LENGTH) if !f.alternate() => f.write_str("BYTES"),
            Self::Varbinary(length) => write!(f, "VARBINARY({length})"),
            Self::Date => f.write_str("DATE"),
            Self::Time(digits) => write!(f, "TIME({digits})"),
            Self::Timestamp(digits) => write!(f, "TIMESTAMP({digits})"),
            Self::TimestampLtz(digits) if f.alternate() => {
                write!(f, "TIMESTAMP({digits}) WITH LOCAL TIME ZONE")
            }
            Self::TimestampLtz(digits) => write!(f, "TIMESTAMP_LTZ({digits})"),
            Self::IntervalYearMonth(fields, years) => {
                f.write_str("INTERVAL ")?;
                fields.write(f, *years)
            }
            Self::IntervalDayTime(fields, days, fraction) => {
                f.write_str("INTERVAL ")?;
                fields.write(f, *days, *fraction)
            }
            Self::Array(element) => write_nested(f, "ARRAY", &[element]),
            Self::Multiset(element) => write_nested(f, "MULTISET", &[element]),
            Self::Map(key, value) => write_nested(f, "MAP", &[key, value]),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, field) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write!(f, "{} ", identifier(&field.name))?;
                    field.field_type.fmt(f)?;
                    if let Some(comment) = &field.comment {
                        write!(f, " {}", Quoted(comment))?;
                    }
                }
                f.write_str(">")
            }
        }
    }
}

/// Writes `NAME<type, …>`, in the formatter's form.
fn write_nested(f: &mut fmt::Formatter<'_>, name: &str, types: &[&FlinkType]) -> fmt::Result {
    write!(f, "{name}<")?;
    for (index, nested) in types.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        fmt::Display::fmt(nested, f)?;
    }
    f.write_str(">")
}

impl YearMonthFields {
    fn write(self, f: &mut fmt::Formatter<'_>, years: u8) -> fmt::Result {
        match self {
            Self::Year => write!(f, "YEAR({years})"),
            Self::YearToMonth => write!(f, "YEAR({years}) TO MONTH"),
            Self::Month => f.write_str("MONTH"),
        }
    }
}

impl DayTimeFields {
    fn write(self, f: &mut fmt::Formatter<'_>, days: u8, fraction: u8) -> fmt::Result {
        match self {
            Self::Day => write!(f, "DAY({days})"),
            Self::DayToHour => write!(f, "DAY({days}) TO HOUR"),
            Self::DayToMinute => write!(f, "DAY({days}) TO MINUTE"),
            Self::DayToSecond => write!(f, "DAY({days}) TO SECOND({fraction})"),
            Self::Hour => f.write_str("HOUR"),
            Self::HourToMinute => f.write_str("HOUR TO MINUTE"),
            Self::HourToSecond => write!(f, "HOUR TO SECOND({fraction})"),
            Self::Minute => f.write_str("MINUTE"),
            Self::MinuteToSecond => write!(f, "MINUTE TO SECOND({fraction})"),
            Self::Second => write!(f, "SECOND({fraction})"),
        }
    }
}
