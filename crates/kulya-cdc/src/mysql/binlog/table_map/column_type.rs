//! Types of columns: the type's number and parameters to what decides how a cell is decoded.

use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::reader::Reader;
use crate::mysql::binlog::value::decimal_length;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a column type's parameters";

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnType {
    /// TINYINT to BIGINT.
    Integer {
        /// The length in bytes: 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Whether it is unsigned, as far as is known.
        is_unsigned: bool,
    },
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// DECIMAL.
    Decimal {
        /// Number of digits, 1 to 65.
        precision: u8,
        /// Number of digits after the point, at most `precision`.
        scale: u8,
    },
    /// DATE.
    Date,
    /// TIME with a fraction of 0 to 6 digits.
    Time {
        /// Number of digits.
        digits: u8,
    },
    /// DATETIME with a fraction of 0 to 6 digits.
    DateTime {
        /// Number of digits.
        digits: u8,
    },
    /// TIMESTAMP with a fraction of 0 to 6 digits.
    Timestamp {
        /// Number of digits.
        digits: u8,
    },
    /// TIME without a fraction, in the format before MySQL 5.6. MariaDB's columns of this format
    /// (`mysql56_temporal_format=OFF`, `/* mariadb-5.3 */` in SHOW CREATE TABLE) can have a fraction that the
    /// log does not mention; such a table must not be captured.
    OldTime,
    /// DATETIME without a fraction, in the format before MySQL 5.6; see [`Self::OldTime`].
    OldDateTime,
    /// TIMESTAMP without a fraction, in the format before MySQL 5.6; see [`Self::OldTime`].
    OldTimestamp,
    /// YEAR.
    Year,
    /// BIT.
    Bit {
        /// Number of bits, 1 to 64.
        bits: u8,
    },
    /// ENUM.
    Enum {
        /// The index's length in bytes, 1 or 2.
        bytes: u8,
    },
    /// SET.
    Set {
        /// The bits' length in bytes, 1 to 8.
        bytes: u8,
    },
    /// CHAR, BINARY, and MariaDB's UUID, INET4 and INET6.
    Char {
        /// Greatest length in bytes.
        max_bytes: u16,
    },
    /// VARCHAR, VARBINARY.
    VarChar {
        /// Greatest length in bytes.
        max_bytes: u16,
    },
    /// TINYTEXT to LONGTEXT, TINYBLOB to LONGBLOB, MariaDB's JSON.
    Blob {
        /// The length's own length in bytes, 1 to 4.
        length_bytes: u8,
    },
    /// MySQL's JSON.
    Json {
        /// The length's own length in bytes, 1 to 4.
        length_bytes: u8,
    },
    /// GEOMETRY and its kinds.
    Geometry {
        /// The length's own length in bytes, 1 to 4.
        length_bytes: u8,
    },
    /// MySQL's VECTOR.
    Vector {
        /// The length's own length in bytes, 1 to 4.
        length_bytes: u8,
    },
    /// MariaDB's VARCHAR COMPRESSED.
    CompressedVarChar {
        /// Greatest length in bytes, one more than declared.
        max_bytes: u16,
    },
    /// MariaDB's BLOB COMPRESSED and TEXT COMPRESSED.
    CompressedBlob {
        /// The length's own length in bytes, 1 to 4.
        length_bytes: u8,
    },
}

/// Where the length of a cell's bytes comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql::binlog) enum CellLength {
    /// The type.
    Fixed(usize),
    /// As many bytes in front of the cell.
    Counted(usize),
}

impl ColumnType {
    /// Returns where the length of a cell comes from, which is not NULL; `None` for a type that no column can
    /// have.
    pub(in crate::mysql::binlog) fn cell_length(self) -> Option<CellLength> {
        let fraction = |digits: u8| usize::from(digits.min(6)).div_ceil(2);
        let text = |max_bytes: u16| CellLength::Counted(if max_bytes > 255 { 2 } else { 1 });
        Some(match self {
            Self::Integer { bytes, .. } | Self::Enum { bytes } | Self::Set { bytes } => {
                CellLength::Fixed(bytes.into())
            }
            Self::Float | Self::OldTimestamp => CellLength::Fixed(4),
            Self::Double | Self::OldDateTime => CellLength::Fixed(8),
            Self::Decimal { precision, scale } => CellLength::Fixed(decimal_length(precision, scale)?),
            Self::Date | Self::OldTime => CellLength::Fixed(3),
            Self::Time { digits } => CellLength::Fixed(3 + fraction(digits)),
            Self::DateTime { digits } => CellLength::Fixed(5 + fraction(digits)),
            Self::Timestamp { digits } => CellLength::Fixed(4 + fraction(digits)),
            Self::Year => CellLength::Fixed(1),
            Self::Bit { bits } => CellLength::Fixed(usize::from(bits).div_ceil(8)),
            Self::Char { max_bytes } | Self::VarChar { max_bytes } => text(max_bytes),
            Self::CompressedVarChar { max_bytes } => text(max_bytes),
            Self::Blob { length_bytes } | Self::Json { length_bytes } => {
                CellLength::Counted(length_bytes.into())
            }
            Self::Geometry { length_bytes } | Self::Vector { length_bytes } => {
                CellLength::Counted(length_bytes.into())
            }
            Self::CompressedBlob { length_bytes } => CellLength::Counted(length_bytes.into()),
        })
    }

