//! What the server misses for a statement: a script of examples names tables and columns that it never
//! creates, or creates twice. From the server's error follow statements that make or remove them.

use crate::mysql::connection::ConnectionError;
use crate::mysql::ddl::{AlterAction, Statement, TableRef};
use crate::mysql::session::quoted;

/// A column of the tables that are made.
const COLUMN: &str = "made_first";

/// Returns statements after which the server may accept `statement`; of each list one must succeed.
pub(super) fn remedies(error: &ConnectionError, statement: Option<&Statement>) -> Vec<Vec<String>> {
    let ConnectionError::Server { source, .. } = error else { return Vec::new() };
    // the one word with an apostrophe
    let message = source.message.replace("Can't", "Cannot");
    let names = quoted_names(&message);
    let name = names.first().copied().unwrap_or_default();
    let table = statement.and_then(altered_table).unwrap_or_default();
    let alter = |change: String| {
        if table.is_empty() { Vec::new() } else { vec![vec![format!("ALTER TABLE {table} {change}")]] }
    };
    let named = quoted(name);
    match source.code {
        1008 | 1049 | 3503 => vec![vec![format!("CREATE DATABASE {named}")]],
        1007 => vec![vec![format!("DROP DATABASE {named}")]],
        1050 => {
            let table = path(name);
            vec![vec![format!("DROP TABLE {table}"), format!("DROP VIEW {table}")]]
        }
        1051 | 1146 => {
            // what a statement drops beside it, the server has dropped
            let tables: Vec<String> = match statement {
                Some(Statement::DropTables(tables)) => tables.iter().map(quoted_table).collect(),
                _ => name.split(',').map(path).collect(),
            };
            let database = |table: &str| table.split_once(".`").map(|(database, _)| database.to_owned());
            let create = |table: String| {
                let create_database = database(&table).map(|database| format!("CREATE DATABASE {database}"));
                let create = format!("CREATE TABLE {table} ({COLUMN} INT)");
                std::iter::once(create).chain(create_database).collect()
            };
            tables.into_iter().map(create).collect()
        }
        1054 | 1072 => alter(format!("ADD COLUMN {named} VARCHAR(100)")),
        1060 => alter(format!("DROP COLUMN {named}")),
        1068 => alter("DROP PRIMARY KEY".to_owned()),
        1505 => alter(format!("PARTITION BY RANGE ({COLUMN}) (PARTITION made VALUES LESS THAN (1))")),
        1061 => alter(format!("DROP INDEX {named}")),
        1176 => alter(format!("ADD INDEX {named} ({COLUMN})")),
        3821 | 3940 => alter(format!("ADD CONSTRAINT {named} CHECK ({COLUMN} > 0)")),
        1091 => {
            let name = backquoted_name(&message).unwrap_or(name);
            let named = quoted(name);
            let is_column = match statement {
                Some(Statement::AlterTable { actions, .. }) => drops_column(actions, name),
                _ => false,
            };
            if is_column {
                return alter(format!("ADD COLUMN {named} VARCHAR(100)"));
            }
            if name == "PRIMARY" {
                return alter(format!("ADD PRIMARY KEY ({COLUMN})"));
            }
            let changes = [
                format!("ADD COLUMN {COLUMN} INT"),
                format!("ADD INDEX {named} ({COLUMN})"),
                format!("ADD CONSTRAINT {named} FOREIGN KEY ({COLUMN}) REFERENCES {table} ({COLUMN})"),
            ];
            // each of them: a foreign key may have an index of its name
            changes.into_iter().flat_map(alter).collect()
        }
        _ => Vec::new(),
    }
}

fn drops_column(actions: &[AlterAction], name: &str) -> bool {
    actions.iter().any(|action| matches!(action, AlterAction::DropColumn { column, .. } if column == name))
}

fn altered_table(statement: &Statement) -> Option<String> {
    let Statement::AlterTable { table, .. } = statement else { return None };
    Some(quoted_table(table))
}

fn quoted_table(table: &TableRef) -> String {
    let database = table.database.as_deref().map(|database| format!("{}.", quoted(database)));
    format!("{}{}", database.unwrap_or_default(), quoted(&table.table))
}

/// The texts in quotes of a message.
fn quoted_names(message: &str) -> Vec<&str> {
    message.split('\'').skip(1).step_by(2).collect()
}

fn backquoted_name(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// A table's quoted name; the server's messages have it as `database.table`.
fn path(name: &str) -> String {
    let name = name.replace('`', "");
    match name.split_once('.') {
        Some((database, table)) => format!("{}.{}", quoted(database), quoted(table)),
        None => quoted(&name),
    }
}
