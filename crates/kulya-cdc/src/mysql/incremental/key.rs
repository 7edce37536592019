//! By which columns a table is read in chunks, and how their values are written and compared.

use crate::mysql::ddl::TypeName;
use crate::mysql::schema_history::{Column, Table};
use crate::mysql::session::{literal, quoted};

/// The key by which a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChunkKey {
    /// The columns, in the order in which rows are read.
    pub(super) columns: Vec<KeyColumn>,
}

/// A column of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) form: KeyForm,
}

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// As texts, which the server converts to the column's type.
    Text,
    /// As hexadecimal digits of bytes.
    Bytes,
    /// As numbers: labels are ordered by their numbers, but compared with a text by their letters.
    Number,
}

impl ChunkKey {
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

impl KeyColumn {
    /// Returns the expression that selects the value.
    pub(super) fn selected(&self) -> String {
        match self.form {
            KeyForm::Bytes => format!("HEX({})", quoted(&self.name)),
            KeyForm::Text | KeyForm::Number => self.ordered(),
        }
    }

    /// Returns the expression by which rows are ordered and compared.
    pub(super) fn ordered(&self) -> String {
        match self.form {
            KeyForm::Number => format!("{}+0", quoted(&self.name)),
            KeyForm::Text | KeyForm::Bytes => quoted(&self.name),
        }
    }

    /// Returns a value as a statement has it.
    pub(super) fn literal(&self, value: &str) -> String {
        let is_number = || !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match self.form {
            KeyForm::Bytes if value.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("x'{value}'"),
            KeyForm::Number if is_number() => value.to_owned(),
            _ => literal(value),
        }
    }
}

/// Finds the key of a table.
///
/// # Errors
/// The reason why the table cannot be read in chunks.
pub(super) fn find(table: &Table, surrogate_key: Option<&str>) -> Result<ChunkKey, String> {
    let primary = table.primary_key();
    if primary.is_empty() {
        return Err("it has no primary key, and no unique key without nulls: add one".into());
    }
    let mut places = Vec::new();
    if let Some(name) = surrogate_key {
        let place =
            table.position(name).ok_or_else(|| format!("it has no column {name:?}, the surrogate-key"))?;
        if table.columns.get(place).is_some_and(|column| column.nullable) {
            return Err(format!("the surrogate-key {name:?} may be null: give a column that is NOT NULL"));
        }
        places.push(place);
    }
    // the primary key behind the surrogate key tells rows of equal values apart
    for place in primary {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let columns = places.into_iter().filter_map(|place| table.columns.get(place)).map(key_column);
    Ok(ChunkKey { columns: columns.collect::<Result<_, String>>()? })
}

fn key_column(column: &Column) -> Result<KeyColumn, String> {
    let form = match column.column_type.name {
        TypeName::Float | TypeName::Double => {
            return Err(format!(
                "its key column {:?} is a floating-point number, whose values are not exact: give another column \
                 as surrogate-key",
                column.name
            ));
        }
        name if name.is_bytes() => KeyForm::Bytes,
        TypeName::Enum | TypeName::Set | TypeName::Bit => KeyForm::Number,
        _ => KeyForm::Text,
    };
    Ok(KeyColumn { name: column.name.clone(), form })
}
