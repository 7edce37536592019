//! What the server's catalog and SELECT gave: tables, columns and rows as text, one a line, with tabs between
//! the fields.

use super::{LIMIT, read};
use crate::mysql::binlog::ColumnType;
use crate::mysql::binlog::value::Value;
use flate2::Crc;
use std::collections::BTreeMap;

/// A table at the end of a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Sorted rows.
    pub(super) rows: Vec<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// `COLUMN_TYPE` of the catalog.
    pub(super) column_type: String,
    pub(super) is_nullable: bool,
    pub(super) collation: Option<u64>,
    /// Position in the primary key, from 1, and the length of the prefix, else 0.
    pub(super) key: Option<(usize, u64)>,
}

impl Column {
    pub(super) fn is_unsigned(&self) -> bool {
        self.column_type.contains("unsigned")
    }
}

/// Reads the tables of a server's runs.
pub(super) fn tables(file: &str) -> BTreeMap<String, Table> {
    let text = String::from_utf8(read(file)).unwrap();
    let mut tables = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let mut fields = line.split('\t').map(str::to_owned);
        let kind = fields.next().unwrap();
        if kind == "table" {
            current = fields.next().unwrap();
            tables.insert(current.clone(), Table::default());
            continue;
        }
        let table: &mut Table = tables.get_mut(&current).unwrap();
        match kind.as_str() {
            "column" => table.columns.push(column(fields.collect())),
            "row" => {
                let cells =
                    fields.zip(&table.columns).map(|(cell, column)| normalize(cell, &column.column_type));
                table.rows.push(cells.collect());
            }
            _ => panic!("{line}"),
        }
    }
    tables.values_mut().for_each(|table| table.rows.sort());
    tables
}

fn column(fields: Vec<String>) -> Column {
    let [name, column_type, is_nullable, collation, key] = fields.try_into().unwrap();
    let key =
        key.split_once('.').map(|(position, prefix)| (position.parse().unwrap(), prefix.parse().unwrap()));
    Column { name, column_type, is_nullable: is_nullable == "YES", collation: collation.parse().ok(), key }
}

/// Brings numbers that have several texts into one.
fn normalize(cell: String, column_type: &str) -> String {
    match column_type.split('(').next().unwrap() {
        "float" | "double" | "float unsigned" if cell != "NULL" => float(cell.parse().unwrap()),
        "timestamp" if cell.contains('.') => cell.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => cell,
    }
}

/// Text of a float; SELECT adds zero, which turns -0 into 0.
fn float(number: f64) -> String {
    format!("{:e}", number + 0.0)
}

/// Text of a decoded cell, in the form of the expected rows.
pub(super) fn cell(value: &Value<'_>, column_type: ColumnType, catalog_type: &str) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) | Value::Bit(number) | Value::Set(number) => number.to_string(),
        Value::Float(number) => float((*number).into()),
        Value::Double(number) => float(*number),
        Value::Decimal(decimal) => {
            let mut text = String::new();
            decimal.write_text(&mut text);
            text
        }
        Value::Date(date) => date.to_string(),
        Value::Time(time) => with_digits(time.to_string(), column_type),
        Value::DateTime(time) => with_digits(time.to_string(), column_type),
        Value::Timestamp(time) => normalize(format!("{}.{:06}", time.seconds, time.micros), "timestamp"),
        Value::Year(year) => year.to_string(),
        Value::Enum(index) => index.to_string(),
        Value::Bytes(bytes) => text(bytes, catalog_type),
        Value::Compressed(compressed) => text(&compressed.decompress(LIMIT).unwrap(), catalog_type),
        Value::Json(document) => {
            let mut text = String::new();
            document.write_text(&mut text).unwrap();
            if text.len() > 2000 { checksum(text.as_bytes()) } else { text }
        }
        Value::Geometry { srid, wkb } => hex(&[&srid.to_le_bytes(), *wkb].concat()),
        Value::Vector(bytes) => hex(bytes),
    }
}

fn with_digits(text: String, column_type: ColumnType) -> String {
    let digits = match column_type {
        ColumnType::Time { digits } | ColumnType::DateTime { digits } => usize::from(digits),
        _ => 0,
    };
    let (whole, fraction) = text.split_once('.').unwrap();
    if digits == 0 { whole.to_owned() } else { format!("{whole}.{}", &fraction[..digits]) }
}

fn text(bytes: &[u8], catalog_type: &str) -> String {
    // the log has these as BINARY, without zero bytes at the end
    let mut padded = [0; 16];
    match catalog_type {
        "uuid" | "inet4" | "inet6" => padded[..bytes.len()].copy_from_slice(bytes),
        _ if bytes.len() > 2000 => return checksum(bytes),
        _ => return hex(bytes),
    }
    let [a, b, c, d, ..] = padded;
    match catalog_type {
        "inet4" => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
        "inet6" => std::net::Ipv6Addr::from(padded).to_string(),
        _ => crate::mysql::gtid::ServerUuid(padded).to_string(),
    }
}

fn checksum(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(bytes);
    format!("crc32:{}:{}", bytes.len(), crc.sum())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
