//! A table's definition from the log itself, where the server logs all metadata (`binlog_row_metadata=FULL`).
//! What the log does not have (defaults, generated columns, comments) is carried over from the former
//! definition for columns that have kept their names and types.

use crate::mysql::binlog::{self, TableMap};
use crate::mysql::catalog::ServerFacts;
use crate::mysql::ddl::{ColumnType, KeyKind, KeyPart, TypeName};
use crate::mysql::schema_history::{Collated, Column, Table, TableKey, TableKind, TableName};

/// The collation of bytes.
const BINARY: u64 = 63;

/// Returns the definition; `None` if the log does not have all of it.
pub(super) fn table(map: &TableMap, former: Option<&Table>, facts: &ServerFacts) -> Option<Table> {
    let described = map.types().iter().zip(map.columns());
    let columns: Vec<Column> = described
        .map(|(column_type, column)| self::column(*column_type, column, former, facts))
        .collect::<Option<_>>()?;
    let part = |part: &binlog::KeyPart| {
        let column = columns.get(part.column)?;
        let prefix = u32::try_from(part.prefix_length).ok().filter(|length| *length > 0);
        Some(KeyPart { column: Some(column.name.clone()), prefix })
    };
    let parts: Vec<KeyPart> = map.primary_key().iter().map(part).collect::<Option<_>>()?;
    let key = (!parts.is_empty()).then(|| TableKey {
        name: "PRIMARY".to_owned(),
        kind: KeyKind::Primary,
        parts,
        using_hash: false,
    });
    Some(Table {
        name: TableName::new(map.schema(), map.table()),
        kind: TableKind::Table,
        charset: former.map_or_else(|| facts.charset.clone(), |former| former.charset.clone()),
        columns,
        keys: key.into_iter().collect(),
        periods: former.map(|former| former.periods.clone()).unwrap_or_default(),
        system_versioned: former.is_some_and(|former| former.system_versioned),
        comment: former.and_then(|former| former.comment.clone()),
    })
}

/// Returns where the log describes a table's columns otherwise than the definition does, in what their types
/// in the log do not tell: names, signs, labels, character sets; `None` if it does not.
pub(super) fn difference(map: &TableMap, table: &Table, facts: &ServerFacts) -> Option<String> {
    let described = map.types().iter().zip(map.columns()).zip(&table.columns);
    described.into_iter().find_map(|((logged_type, logged), column)| {
        if let Some(name) = logged.name.as_ref().filter(|name| **name != column.name) {
            return Some(format!("column {:?} is named {name:?} in the log", column.name));
        }
        let found = column_type(*logged_type, logged, facts)?;
        let known = &column.column_type;
        let is_number = matches!(logged_type, binlog::ColumnType::Integer { .. });
        let has_other_charset =
            found.charset.is_some() && known.charset.is_some() && found.charset != known.charset;
        let what = if is_number && found.unsigned != known.unsigned {
            "sign"
        } else if found.labels != known.labels {
            "list of labels"
        } else if has_other_charset {
            "character set"
        } else {
            return None;
        };
        Some(format!("column {:?} has another {what} in the log", column.name))
    })
}

fn column(
    column_type: binlog::ColumnType,
    column: &binlog::Column,
    former: Option<&Table>,
    facts: &ServerFacts,
) -> Option<Column> {
    let name = column.name.clone()?;
    let former = former.and_then(|table| table.columns.get(table.position(&name)?));
    let found = self::column_type(column_type, column, facts)?;
    if let Some(former) = former.filter(|former| is_same(&former.column_type, &found)) {
        return Some(Column { name, nullable: column.is_nullable, ..former.clone() });
    }
    Some(Column {
        name,
        former_names: Vec::new(),
        column_type: found,
        nullable: column.is_nullable,
        default: None,
        on_update: None,
        auto_increment: false,
        generated: None,
        comment: None,
        invisible: column.is_visible == Some(false),
        hidden: false,
    })
}

/// Whether a former type is the one that the log describes. What the log does not tell may differ.
fn is_same(former: &ColumnType, found: &ColumnType) -> bool {
    let is_bytes = matches!(former.name, TypeName::Uuid | TypeName::Inet4 | TypeName::Inet6);
    let is_same_name = former.name == found.name || is_bytes && found.name == TypeName::Binary;
    let is_number = matches!(
        former.name,
        TypeName::TinyInt | TypeName::SmallInt | TypeName::MediumInt | TypeName::Int | TypeName::BigInt
    );
    is_same_name
        && (is_number || is_bytes || found.length.is_none() || former.length == found.length)
        && (found.scale.is_none() || former.scale == found.scale)
        && former.unsigned == found.unsigned
        && former.labels == found.labels
        && former.charset == found.charset
}