    /// Decodes a type's parameters; `column` is its position, from 1.
    pub(super) fn decode(code: u8, parameters: &mut Reader<'_>, column: usize) -> Result<Self> {
        let integer = |bytes| Ok(Self::Integer { bytes, is_unsigned: false });
        match code {
            1 => integer(1),
            2 => integer(2),
            9 => integer(3),
            3 => integer(4),
            8 => integer(8),
            4 => expect_length(parameters, 4, Self::Float),
            5 => expect_length(parameters, 8, Self::Double),
            246 => decimal(parameters),
            // 14 is the server's own number of DATE
            10 | 14 => Ok(Self::Date),
            7 => Ok(Self::OldTimestamp),
            11 => Ok(Self::OldTime),
            12 => Ok(Self::OldDateTime),
            13 => Ok(Self::Year),
            17 => Ok(Self::Timestamp { digits: digits(parameters)? }),
            18 => Ok(Self::DateTime { digits: digits(parameters)? }),
            19 => Ok(Self::Time { digits: digits(parameters)? }),
            16 => bit(parameters),
            15 | 253 => Ok(Self::VarChar { max_bytes: parameters.u16(PART)? }),
            247 | 248 | 254 => string(parameters),
            249..=252 => Ok(Self::Blob { length_bytes: length_bytes(parameters)? }),
            245 => Ok(Self::Json { length_bytes: length_bytes(parameters)? }),
            255 => Ok(Self::Geometry { length_bytes: length_bytes(parameters)? }),
            242 => Ok(Self::Vector { length_bytes: length_bytes(parameters)? }),
            140 => Ok(Self::CompressedBlob { length_bytes: length_bytes(parameters)? }),
            141 => Ok(Self::CompressedVarChar { max_bytes: parameters.u16(PART)? }),
            _ => Err(BinlogError::ColumnType { column, code }),
        }
    }

    /// Sets the signedness of an integer.
    pub(super) fn set_unsigned(&mut self, unsigned: bool) {
        if let Self::Integer { is_unsigned, .. } = self {
            *is_unsigned = unsigned;
        }
    }
}

fn expect_length(parameters: &mut Reader<'_>, length: u8, column_type: ColumnType) -> Result<ColumnType> {
    let is_expected = parameters.u8(PART)? == length;
    is_expected.then_some(column_type).ok_or(BinlogError::malformed(PART))
}

fn decimal(parameters: &mut Reader<'_>) -> Result<ColumnType> {
    let [precision, scale] = parameters.array(PART)?;
    let is_valid = (1..=65).contains(&precision) && scale <= precision;
    is_valid.then_some(ColumnType::Decimal { precision, scale }).ok_or(BinlogError::malformed(PART))
}

fn digits(parameters: &mut Reader<'_>) -> Result<u8> {
    let digits = parameters.u8(PART)?;
    (digits <= 6).then_some(digits).ok_or(BinlogError::malformed(PART))
}

fn length_bytes(parameters: &mut Reader<'_>) -> Result<u8> {
    let length = parameters.u8(PART)?;
    (1..=4).contains(&length).then_some(length).ok_or(BinlogError::malformed(PART))
}

/// The bits beyond whole bytes, then the whole bytes.
fn bit(parameters: &mut Reader<'_>) -> Result<ColumnType> {
    let [bits, bytes] = parameters.array(PART)?.map(u16::from);
    let bits = bytes * 8 + bits;
    let bits = u8::try_from(bits).ok().filter(|bits| (1..=64).contains(bits));
    bits.map(|bits| ColumnType::Bit { bits }).ok_or(BinlogError::malformed(PART))
}

/// The real type of CHAR, ENUM or SET, and a length. Lengths of CHAR above 255 have their two highest bits,
/// inverted, in bits of the type's number that are ones in all these numbers.
fn string(parameters: &mut Reader<'_>) -> Result<ColumnType> {
    let [code, length] = parameters.array(PART)?;
    let max_bytes = u16::from(length) | u16::from(!code & 0x30) << 4;
    match code | 0x30 {
        247 if matches!(length, 1 | 2) => Ok(ColumnType::Enum { bytes: length }),
        248 if (1..=8).contains(&length) => Ok(ColumnType::Set { bytes: length }),
        253 | 254 => Ok(ColumnType::Char { max_bytes }),
        _ => Err(BinlogError::malformed(PART)),
    }
}
