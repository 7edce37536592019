//! Plain values, which are most of all: texts without escapes and short numbers. They are appended to their
//! columns without a token between, whose copies take as long as reading the value.

use super::conversion::in_unit;
use super::datetime::flink_timestamp;
use super::number::NumberScan;
use super::scanner::Scanner;
use crate::arrow::TimestampFormat;
use crate::arrow::column::ColumnType;
use crate::arrow::column_buffer::{ColumnBuffer, Values};
use arrow::datatypes::{DataType, TimeUnit};

/// The plain values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainKind {
    /// None: all values are converted from tokens.
    None,
    Text,
    Int32,
    Int64,
    Float64,
    /// By the rules of Flink's format.
    Timestamp {
        unit: TimeUnit,
        has_zone: bool,
    },
}

impl PlainKind {
    pub(super) fn of(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Text | ColumnType::Flink(DataType::Utf8) => Self::Text,
            ColumnType::Int32 | ColumnType::Flink(DataType::Int32) => Self::Int32,
            ColumnType::Int64 | ColumnType::Flink(DataType::Int64) => Self::Int64,
            ColumnType::Float64 | ColumnType::Flink(DataType::Float64) => Self::Float64,
            ColumnType::Flink(DataType::Timestamp(unit, zone)) => {
                Self::Timestamp { unit: *unit, has_zone: zone.is_some() }
            }
            _ => Self::None,
        }
    }
}

impl Scanner<'_> {
    /// Appends the next value to its column if it is plain, and a text of less than `max_text` bytes. If it
    /// is not, nothing has been read.
    #[inline]
    pub(super) fn append_plain(
        &mut self,
        kind: PlainKind,
        buffer: &mut ColumnBuffer,
        max_text: usize,
        timestamp_format: TimestampFormat,
    ) -> bool {
        self.skip_whitespace();
        let appended = match (kind, &mut buffer.values) {
            (PlainKind::Text, Values::Bytes(bytes)) => {
                let Some(text) = self.plain_text().filter(|text| text.len() < max_text) else { return false };
                let (before, length) = (bytes.data.len(), text.len());
                bytes.data.extend_from_slice(text);
                if !bytes.complete() {
                    bytes.data.truncate(before);
                    return false;
                }
                // with its quotes
                Some(length + 2)
            }
            (PlainKind::Int32, Values::Int32(values)) => self.plain_number().and_then(|scan| {
                values.push(scan.short_integer()?.try_into().ok()?);
                Some(scan.length as usize)
            }),
            (PlainKind::Int64, Values::Int64(values)) => self.plain_number().and_then(|scan| {
                values.push(scan.short_integer()?);
                Some(scan.length as usize)
            }),
            (PlainKind::Float64, Values::Float64(values)) => self.plain_number().and_then(|scan| {
                values.push(scan.short_float()?);
                Some(scan.length as usize)
            }),
            (PlainKind::Timestamp { unit, has_zone }, Values::Int64(values)) => {
                self.plain_text().filter(|text| text.len() < max_text).and_then(|text| {
                    values.push(in_unit(flink_timestamp(text, timestamp_format, has_zone)?, unit)?);
                    Some(text.len() + 2)
                })
            }
            _ => None,
        };
        let Some(length) = appended else { return false };
        self.at += length;
        buffer.complete();
        true
    }

    #[inline]
    fn plain_number(&self) -> Option<NumberScan> {
        let rest = self.bytes.get(self.at..)?;
        if !matches!(rest.first(), Some(b'-' | b'0'..=b'9')) {
            return None;
        }
        NumberScan::of(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::json::scanner::{Grammar, Token};
    use proptest::prelude::*;

    fn append(kind: PlainKind, data_type: &DataType, json: &str) -> (bool, ColumnBuffer, usize) {
        let mut buffer = ColumnBuffer::new(data_type).unwrap();
        let mut scanner = Scanner::new(json, Grammar::Strict);
        let appended = scanner.append_plain(kind, &mut buffer, 28, TimestampFormat::Sql);
        let read = scanner.since(Scanner::new(json, Grammar::Strict).mark()).len();
        (appended, buffer, read)
    }

    #[test]
    fn plain_values_are_appended_and_others_left() {
        let (int, long, float, text) =
            (PlainKind::Int32, PlainKind::Int64, PlainKind::Float64, PlainKind::Text);
        let time = PlainKind::Timestamp { unit: TimeUnit::Millisecond, has_zone: false };
        for (kind, json, expected) in [
            (int, "-7,", Some(2)),
            (int, "3000000000", None),
            (int, "1.0", None),
            (long, "3000000000}", Some(10)),
            (long, "1e3", None),
            (long, "007", None),
            (long, "1234567890123456789", None),
            (float, "-0.5]", Some(4)),
            (float, "1e3", None),
            (float, "null", None),
            (text, "\"a b\",", Some(5)),
            (text, "\"\"", Some(2)),
            (text, "\"a\\n\"", None),
            (text, "\"a\nb\"", None),
            (text, "\"a", None),
            (text, "\"__debezium_unavailable_value\"", None),
            (text, "7", None),
            (time, "\"1970-01-01 00:00:01.5\"", Some(23)),
            (time, "\"1970-01-01T00:00:01.5\"", None),
            (time, "1500", None),
            (PlainKind::None, "7", None),
        ] {
            let data_type = match kind {
                PlainKind::Int32 => DataType::Int32,
                PlainKind::Int64 => DataType::Int64,
                PlainKind::Float64 => DataType::Float64,
                PlainKind::Timestamp { unit, .. } => DataType::Timestamp(unit, None),
                PlainKind::Text | PlainKind::None => DataType::Utf8,
            };
            let (appended, buffer, read) = append(kind, &data_type, json);
            let found = appended.then_some(read);
            assert_eq!((found, buffer.len()), (expected, usize::from(expected.is_some())), "{json}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_tokens(json in "-?[0-9]{1,20}(\\.[0-9]{1,17})?") {
            let token = Scanner::new(&json, Grammar::Strict).value();
            let (appended, buffer, _) = append(PlainKind::Float64, &DataType::Float64, &json);
            if appended {
                let Ok(Token::Number(number)) = token else { panic!("{token:?}") };
                let Values::Float64(values) = &buffer.values else { panic!("floats") };
                prop_assert_eq!(values[0].to_bits(), number.float().to_bits());
            }
        }
    }
}
