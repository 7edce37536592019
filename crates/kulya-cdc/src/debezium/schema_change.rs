//! The records of schema changes of MySQL and MariaDB (`include.schema.changes`, topic `prefix`): a statement
//! and the tables as it left them.

use super::json::{member, write, write_null};

/// A statement that changed the schema of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// The database; empty for a statement that belongs to none.
    pub database: String,
    /// The statement.
    pub ddl: String,
    /// The tables that the statement changed.
    pub tables: Vec<TableChange>,
}

/// A table that a statement changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// What happened.
    pub kind: TableChangeKind,
    /// The table's database.
    pub database: String,
    /// The table's name.
    pub table: String,
    /// The table as the statement left it; `None` if it was dropped.
    pub description: Option<TableDescription>,
}

/// What a statement did to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableChangeKind {
    /// The table is new, or a snapshot found it.
    Create,
    /// The table was changed, or is the new name of another.
    Alter,
    /// The table is gone.
    Drop,
}

/// A table in a schema change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDescription {
    /// The character set of columns that name none.
    pub default_charset: Option<String>,
    /// The columns of the primary key in key order.
    pub primary_key: Vec<String>,
    /// The columns in table order.
    pub columns: Vec<ColumnDefinition>,
    /// The table's comment.
    pub comment: Option<String>,
}

/// A column in a schema change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: String,
    /// The type's number in JDBC (`java.sql.Types`).
    pub jdbc_type: i32,
    /// The type's number in the database, if it has one.
    pub native_type: Option<i32>,
    /// The type's name, for example `INT UNSIGNED`.
    pub type_name: String,
    /// The type's name as written.
    pub type_expression: Option<String>,
    /// The character set.
    pub charset: Option<String>,
    /// The length, or a number's digits.
    pub length: Option<i32>,
    /// The digits after the point.
    pub scale: Option<i32>,
    /// Whether the column is nullable.
    pub optional: bool,
    /// AUTO_INCREMENT.
    pub auto_incremented: bool,
    /// Whether the value is computed.
    pub generated: bool,
    /// The column's comment.
    pub comment: Option<String>,
    /// The default value as a text; `None` without one, and for NULL.
    pub default_value: Option<String>,
    /// The values of ENUM and SET, as Debezium keeps them; empty for other types.
    pub enum_values: Vec<String>,
}

impl TableChangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Alter => "ALTER",
            Self::Drop => "DROP",
        }
    }
}

impl SchemaChange {
    /// Writes the key.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"databaseName\":");
        write(out, &self.database);
        out.push(b'}');
    }

    /// Writes the value. `source` writes an object; `millis` is the time at which the record is produced, in
    /// milliseconds since 1970-01-01 UTC.
    pub fn write_value(&self, out: &mut Vec<u8>, source: impl FnOnce(&mut Vec<u8>), millis: u64) {
        out.extend_from_slice(b"{\"source\":");
        source(out);
        member(out, "ts_ms", &millis);
        member(out, "databaseName", &self.database);
        out.extend_from_slice(b",\"schemaName\":null");
        member(out, "ddl", &self.ddl);
        out.extend_from_slice(b",\"tableChanges\":");
        write_list(out, &self.tables, |out, table| table.write(out));
        out.push(b'}');
    }
}

impl TableChange {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":");
        write(out, self.kind.name());
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        member(out, "id", &format!("{}.{}", quote(&self.database), quote(&self.table)));
        out.extend_from_slice(b",\"table\":");
        match &self.description {
            Some(description) => description.write(out),
            None => write_null(out),
        }
        out.push(b'}');
    }
}

impl TableDescription {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"defaultCharsetName\":");
        write(out, &self.default_charset);
        member(out, "primaryKeyColumnNames", &self.primary_key);
        out.extend_from_slice(b",\"columns\":");
        let columns: Vec<_> = self.columns.iter().zip(1_u32..).collect();
        write_list(out, &columns, |out, (column, position)| column.write(out, *position));
        member(out, "comment", &self.comment);
        out.push(b'}');
    }
}

impl ColumnDefinition {
    fn write(&self, out: &mut Vec<u8>, position: u32) {
        out.extend_from_slice(b"{\"name\":");
        write(out, &self.name);
        member(out, "jdbcType", &self.jdbc_type);
        member(out, "nativeType", &self.native_type);
        member(out, "typeName", &self.type_name);
        member(out, "typeExpression", &self.type_expression);
        member(out, "charsetName", &self.charset);
        member(out, "length", &self.length);
        member(out, "scale", &self.scale);
        member(out, "position", &position);
        member(out, "optional", &self.optional);
        member(out, "autoIncremented", &self.auto_incremented);
        member(out, "generated", &self.generated);
        member(out, "comment", &self.comment);
        member(out, "defaultValueExpression", &self.default_value);
        member(out, "enumValues", &(!self.enum_values.is_empty()).then_some(&self.enum_values));
        out.push(b'}');
    }
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], write_item: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_item(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests;
