//! Rows of the log and of SELECT have the same bytes, in all modes but those of Debezium's defects.

use super::replay::{fields, read, replay};
use super::*;
use crate::debezium::{BigintUnsignedMode, BinaryMode, DecimalMode, TimePrecision};
use std::collections::BTreeMap;

/// Each mode of each setting at least once.
fn modes() -> Vec<ValueModes> {
    use TimePrecision::{Adaptive, AdaptiveTimeMicroseconds, Connect, Isostring, Microseconds, Nanoseconds};
    let times = [Adaptive, AdaptiveTimeMicroseconds, Connect, Isostring, Microseconds, Nanoseconds];
    let decimals = [DecimalMode::Precise, DecimalMode::String, DecimalMode::Double];
    let binaries = [BinaryMode::Bytes, BinaryMode::Base64, BinaryMode::Base64UrlSafe, BinaryMode::Hex];
    let unsigned = [None, Some(BigintUnsignedMode::Long), Some(BigintUnsignedMode::Precise)];
    let mode = |index: usize| ValueModes {
        decimal: decimals[index % 3],
        time_precision: Some(times[index % 6]),
        binary: binaries[index % 4],
        bigint_unsigned: unsigned[index % 3],
        ..ValueModes::default()
    };
    (0..12).map(mode).collect()
}

fn check(files: &[&str], select: &str, version: ServerVersion, modes: &ValueModes) {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let schemas = replay(files, version, modes, |change| {
        let rows = rows.entry(change.topic).or_default();
        if let Some(before) = change.before {
            let before = String::from_utf8(before.row).unwrap();
            rows.retain(|row| *row != before);
        }
        rows.extend(change.after.map(|after| String::from_utf8(after.row).unwrap()));
    });
    let mut count = 0;
    for line in String::from_utf8(read(select)).unwrap().lines() {
        let (name, fields) = fields(line);
        let table = Table::new("zoo", schemas.table("zoo", name).unwrap(), modes, version.flavour);
        let fields: Vec<Option<&[u8]>> = fields.iter().map(Option::as_deref).collect();
        let mut row = Vec::new();
        table.write_text_row(|index| fields.get(index).copied().flatten(), &mut row, &mut Vec::new());
        let row = String::from_utf8(row).unwrap();
        let found = rows.get(&table.topic).map_or(&[][..], Vec::as_slice);
        let key = &row[..row.find(',').unwrap_or(row.len())];
        let similar: Vec<_> = found.iter().filter(|found| found.starts_with(key)).collect();
        assert!(found.contains(&row), "{files:?} {modes:?} {name}\nselect {row}\nlog    {similar:#?}");
        count += 1;
    }
    assert!(count > 35, "{count}");
}

#[test]
fn rows_of_mysql_are_those_of_select() {
    for modes in modes() {
        check(&["mysql-full.1.binlog", "mysql-full.2.binlog"], "mysql-select.tsv", MYSQL, &modes);
        check(&["mysql-v1.1.binlog", "mysql-v1.2.binlog"], "mysql-select.tsv", MYSQL, &modes);
    }
}

#[test]
fn rows_of_mariadb_are_those_of_select() {
    for modes in modes() {
        check(&["mariadb-full.1.binlog", "mariadb-full.2.binlog"], "mariadb-select.tsv", MARIADB, &modes);
        let compressed = ["mariadb-compressed.1.binlog", "mariadb-compressed.2.binlog"];
        check(&compressed, "mariadb-select.tsv", MARIADB, &modes);
    }
}
