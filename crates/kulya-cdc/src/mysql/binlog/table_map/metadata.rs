//! Optional metadata of a table map, as far as the server's `binlog_row_metadata` has it logged: numbered
//! fields with lengths. Unknown fields are skipped.

use super::column::{Column, KeyPart};
use super::column_type::ColumnType;
use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::format::Flavor;
use crate::mysql::binlog::reader::{Reader, utf8};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a table map's metadata";

/// Reads all fields into `columns`, and returns the primary key.
pub(super) fn read(
    mut reader: Reader<'_>,
    types: &[ColumnType],
    columns: &mut [Column],
    flavor: Flavor,
) -> Result<Vec<KeyPart>> {
    let mut primary_key = Vec::new();
    while !reader.is_empty() {
        let field = reader.u8(PART)?;
        let value = Reader::new(reader.lenenc_bytes(PART)?);
        let of = |matches: fn(ColumnType, Flavor) -> bool| {
            types
                .iter()
                .enumerate()
                .filter(move |(_, column)| matches(**column, flavor))
                .map(|(index, _)| index)
        };
        match field {
            1 => bits(value, of(is_numeric), |index, bit| columns[index].is_unsigned = Some(bit))?,
            2 => default_charset(value, of(is_character), columns)?,
            3 => numbers(value, of(is_character), |index, number| columns[index].collation = Some(number))?,
            4 => names(value, columns)?,
            5 => labels(value, of(is_set), columns)?,
            6 => labels(value, of(is_enum), columns)?,
            7 => numbers(value, of(is_geometry), |index, number| columns[index].geometry = Some(number))?,
            8 => primary_key = key(value, columns.len(), false)?,
            9 => primary_key = key(value, columns.len(), true)?,
            10 => default_charset(value, of(is_labelled), columns)?,
            11 => numbers(value, of(is_labelled), |index, number| columns[index].collation = Some(number))?,
            12 => bits(value, of(|_, _| true), |index, bit| columns[index].is_visible = Some(bit))?,
            _ => {}
        }
    }
    Ok(primary_key)
}

/// The types that have a bit of signedness. MariaDB counts YEAR among them.
fn is_numeric(column: ColumnType, flavor: Flavor) -> bool {
    use ColumnType::{Decimal, Double, Float, Integer, Year};
    match column {
        Integer { .. } | Float | Double | Decimal { .. } => true,
        Year => flavor == Flavor::MariaDb,
        _ => false,
    }
}

/// The types that have a collation. MySQL counts vectors among them, MariaDB geometries.
fn is_character(column: ColumnType, flavor: Flavor) -> bool {
    use ColumnType::{Blob, Char, CompressedBlob, CompressedVarChar, Geometry, VarChar, Vector};
    match column {
        Char { .. } | VarChar { .. } | Blob { .. } => true,
        CompressedVarChar { .. } | CompressedBlob { .. } | Vector { .. } => true,
        Geometry { .. } => flavor == Flavor::MariaDb,
        _ => false,
    }
}

fn is_enum(column: ColumnType, _: Flavor) -> bool {
    matches!(column, ColumnType::Enum { .. })
}

fn is_set(column: ColumnType, _: Flavor) -> bool {
    matches!(column, ColumnType::Set { .. })
}

fn is_labelled(column: ColumnType, flavor: Flavor) -> bool {
    is_enum(column, flavor) || is_set(column, flavor)
}

fn is_geometry(column: ColumnType, _: Flavor) -> bool {
    matches!(column, ColumnType::Geometry { .. })
}

/// Reads one bit for each of `columns`, the highest bit of a byte first.
fn bits(
    value: Reader<'_>,
    columns: impl Iterator<Item = usize>,
    mut set: impl FnMut(usize, bool),
) -> Result<()> {
    let bytes = value.rest();
    for (number, index) in columns.enumerate() {
        let byte = bytes.get(number / 8).ok_or(BinlogError::malformed(PART))?;
        set(index, byte << (number % 8) & 0x80 != 0);
    }
    Ok(())
}

/// Reads one number for each of `columns`.
fn numbers(
    mut value: Reader<'_>,
    columns: impl Iterator<Item = usize>,
    mut set: impl FnMut(usize, u64),
) -> Result<()> {
    for index in columns {
        set(index, value.lenenc(PART)?);
    }
    Ok(())
}

/// Reads the collation of most of `indexes`, then pairs: a position among them and the collation there.
fn default_charset(
    mut value: Reader<'_>,
    indexes: impl Iterator<Item = usize>,
    columns: &mut [Column],
) -> Result<()> {
    let indexes: Vec<usize> = indexes.collect();
    let default = value.lenenc(PART)?;
    for index in &indexes {
        columns[*index].collation = Some(default);
    }
    while !value.is_empty() {
        let position = usize::try_from(value.lenenc(PART)?).ok();
        let index =
            position.and_then(|position| indexes.get(position)).ok_or(BinlogError::malformed(PART))?;
        columns[*index].collation = Some(value.lenenc(PART)?);
    }
    Ok(())
}

/// Reads the name of every column.
fn names(mut value: Reader<'_>, columns: &mut [Column]) -> Result<()> {
    for column in columns {
        column.name = Some(utf8(value.lenenc_bytes(PART)?, "a column's name")?.to_owned());
    }
    Ok(())
}

/// Reads the labels of each of `indexes`.
fn labels(mut value: Reader<'_>, indexes: impl Iterator<Item = usize>, columns: &mut [Column]) -> Result<()> {
    for index in indexes {
        let count = value.lenenc(PART)?;
        let labels = (0..count).map(|_| Ok(value.lenenc_bytes(PART)?.into()));
        columns[index].labels = labels.collect::<Result<_>>()?;
    }
    Ok(())
}

/// Reads the columns of the key, each with the length of its prefix if `has_prefixes`.
fn key(mut value: Reader<'_>, column_count: usize, has_prefixes: bool) -> Result<Vec<KeyPart>> {
    let mut parts = Vec::new();
    while !value.is_empty() {
        let column = usize::try_from(value.lenenc(PART)?).ok().filter(|column| *column < column_count);
        let column = column.ok_or(BinlogError::malformed(PART))?;
        let prefix_length = if has_prefixes { value.lenenc(PART)? } else { 0 };
        parts.push(KeyPart { column, prefix_length });
    }
    Ok(parts)
}
