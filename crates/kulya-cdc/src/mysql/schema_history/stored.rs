//! The form in which a history is stored. Its structs are apart from those of the program, so that these can
//! change and a stored history can still be read.

use super::charset::Collated;
use super::error::HistoryError;
use super::history::{SchemaHistory, TableNameCase};
use super::table::{Column, Table, TableKey, TableKind, TableName};
use crate::mysql::ddl::{ColumnType, DefaultValue, Generated, KeyKind, KeyPart, Period, TypeName};
use serde::{Deserialize, Serialize};

/// The version of the form that is written.
const FORMAT: u32 = 1;

/// A history as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredHistory {
    format: u32,
    case_sensitive: bool,
    databases: Vec<StoredDatabase>,
    tables: Vec<StoredTable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredDatabase {
    name: String,
    charset: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collation: Option<String>,
}

/// A table as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTable {
    database: String,
    table: String,
    #[serde(default, skip_serializing_if = "is_false")]
    sequence: bool,
    charset: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collation: Option<String>,
    columns: Vec<StoredColumn>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<StoredKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    periods: Vec<StoredPeriod>,
    #[serde(default, skip_serializing_if = "is_false")]
    system_versioned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_names: Vec<String>,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    unsigned: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    zerofill: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    srid: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    compressed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    json: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    nullable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<StoredDefault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_update: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    auto_increment: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generated: Option<StoredGenerated>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    invisible: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    hidden: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDefault {
    Null,
    Text(String),
    Number(String),
    Bytes(Vec<u8>),
    Expression(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredGenerated {
    Virtual(String),
    Stored(String),
    RowStart,
    RowEnd,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredKey {
    name: String,
    kind: StoredKeyKind,
    parts: Vec<StoredKeyPart>,
    #[serde(default, skip_serializing_if = "is_false")]
    using_hash: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKeyKind {
    Primary,
    Unique,
    Index,
    ForeignKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredKeyPart {
    column: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPeriod {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    start: String,
    end: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<&SchemaHistory> for StoredHistory {
    fn from(history: &SchemaHistory) -> Self {
        let database = |(name, charset): (&str, &Collated)| StoredDatabase {
            name: name.to_owned(),
            charset: charset.charset.clone(),
            collation: charset.collation.clone(),
        };
        Self {
            format: FORMAT,
            case_sensitive: history.case() == TableNameCase::Sensitive,
            databases: history.databases().map(database).collect(),
            tables: history.tables().map(StoredTable::from).collect(),
        }
    }
}

impl TryFrom<StoredHistory> for SchemaHistory {
    type Error = HistoryError;

    fn try_from(stored: StoredHistory) -> Result<Self, HistoryError> {
        if stored.format != FORMAT {
            return Err(HistoryError::Stored { what: "format", value: stored.format.to_string() });
        }
        let case = if stored.case_sensitive { TableNameCase::Sensitive } else { TableNameCase::Insensitive };
        let mut history = Self::new(case);
        for database in stored.databases {
            let charset = Collated { charset: database.charset, collation: database.collation };
            history.set_database(&database.name, charset);
        }
        for table in stored.tables {
            history.set_table(table.try_into()?);
        }
        Ok(history)
    }
}

impl From<&Table> for StoredTable {
    fn from(table: &Table) -> Self {
        let period = |period: &Period| StoredPeriod {
            name: period.name.clone(),
            start: period.start.clone(),
            end: period.end.clone(),
        };
        Self {
            database: table.name.database.clone(),
            table: table.name.table.clone(),
            sequence: table.kind == TableKind::Sequence,
            charset: table.charset.charset.clone(),
            collation: table.charset.collation.clone(),
            columns: table.columns.iter().map(StoredColumn::from).collect(),
            keys: table.keys.iter().map(StoredKey::from).collect(),
            periods: table.periods.iter().map(period).collect(),
            system_versioned: table.system_versioned,
            comment: table.comment.clone(),
        }
    }
}

impl TryFrom<StoredTable> for Table {
    type Error = HistoryError;

    fn try_from(stored: StoredTable) -> Result<Self, HistoryError> {
        let period =
            |period: StoredPeriod| Period { name: period.name, start: period.start, end: period.end };
        Ok(Self {
            name: TableName::new(stored.database, stored.table),
            kind: if stored.sequence { TableKind::Sequence } else { TableKind::Table },
            charset: Collated { charset: stored.charset, collation: stored.collation },
            columns: stored.columns.into_iter().map(Column::try_from).collect::<Result<_, _>>()?,
            keys: stored.keys.into_iter().map(TableKey::from).collect(),
            periods: stored.periods.into_iter().map(period).collect(),
            system_versioned: stored.system_versioned,
            comment: stored.comment,
        })
    }
}

impl From<&Column> for StoredColumn {
    fn from(column: &Column) -> Self {
        let column_type = column.column_type.clone();
        Self {
            name: column.name.clone(),
            former_names: column.former_names.clone(),
            type_name: column_type.name.as_str().to_owned(),
            length: column_type.length,
            scale: column_type.scale,
            unsigned: column_type.unsigned,
            zerofill: column_type.zerofill,
            labels: column_type.labels,
            charset: column_type.charset,
            collation: column_type.collation,
            srid: column_type.srid,
            compressed: column_type.compressed,
            json: column_type.is_json,
            nullable: column.nullable,
            default: column.default.clone().map(StoredDefault::from),
            on_update: column.on_update.clone(),
            auto_increment: column.auto_increment,
            generated: column.generated.clone().map(StoredGenerated::from),
            comment: column.comment.clone(),
            invisible: column.invisible,
            hidden: column.hidden,
        }
    }
}

impl TryFrom<StoredColumn> for Column {
    type Error = HistoryError;

    fn try_from(stored: StoredColumn) -> Result<Self, HistoryError> {
        let Some(name) = TypeName::from_canonical(&stored.type_name) else {
            return Err(HistoryError::Stored { what: "column type", value: stored.type_name });
        };
        let column_type = ColumnType {
            name,
            length: stored.length,
            scale: stored.scale,
            unsigned: stored.unsigned,
            zerofill: stored.zerofill,
            labels: stored.labels,
            charset: stored.charset,
            collation: stored.collation,
            srid: stored.srid,
            compressed: stored.compressed,
            is_json: stored.json,
        };
        Ok(Self {
            name: stored.name,
            former_names: stored.former_names,
            column_type,
            nullable: stored.nullable,
            default: stored.default.map(DefaultValue::from),
            on_update: stored.on_update,
            auto_increment: stored.auto_increment,
            generated: stored.generated.map(Generated::from),
            comment: stored.comment,
            invisible: stored.invisible,
            hidden: stored.hidden,
        })
    }
}

impl From<DefaultValue> for StoredDefault {
    fn from(value: DefaultValue) -> Self {
        match value {
            DefaultValue::Null => Self::Null,
            DefaultValue::Text(text) => Self::Text(text),
            DefaultValue::Number(number) => Self::Number(number),
            DefaultValue::Bytes(bytes) => Self::Bytes(bytes),
            DefaultValue::Expression(expression) => Self::Expression(expression),
        }
    }
}

impl From<StoredDefault> for DefaultValue {
    fn from(stored: StoredDefault) -> Self {
        match stored {
            StoredDefault::Null => Self::Null,
            StoredDefault::Text(text) => Self::Text(text),
            StoredDefault::Number(number) => Self::Number(number),
            StoredDefault::Bytes(bytes) => Self::Bytes(bytes),
            StoredDefault::Expression(expression) => Self::Expression(expression),
        }
    }
}

impl From<Generated> for StoredGenerated {
    fn from(generated: Generated) -> Self {
        match generated {
            Generated::Expression { expression, stored: true } => Self::Stored(expression),
            Generated::Expression { expression, stored: false } => Self::Virtual(expression),
            Generated::RowStart => Self::RowStart,
            Generated::RowEnd => Self::RowEnd,
        }
    }
}

impl From<StoredGenerated> for Generated {
    fn from(stored: StoredGenerated) -> Self {
        match stored {
            StoredGenerated::Virtual(expression) => Self::Expression { expression, stored: false },
            StoredGenerated::Stored(expression) => Self::Expression { expression, stored: true },
            StoredGenerated::RowStart => Self::RowStart,
            StoredGenerated::RowEnd => Self::RowEnd,
        }
    }
}

impl From<&TableKey> for StoredKey {
    fn from(key: &TableKey) -> Self {
        let kind = match key.kind {
            KeyKind::Primary => StoredKeyKind::Primary,
            KeyKind::Unique => StoredKeyKind::Unique,
            KeyKind::Index => StoredKeyKind::Index,
            KeyKind::ForeignKey => StoredKeyKind::ForeignKey,
        };
        let part = |part: &KeyPart| StoredKeyPart { column: part.column.clone(), prefix: part.prefix };
        Self {
            name: key.name.clone(),
            kind,
            parts: key.parts.iter().map(part).collect(),
            using_hash: key.using_hash,
        }
    }
}

impl From<StoredKey> for TableKey {
    fn from(stored: StoredKey) -> Self {
        let kind = match stored.kind {
            StoredKeyKind::Primary => KeyKind::Primary,
            StoredKeyKind::Unique => KeyKind::Unique,
            StoredKeyKind::Index => KeyKind::Index,
            StoredKeyKind::ForeignKey => KeyKind::ForeignKey,
        };
        let part = |part: StoredKeyPart| KeyPart { column: part.column, prefix: part.prefix };
        Self {
            name: stored.name,
            kind,
            parts: stored.parts.into_iter().map(part).collect(),
            using_hash: stored.using_hash,
        }
    }
}
