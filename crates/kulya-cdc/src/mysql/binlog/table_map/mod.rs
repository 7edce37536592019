//! TABLE_MAP: a table's name and columns, before the events with its rows. [`TableMapEvent`] reads the names
//! only, so that tables that are not captured cost little; [`TableMap`] is prepared once for each definition.

mod column;
mod column_type;
mod metadata;

pub use column::{Column, KeyPart};
pub(super) use column_type::CellLength;
pub use column_type::ColumnType;

use super::error::BinlogError;
use super::format::Flavor;
use super::reader::{Reader, utf8};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a table map";
/// Length of the fixed part in bytes.
pub(super) const POST_HEADER_LENGTH: usize = 8;

/// A table map whose columns are not decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableMapEvent<'a> {
    /// The number by which row events name the map. It changes when the server opens the table again.
    pub table_id: u64,
    /// The database.
    pub schema: &'a str,
    /// The table.
    pub table: &'a str,
    flavor: Flavor,
    /// The names and what follows.
    definition: &'a [u8],
    columns: &'a [u8],
}

impl<'a> TableMapEvent<'a> {
    /// Decodes an event's bytes after the header.
    pub(super) fn decode(body: &'a [u8], post_header: usize, flavor: Flavor) -> Result<Self> {
        let mut reader = Reader::new(body);
        let table_id = Reader::new(reader.take(post_header, PART)?).uint(6, PART)?;
        let definition = reader.rest();
        let mut name = || {
            let name = utf8(reader.short_bytes(PART)?, "a table's name")?;
            reader.u8(PART)?; // a zero byte
            Ok(name)
        };
        let (schema, table) = (name()?, name()?);
        Ok(Self { table_id, schema, table, flavor, definition, columns: reader.rest() })
    }
}

/// A table's definition at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    schema: String,
    table: String,
    types: Vec<ColumnType>,
    columns: Vec<Column>,
    primary_key: Vec<KeyPart>,
    /// The event's bytes it was prepared from.
    definition: Box<[u8]>,
}

impl TableMap {
    /// Decodes the columns.
    ///
    /// # Errors
    /// [`BinlogError::ColumnType`] for an unknown type, [`BinlogError::Malformed`] for invalid bytes.
    pub fn prepare(event: &TableMapEvent<'_>) -> Result<Self> {
        let mut reader = Reader::new(event.columns);
        let codes = reader.lenenc_bytes(PART)?;
        if codes.is_empty() {
            return Err(BinlogError::malformed(PART));
        }
        let mut parameters = Reader::new(reader.lenenc_bytes(PART)?);
        let types = codes
            .iter()
            .enumerate()
            .map(|(index, code)| ColumnType::decode(*code, &mut parameters, index + 1));
        let mut types = types.collect::<Result<Vec<_>>>()?;
        let nullable = reader.take(codes.len().div_ceil(8), PART)?;
        let column = |index: usize| {
            let is_nullable = nullable.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0);
            Column { is_nullable, ..Column::default() }
        };
        let mut columns: Vec<Column> = (0..codes.len()).map(column).collect();
        let primary_key = metadata::read(reader, &types, &mut columns, event.flavor)?;
        for (column_type, column) in types.iter_mut().zip(&columns) {
            column_type.set_unsigned(column.is_unsigned == Some(true));
        }
        Ok(Self {
            schema: event.schema.to_owned(),
            table: event.table.to_owned(),
            types,
            columns,
            primary_key,
            definition: event.definition.into(),
        })
    }

    /// Whether the event has the same definition, so that this map serves for it too.
    pub fn matches(&self, event: &TableMapEvent<'_>) -> bool {
        *self.definition == *event.definition
    }

    /// Returns the database.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Creates a map of columns without names.
    #[cfg(test)]
    pub(super) fn of_types(types: Vec<ColumnType>) -> Self {
        let (columns, definition) = (vec![Column::default(); types.len()], Box::default());
        let (schema, table) = ("d".to_owned(), "t".to_owned());
        Self { schema, table, types, columns, primary_key: Vec::new(), definition }
    }

    /// Returns the types of the columns, in order.
    pub fn types(&self) -> &[ColumnType] {
        &self.types
    }

    /// Returns what else is known of the columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the parts of the primary key, or of the unique key without nulls that stands for it, in the
    /// order of the key; empty if there is none or the log does not say.
    pub fn primary_key(&self) -> &[KeyPart] {
        &self.primary_key
    }

    /// Sets whether a number is unsigned, where the log does not say. Until then it is decoded as signed.
    pub fn set_unsigned(&mut self, column: usize, is_unsigned: bool) {
        if let (Some(column_type), Some(column)) = (self.types.get_mut(column), self.columns.get_mut(column))
        {
            column_type.set_unsigned(is_unsigned);
            column.is_unsigned = Some(is_unsigned);
        }
    }
}
