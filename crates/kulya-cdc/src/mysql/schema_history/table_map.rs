//! Comparison of a table with the table map of a row event: whether rows can be decoded with the table's
//! columns.

use super::charset::max_bytes;
use super::table::{Column, Table, TableKey};
use crate::mysql::ddl::{ColumnType, Flavour, KeyKind, TypeName};
use std::ops::RangeInclusive;

/// A column of a table map event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedColumn {
    /// The type's code in the event.
    pub type_code: u8,
    /// The type's metadata as it stands in the event; bytes that the type does not have are 0.
    pub metadata: [u8; 2],
    /// Whether the column can be NULL.
    pub nullable: bool,
}

/// Why a table does not fit a table map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another number of columns.
    #[error("the table has {table} columns, the log {log}")]
    Count {
        /// Columns of the table.
        table: usize,
        /// Columns of the table map.
        log: usize,
    },
    /// Another type.
    #[error("column {column:?} is {expected}, but the log has type {found}")]
    Type {
        /// The column.
        column: String,
        /// The table's type.
        expected: &'static str,
        /// The type's code in the log.
        found: u8,
    },
    /// Another length, precision or size.
    #[error("column {column:?} has metadata {found:?} in the log, and {expected:?} as {type_name}")]
    Length {
        /// The column.
        column: String,
        /// The table's type.
        type_name: &'static str,
        /// The metadata that the table's type has.
        expected: [u8; 2],
        /// The metadata in the log.
        found: [u8; 2],
    },
    /// NULL is allowed only on one side.
    #[error("column {column:?} is nullable in {only_in} only")]
    Nullable {
        /// The column.
        column: String,
        /// The side that allows NULL: `the table` or `the log`.
        only_in: &'static str,
    },
}

/// Compares a table with a table map of a server of this flavour. Returns the number of columns at the end of
/// the log's rows that are no columns of the table: hashes of unique keys that are too long for an index,
/// which MariaDB logs as BIGINT.
///
/// # Errors
/// The first column that does not fit, and why.
pub fn check(table: &Table, log: &[MappedColumn], flavour: Flavour) -> Result<usize, Mismatch> {
    let mismatch = Mismatch::Count { table: table.columns.len(), log: log.len() };
    let Some((columns, hashes)) = log.split_at_checked(table.columns.len()) else { return Err(mismatch) };
    let expected = if flavour == Flavour::MariaDb { hashed_keys(table) } else { 0..=0 };
    if !expected.contains(&hashes.len()) || hashes.iter().any(|hash| hash.type_code != BIGINT) {
        return Err(mismatch);
    }
    table.columns.iter().zip(columns).try_for_each(|(column, mapped)| check_column(column, mapped))?;
    Ok(hashes.len())
}

/// The least and the greatest number of unique keys that MariaDB hashes: those over a whole text or blob,
/// longer than any engine's index allows, and, depending on the engine, somewhat shorter ones or those USING
/// HASH.
fn hashed_keys(table: &Table) -> RangeInclusive<usize> {
    const MAX_INDEX_BYTES: u32 = 3_072;
    const MIN_LIMIT_BYTES: u32 = 767;
    let (mut certain, mut possible) = (0, 0);
    for key in table.keys.iter().filter(|key| key.kind == KeyKind::Unique) {
        let (least, most) = key_bytes(table, key);
        certain += usize::from(least > MAX_INDEX_BYTES);
        possible += usize::from(key.using_hash || most > MIN_LIMIT_BYTES);
    }
    certain..=possible
}

/// The least and the greatest length of a key's values in bytes; a whole text or blob is longer than any
/// limit.
fn key_bytes(table: &Table, key: &TableKey) -> (u32, u32) {
    let (mut least, mut most) = (0u32, 0u32);
    for part in &key.parts {
        let place = part.column.as_deref().and_then(|column| table.position(column));
        let Some(column) = place.and_then(|place| table.columns.get(place)) else { continue };
        let column_type = &column.column_type;
        let is_sized = column_type.name.is_text() || column_type.name.is_bytes();
        let (shortest, longest) = match part.prefix.or(column_type.length).filter(|_| is_sized) {
            Some(length) => {
                let charset = column_type.charset.as_deref();
                (
                    length.saturating_mul(charset.map_or(Some(1), max_bytes).unwrap_or(1)),
                    length.saturating_mul(4),
                )
            }
            None if is_sized && !matches!(column_type.name, TypeName::Enum | TypeName::Set) => {
                (u32::MAX, u32::MAX)
            }
            None if column_type.name.is_geometry() => (u32::MAX, u32::MAX),
            // numbers and times
            None => (1, 32),
        };
        (least, most) = (least.saturating_add(shortest), most.saturating_add(longest));
    }
    (least, most)
}

fn check_column(column: &Column, mapped: &MappedColumn) -> Result<(), Mismatch> {
    let type_name = column.column_type.name.as_str();
    let candidates = expected(&column.column_type);
    let mut same_type = candidates.iter().filter(|form| form.is_type_of(mapped)).peekable();
    let Some(first) = same_type.peek().copied() else {
        return Err(Mismatch::Type {
            column: column.name.clone(),
            expected: type_name,
            found: real_type(mapped),
        });
    };
    if !same_type.any(|form| form.metadata.is_none_or(|metadata| metadata == mapped.metadata)) {
        let expected = first.metadata.unwrap_or_default();
        return Err(Mismatch::Length {
            column: column.name.clone(),
            type_name,
            expected,
            found: mapped.metadata,
        });
    }
    if column.nullable != mapped.nullable {
        let only_in = if mapped.nullable { "the log" } else { "the table" };
        return Err(Mismatch::Nullable { column: column.name.clone(), only_in });
    }
    Ok(())
}

