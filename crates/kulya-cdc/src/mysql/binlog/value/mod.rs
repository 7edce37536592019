//! Cells of rows. A [`Value`] is decoded by its column's type and borrows texts and bytes from the event;
//! what takes work, such as the digits of a decimal or the text of a JSON document, is done when it is asked
//! for.

mod compressed;
mod decimal;
mod json;
mod temporal;

pub use compressed::CompressedBytes;
pub(super) use decimal::encoded_length as decimal_length;
pub use decimal::{Decimal, MAX_DECIMAL_TEXT};
pub use json::{JsonDocument, MAX_JSON_DEPTH};
pub use temporal::{Date, DateTime, Time, Timestamp};

use super::error::BinlogError;
use super::reader::Reader;
use super::table_map::ColumnType;

type Result<T> = std::result::Result<T, BinlogError>;

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A signed integer, or one of unknown signedness.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A FLOAT.
    Float(f32),
    /// A DOUBLE.
    Double(f64),
    /// A DECIMAL.
    Decimal(Decimal<'a>),
    /// A DATE.
    Date(Date),
    /// A TIME.
    Time(Time),
    /// A DATETIME.
    DateTime(DateTime),
    /// A TIMESTAMP.
    Timestamp(Timestamp),
    /// A YEAR: 1901 to 2155, or 0.
    Year(u16),
    /// A BIT, as a number.
    Bit(u64),
    /// The index of an ENUM's label, from 1; 0 for the invalid value, whose text is empty.
    Enum(u16),
    /// The labels of a SET: the lowest bit for the first one.
    Set(u64),
    /// The bytes of CHAR, VARCHAR, TEXT in the column's character set, or of BINARY, VARBINARY, BLOB. BINARY
    /// is without its zero bytes at the end, and CHAR without its spaces.
    Bytes(&'a [u8]),
    /// The bytes of a COMPRESSED column.
    Compressed(CompressedBytes<'a>),
    /// A JSON document of MySQL. MariaDB's are texts.
    Json(JsonDocument<'a>),
    /// A geometry.
    Geometry {
        /// The spatial reference system's number.
        srid: u32,
        /// Well-known binary, in the axis order that the server stores.
        wkb: &'a [u8],
    },
    /// A VECTOR: little-endian numbers of four bytes.
    Vector(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Decodes the cell at the front of `reader`, which is not NULL.
    #[inline]
    pub(super) fn decode(column: ColumnType, reader: &mut Reader<'a>) -> Result<Self> {
        Ok(match column {
            ColumnType::Integer { bytes, is_unsigned } => integer(bytes, is_unsigned, reader)?,
            ColumnType::Float => Self::Float(f32::from_le_bytes(reader.array("a FLOAT")?)),
            ColumnType::Double => Self::Double(f64::from_le_bytes(reader.array("a DOUBLE")?)),
            ColumnType::Decimal { precision, scale } => {
                Self::Decimal(Decimal::read(precision, scale, reader)?)
            }
            ColumnType::VarChar { max_bytes } | ColumnType::Char { max_bytes } => {
                Self::Bytes(text(max_bytes, reader)?)
            }
            ColumnType::Blob { length_bytes } => Self::Bytes(blob(length_bytes, reader)?),
            ColumnType::Date => Self::Date(Date::read(reader)?),
            ColumnType::Time { digits } => Self::Time(Time::read(digits, reader)?),
            ColumnType::DateTime { digits } => Self::DateTime(DateTime::read(digits, reader)?),
            ColumnType::Timestamp { digits } => Self::Timestamp(Timestamp::read(digits, reader)?),
            ColumnType::OldTime => Self::Time(Time::read_old(reader)?),
            ColumnType::OldDateTime => Self::DateTime(DateTime::read_old(reader)?),
            ColumnType::OldTimestamp => Self::Timestamp(Timestamp::read_old(reader)?),
            ColumnType::Year => Self::Year(match reader.u8("a YEAR")? {
                0 => 0,
                years => 1900 + u16::from(years),
            }),
            ColumnType::Bit { bits } => Self::Bit(reader.uint_be(usize::from(bits).div_ceil(8), "a BIT")?),
            ColumnType::Enum { bytes } => Self::Enum(reader.uint(bytes.into(), "an ENUM")? as u16),
            ColumnType::Set { bytes } => Self::Set(reader.uint(bytes.into(), "a SET")?),
            ColumnType::Json { length_bytes } => Self::Json(JsonDocument::new(blob(length_bytes, reader)?)),
            ColumnType::Geometry { length_bytes } => geometry(blob(length_bytes, reader)?)?,
            ColumnType::Vector { length_bytes } => Self::Vector(blob(length_bytes, reader)?),
            ColumnType::CompressedVarChar { max_bytes } => {
                Self::Compressed(CompressedBytes::new(text(max_bytes, reader)?))
            }
            ColumnType::CompressedBlob { length_bytes } => {
                Self::Compressed(CompressedBytes::new(blob(length_bytes, reader)?))
            }
        })
    }
}

#[inline]
fn integer<'a>(bytes: u8, is_unsigned: bool, reader: &mut Reader<'a>) -> Result<Value<'a>> {
    let part = "an integer";
    let bits = match bytes {
        1 => reader.u8(part)?.into(),
        2 => reader.u16(part)?.into(),
        4 => reader.u32(part)?.into(),
        8 => reader.u64(part)?,
        _ => reader.uint(bytes.into(), part)?,
    };
    if is_unsigned {
        return Ok(Value::UInt(bits));
    }
    // shifts the sign to the highest bit and back
    let unused = 64 - 8 * u32::from(bytes);
    Ok(Value::Int((bits << unused) as i64 >> unused))
}

/// Reads bytes whose length has one byte, or two if it can exceed 255.
#[inline]
fn text<'a>(max_bytes: u16, reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let part = "a text";
    let length = if max_bytes > 255 { reader.u16(part)?.into() } else { reader.u8(part)?.into() };
    reader.take(length, part)
}

#[inline]
fn blob<'a>(length_bytes: u8, reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let part = "a BLOB or TEXT";
    let length = reader.uint(length_bytes.into(), part)?;
    reader.take(usize::try_from(length).map_err(|_| BinlogError::malformed(part))?, part)
}

fn geometry(bytes: &[u8]) -> Result<Value<'_>> {
    let mut reader = Reader::new(bytes);
    // an empty value stands for no geometry in a column that cannot be null
    let srid = if bytes.is_empty() { 0 } else { reader.u32("a geometry")? };
    Ok(Value::Geometry { srid, wkb: reader.rest() })
}
