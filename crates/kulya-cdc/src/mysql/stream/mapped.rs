//! The columns of a table map as the schema history compares them: types by the numbers and parameters that
//! stand in the log.

use crate::mysql::binlog::{ColumnType, TableMap};
use crate::mysql::schema_history::MappedColumn;

const STRING: u8 = 254;
const ENUM: u8 = 247;
const SET: u8 = 248;

/// Returns the columns of a table map.
pub(super) fn mapped_columns(map: &TableMap) -> Vec<MappedColumn> {
    let columns = map.types().iter().zip(map.columns());
    let mapped = columns.map(|(column_type, column)| {
        let (type_code, metadata) = code(*column_type);
        MappedColumn { type_code, metadata, nullable: column.is_nullable }
    });
    mapped.collect()
}

fn code(column_type: ColumnType) -> (u8, [u8; 2]) {
    match column_type {
        ColumnType::Integer { bytes: 1, .. } => (1, [0, 0]),
        ColumnType::Integer { bytes: 2, .. } => (2, [0, 0]),
        ColumnType::Integer { bytes: 3, .. } => (9, [0, 0]),
        ColumnType::Integer { bytes: 4, .. } => (3, [0, 0]),
        ColumnType::Integer { .. } => (8, [0, 0]),
        ColumnType::Float => (4, [4, 0]),
        ColumnType::Double => (5, [8, 0]),
        ColumnType::Decimal { precision, scale } => (246, [precision, scale]),
        ColumnType::Date => (10, [0, 0]),
        ColumnType::OldTimestamp => (7, [0, 0]),
        ColumnType::OldTime => (11, [0, 0]),
        ColumnType::OldDateTime => (12, [0, 0]),
        ColumnType::Year => (13, [0, 0]),
        ColumnType::Timestamp { digits } => (17, [digits, 0]),
        ColumnType::DateTime { digits } => (18, [digits, 0]),
        ColumnType::Time { digits } => (19, [digits, 0]),
        ColumnType::Bit { bits } => (16, [bits % 8, bits / 8]),
        ColumnType::VarChar { max_bytes } => (15, max_bytes.to_le_bytes()),
        ColumnType::Enum { bytes } => (STRING, [ENUM, bytes]),
        ColumnType::Set { bytes } => (STRING, [SET, bytes]),
        ColumnType::Char { max_bytes } => {
            let [low, high] = max_bytes.to_le_bytes();
            (STRING, [STRING ^ ((high & 3) << 4), low])
        }
        ColumnType::Blob { length_bytes } => (252, [length_bytes, 0]),
        ColumnType::Json { length_bytes } => (245, [length_bytes, 0]),
        ColumnType::Geometry { length_bytes } => (255, [length_bytes, 0]),
        ColumnType::Vector { length_bytes } => (242, [length_bytes, 0]),
        ColumnType::CompressedBlob { length_bytes } => (140, [length_bytes, 0]),
        ColumnType::CompressedVarChar { max_bytes } => (141, max_bytes.to_le_bytes()),
    }
}