const BIGINT: u8 = 8;
const STRING: u8 = 254;
const ENUM: u8 = 247;
const SET: u8 = 248;

/// A form of a type in the log.
struct Form {
    code: u8,
    /// `None` if every metadata fits: formats of old servers, and character sets that are not known.
    metadata: Option<[u8; 2]>,
}

impl Form {
    fn new(code: u8, metadata: [u8; 2]) -> Self {
        Self { code, metadata: Some(metadata) }
    }

    fn any(code: u8) -> Self {
        Self { code, metadata: None }
    }

    fn is_type_of(&self, mapped: &MappedColumn) -> bool {
        self.code == real_type(mapped)
    }
}

/// The type of a column; ENUM and SET stand as strings in the log, with their own code in the metadata.
fn real_type(mapped: &MappedColumn) -> u8 {
    match mapped.metadata {
        [kind @ (ENUM | SET), _] if mapped.type_code == STRING => kind,
        _ => mapped.type_code,
    }
}

/// The forms that a type may have in the log; the first one is that of present servers.
fn expected(column_type: &ColumnType) -> Vec<Form> {
    use TypeName::{
        BigInt, Bit, Date, DateTime, Decimal, Double, Enum, Float, Inet4, Inet6, Int, Json, MediumInt,
    };
    use TypeName::{Set, SmallInt, Time, Timestamp, TinyInt, Uuid, Vector, Year};
    let length = column_type.length.unwrap_or(0);
    let byte = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    let labels = column_type.labels.len();
    let plain = |code| vec![Form::new(code, [0, 0])];
    match column_type.name {
        TinyInt => plain(1),
        SmallInt => plain(2),
        Int => plain(3),
        BigInt => plain(8),
        MediumInt => plain(9),
        Year => plain(13),
        Date => vec![Form::new(10, [0, 0]), Form::new(14, [0, 0])],
        Float => vec![Form::new(4, [4, 0])],
        Double => vec![Form::new(5, [8, 0])],
        Decimal => vec![Form::new(246, [byte(length), byte(column_type.scale.unwrap_or(0))])],
        Bit => vec![Form::new(16, [byte(length % 8), byte(length / 8)])],
        // behind each the format of servers before MySQL 5.6, which upgraded tables keep
        Timestamp => vec![Form::new(17, [byte(length), 0]), Form::any(7)],
        DateTime => vec![Form::new(18, [byte(length), 0]), Form::any(12)],
        Time => vec![Form::new(19, [byte(length), 0]), Form::any(11)],
        Enum => vec![Form::new(ENUM, [ENUM, if labels < 256 { 1 } else { 2 }])],
        Set => vec![Form::new(SET, [SET, set_bytes(labels)])],
        Json => vec![Form::new(245, [4, 0])],
        // MariaDB's vectors are strings of four bytes a number
        Vector => vec![Form::new(242, [4, 0]), var_char(15, length.saturating_mul(4))],
        Uuid | Inet6 => vec![string(16)],
        Inet4 => vec![string(4)],
        name if name.is_geometry() => vec![Form::new(255, [4, 0])],
        _ => text(column_type, length),
    }
}

fn set_bytes(labels: usize) -> u8 {
    match labels {
        0..=8 => 1,
        9..=16 => 2,
        17..=24 => 3,
        25..=32 => 4,
        _ => 8,
    }
}

/// Texts and bytes.
fn text(column_type: &ColumnType, length: u32) -> Vec<Form> {
    use TypeName::{Binary, Blob, Char, LongBlob, LongText, MediumBlob, MediumText, Text};
    use TypeName::{TinyBlob, TinyText, VarBinary, VarChar};
    let per_character = match column_type.charset.as_deref() {
        Some(charset) => max_bytes(charset),
        None => Some(1),
    };
    let bytes = per_character.map(|per_character| length.saturating_mul(per_character));
    let blob = |size| vec![Form::new(if column_type.compressed { 140 } else { 252 }, [size, 0])];
    match column_type.name {
        Char | Binary => vec![bytes.map_or(Form::any(STRING), string)],
        VarChar | VarBinary if column_type.compressed => {
            vec![bytes.map_or(Form::any(141), |bytes| var_char(141, bytes + 1))]
        }
        VarChar | VarBinary => vec![bytes.map_or(Form::any(15), |bytes| var_char(15, bytes))],
        TinyText | TinyBlob => blob(1),
        Text | Blob => blob(2),
        MediumText | MediumBlob => blob(3),
        LongText | LongBlob => blob(4),
        _ => Vec::new(),
    }
}

fn var_char(code: u8, bytes: u32) -> Form {
    Form::new(code, u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes())
}

/// A string of fixed length: the two bits of a length above 255 stand, inverted, in the type's byte.
fn string(bytes: u32) -> Form {
    let [low, high, ..] = bytes.to_le_bytes();
    Form::new(STRING, [STRING ^ ((high & 3) << 4), low])
}