fn column_type(
    column_type: binlog::ColumnType,
    column: &binlog::Column,
    facts: &ServerFacts,
) -> Option<ColumnType> {
    use binlog::ColumnType as Log;
    let text = || collated(column, facts);
    let sized = |name, length: u32| Some(ColumnType { length: Some(length), ..ColumnType::new(name) });
    let plain = |name| Some(ColumnType::new(name));
    match column_type {
        Log::Integer { bytes, .. } => {
            let name = match bytes {
                1 => TypeName::TinyInt,
                2 => TypeName::SmallInt,
                3 => TypeName::MediumInt,
                4 => TypeName::Int,
                _ => TypeName::BigInt,
            };
            Some(ColumnType { unsigned: column.is_unsigned?, ..ColumnType::new(name) })
        }
        Log::Float => Some(ColumnType { unsigned: column.is_unsigned?, ..ColumnType::new(TypeName::Float) }),
        Log::Double => {
            Some(ColumnType { unsigned: column.is_unsigned?, ..ColumnType::new(TypeName::Double) })
        }
        Log::Decimal { precision, scale } => Some(ColumnType {
            length: Some(precision.into()),
            scale: Some(scale.into()),
            unsigned: column.is_unsigned?,
            ..ColumnType::new(TypeName::Decimal)
        }),
        Log::Date => plain(TypeName::Date),
        Log::Time { digits } => sized(TypeName::Time, digits.into()),
        Log::DateTime { digits } => sized(TypeName::DateTime, digits.into()),
        Log::Timestamp { digits } => sized(TypeName::Timestamp, digits.into()),
        Log::OldTime => sized(TypeName::Time, 0),
        Log::OldDateTime => sized(TypeName::DateTime, 0),
        Log::OldTimestamp => sized(TypeName::Timestamp, 0),
        Log::Year => sized(TypeName::Year, 4),
        Log::Bit { bits } => sized(TypeName::Bit, bits.into()),
        Log::Enum { .. } | Log::Set { .. } => labelled(column_type, column, text()?),
        Log::Char { max_bytes } => characters(TypeName::Char, TypeName::Binary, max_bytes.into(), text()?),
        Log::VarChar { max_bytes } => {
            characters(TypeName::VarChar, TypeName::VarBinary, max_bytes.into(), text()?)
        }
        Log::Blob { length_bytes } => Some(blob(length_bytes, text()?)),
        Log::Json { .. } => plain(TypeName::Json),
        Log::Geometry { .. } => plain(geometry(column.geometry?)),
        // its dimensions are not in the log
        Log::Vector { .. } | Log::CompressedBlob { .. } | Log::CompressedVarChar { .. } => None,
    }
}

/// Returns the character set of a text; `None` in it for bytes.
fn collated(column: &binlog::Column, facts: &ServerFacts) -> Option<Option<Collated>> {
    match column.collation? {
        BINARY => Some(None),
        number => Some(Some(facts.collation(number)?.clone())),
    }
}

fn with_charset(name: TypeName, charset: Option<Collated>) -> ColumnType {
    let (charset, collation) = match charset {
        Some(collated) => (Some(collated.charset), collated.collation),
        None => (None, None),
    };
    ColumnType { charset, collation, ..ColumnType::new(name) }
}

fn characters(
    text: TypeName,
    bytes: TypeName,
    max_bytes: u32,
    charset: Option<Collated>,
) -> Option<ColumnType> {
    let Some(charset) = charset else {
        return Some(ColumnType { length: Some(max_bytes), ..ColumnType::new(bytes) });
    };
    let length = max_bytes / charset.max_character_bytes()?;
    Some(ColumnType { length: Some(length), ..with_charset(text, Some(charset)) })
}

fn labelled(
    column_type: binlog::ColumnType,
    column: &binlog::Column,
    charset: Option<Collated>,
) -> Option<ColumnType> {
    // labels in other character sets are known from statements only
    let label = |label: &[u8]| String::from_utf8(label.to_vec()).ok();
    let is_utf8 = charset.as_ref().is_none_or(|charset| {
        matches!(charset.charset.as_str(), "utf8mb4" | "utf8mb3" | "ascii" | "binary")
            || column.labels.iter().all(|label| label.is_ascii())
    });
    let labels: Vec<String> = column.labels.iter().map(|text| label(text)).collect::<Option<_>>()?;
    let is_set = matches!(column_type, binlog::ColumnType::Set { .. });
    let name = if is_set { TypeName::Set } else { TypeName::Enum };
    let charset = charset.or_else(|| Some(Collated::new("binary")));
    is_utf8.then(|| ColumnType { labels, ..with_charset(name, charset) })
}

fn blob(length_bytes: u8, charset: Option<Collated>) -> ColumnType {
    use TypeName::{Blob, LongBlob, LongText, MediumBlob, MediumText, Text, TinyBlob, TinyText};
    let (text, bytes) = match length_bytes {
        1 => (TinyText, TinyBlob),
        2 => (Text, Blob),
        3 => (MediumText, MediumBlob),
        _ => (LongText, LongBlob),
    };
    if charset.is_some() { with_charset(text, charset) } else { ColumnType::new(bytes) }
}

fn geometry(kind: u64) -> TypeName {
    match kind {
        1 => TypeName::Point,
        2 => TypeName::LineString,
        3 => TypeName::Polygon,
        4 => TypeName::MultiPoint,
        5 => TypeName::MultiLineString,
        6 => TypeName::MultiPolygon,
        7 => TypeName::GeometryCollection,
        _ => TypeName::Geometry,
    }
}
