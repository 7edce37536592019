//! Descriptions of columns: what the log says besides their types.

/// What the log says about a column besides its type. All but `is_nullable` depend on `binlog_row_metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Whether the column can be null.
    pub is_nullable: bool,
    /// The name.
    pub name: Option<String>,
    /// Whether a number is unsigned; `None` if the log does not say, and for other types.
    pub is_unsigned: Option<bool>,
    /// The collation of texts, ENUM and SET, and of their labels; 63 stands for bytes.
    pub collation: Option<u64>,
    /// The labels of ENUM and SET, in the column's character set.
    pub labels: Vec<Box<[u8]>>,
    /// The kind of geometry: 0 any, 1 point, 2 line, 3 polygon, 4 to 6 several of these, 7 collection.
    pub geometry: Option<u64>,
    /// Whether `SELECT *` contains the column.
    pub is_visible: Option<bool>,
}

/// A column of the primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPart {
    /// The column's position in the table, from 0.
    pub column: usize,
    /// Number of characters that the key has of the column; 0 for all.
    pub prefix_length: u64,
}
