//! Every representation of a value, and the check that a cell or a text is written as JSON or not at all.

use crate::debezium::Written;
use crate::debezium::fuzzing::{all_modes, distinct, parsed_json};
use crate::mysql::binlog::value::Value;
use crate::mysql::column::Kind;
use crate::mysql::ddl::{ColumnType, Flavour, TypeName};
use crate::mysql::schema_history::Column;
use crate::mysql::value::{write_binlog_value, write_text_value};
use std::fmt::Debug;
use std::sync::LazyLock;

/// Every kind.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let types = TypeName::ALL.iter().flat_map(|(name, _)| column_types(*name));
    let columns: Vec<Column> = types.flat_map(|column_type| columns(&column_type)).collect();
    let mut kinds = Vec::new();
    for modes in all_modes() {
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            kinds = distinct(
                kinds.into_iter().chain(columns.iter().map(|c| Kind::from_column(c, &modes, flavour))),
            );
        }
    }
    kinds
});

fn column_types(name: TypeName) -> Vec<ColumnType> {
    let plain = ColumnType::new(name);
    let sized = |length, scale| ColumnType { length: Some(length), scale, ..plain.clone() };
    let text = |charset: &str| ColumnType { charset: Some(charset.to_owned()), ..sized(20, None) };
    let labels = ["a", "b,c", "d\\e", "\"\n"].map(str::to_owned).to_vec();
    match name {
        TypeName::Enum | TypeName::Set => {
            vec![ColumnType { labels, ..text("utf8mb4") }, text("utf8mb4")]
        }
        TypeName::VarChar => {
            ["utf8mb4", "latin1", "ascii", "swe7", "utf16", "utf16le", "utf32", "sjis", "gbk"]
                .map(text)
                .to_vec()
        }
        TypeName::Float | TypeName::Double => vec![plain.clone(), sized(7, Some(3))],
        TypeName::Decimal => vec![sized(65, Some(30)), sized(10, Some(0)), sized(5, Some(2))],
        _ => vec![
            plain.clone(),
            ColumnType { unsigned: true, ..plain.clone() },
            sized(0, None),
            sized(3, None),
            sized(6, None),
            sized(64, None),
        ],
    }
}

fn columns(column_type: &ColumnType) -> [Column; 2] {
    [false, true].map(|nullable| column("c", column_type.clone(), nullable))
}

/// Returns a column without attributes.
pub(super) fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column {
        name: name.to_owned(),
        former_names: Vec::new(),
        column_type,
        nullable,
        default: None,
        on_update: None,
        auto_increment: false,
        generated: None,
        comment: None,
        invisible: false,
        hidden: false,
    }
}

/// Writes a cell of the log as a value of every kind.
pub(super) fn write_cell_as_every_kind(value: &Value<'_>) {
    let mut out = Vec::new();
    for kind in KINDS.iter() {
        out.clear();
        out.push(b'[');
        let written = write_binlog_value(kind, value, &mut out);
        check(kind, value, written, &out);
    }
}

/// Writes a field of a snapshot as a value of every kind.
pub(super) fn write_text_as_every_kind(text: &[u8]) {
    let mut out = Vec::new();
    for kind in KINDS.iter() {
        out.clear();
        out.push(b'[');
        let written = write_text_value(kind, text, &mut out);
        check(kind, &String::from_utf8_lossy(text), written, &out);
    }
}

fn check(kind: &Kind, value: &impl Debug, written: Written, out: &[u8]) {
    let json = out.strip_prefix(b"[").unwrap_or_else(|| panic!("{kind:?} changed what stood before"));
    match written {
        Written::Null | Written::NotAValue => assert_eq!(json, b"", "{kind:?} {value:?}"),
        Written::Value | Written::Lossy => {
            assert!(!parsed_json(json).is_null(), "{kind:?} wrote null as the value {value:?}");
        }
    }
}
