//! The tables of a server: which are captured, and which of these cannot be.

use crate::mysql::connection::Connection;
use crate::mysql::schema_history::TableName;
use crate::mysql::session::quoted;
use crate::{CdcError, CdcResult};
use std::collections::{BTreeSet, HashSet};

/// Databases of the servers themselves.
const SYSTEM_DATABASES: [&str; 5] = ["information_schema", "mysql", "ndbinfo", "performance_schema", "sys"];

/// Tables that an error names, at most.
const MAX_NAMES: usize = 10;

const TABLES: &str = "SELECT t.table_schema, t.table_name, t.table_type, t.engine, t.table_rows, e.transactions \
     FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine";

/// Whether a database is the server's own, and never captured.
pub(crate) fn is_system(database: &str) -> bool {
    SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database))
}

/// A table, as the catalog lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableInfo {
    pub(crate) name: TableName,
    pub(crate) kind: Kind,
    /// The storage engine; `None` where the server cannot open the table.
    pub(crate) engine: Option<String>,
    /// Whether the engine has transactions, without which there is no consistent snapshot.
    pub(crate) is_transactional: bool,
    /// The server's estimate of the number of rows.
    pub(crate) rows: u64,
}

/// What a name of the catalog stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    Sequence,
    /// A view, or a table of the server's own.
    Other,
}

impl TableInfo {
    /// Returns the quoted name.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.name.database), quoted(&self.name.table))
    }
}

/// The captured tables of a server, and the others that the schema history needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CapturedTables {
    /// The captured tables, by name.
    pub(crate) captured: Vec<TableInfo>,
    /// The other tables and sequences of their databases: a statement may copy them, or give a captured
    /// name to one of them.
    pub(crate) others: Vec<TableInfo>,
}

impl CapturedTables {
    /// Lists the tables of which `is_captured` says so by database and table.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn list(
        connection: &mut Connection,
        is_captured: &(dyn Fn(&str, &str) -> bool + Sync),
    ) -> CdcResult<Self> {
        let mut rows = connection.query_rows(TABLES).await?;
        let mut tables = Vec::new();
        while let Some(row) = rows.next_row().await? {
            let text = |index| row.text(index).unwrap_or_default();
            if is_system(text(0)) {
                continue;
            }
            tables.push(TableInfo {
                name: TableName::new(text(0), text(1)),
                kind: kind(text(2)),
                engine: row.text(3).map(str::to_owned),
                is_transactional: text(5) == "YES",
                rows: text(4).parse().unwrap_or(0),
            });
        }
        // the order of the names' bytes, which no collation of a server has
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self::choose(tables, is_captured))
    }

    fn choose(tables: Vec<TableInfo>, is_captured: &(dyn Fn(&str, &str) -> bool + Sync)) -> Self {
        let is_captured = |table: &TableInfo| {
            table.kind == Kind::Table && is_captured(&table.name.database, &table.name.table)
        };
        let (captured, mut others): (Vec<_>, Vec<_>) = tables.into_iter().partition(is_captured);
        let databases: HashSet<&str> = captured.iter().map(|table| table.name.database.as_str()).collect();
        others.retain(|table| table.kind != Kind::Other && databases.contains(table.name.database.as_str()));
        Self { captured, others }
    }

    /// Returns the names of the captured tables.
    pub(crate) fn names(&self) -> BTreeSet<&TableName> {
        self.captured.iter().map(|table| &table.name).collect()
    }

    /// Refuses captured tables without transactions: their rows cannot be read at a place of the log.
    ///
    /// # Errors
    /// `Configuration`, with the tables and the statements that mend it.
    pub(crate) fn check_engines(&self) -> CdcResult<()> {
        let unsuitable: Vec<&TableInfo> =
            self.captured.iter().filter(|table| !table.is_transactional).collect();
        if unsuitable.is_empty() {
            return Ok(());
        }
        let describe = |table: &&TableInfo| {
            let engine = table.engine.as_deref().unwrap_or("no engine, because the server cannot open it");
            format!("{} ({engine})", table.quoted())
        };
        let names: Vec<String> = unsuitable.iter().take(MAX_NAMES).map(describe).collect();
        let mends = unsuitable.iter().take(MAX_NAMES);
        let mends: Vec<String> =
            mends.map(|table| format!("ALTER TABLE {} ENGINE = InnoDB", table.quoted())).collect();
        let more = match unsuitable.len().saturating_sub(MAX_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(CdcError::configuration(format!(
            "captured tables have a storage engine without transactions: {}{more}: run {}, or exclude the tables",
            names.join(", "),
            mends.join("; ")
        )))
    }
}

fn kind(table_type: &str) -> Kind {
    match table_type {
        "BASE TABLE" | "SYSTEM VERSIONED" => Kind::Table,
        "SEQUENCE" => Kind::Sequence,
        _ => Kind::Other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A table of InnoDB.
    pub(crate) fn table(database: &str, name: &str) -> TableInfo {
        listed(database, name, "BASE TABLE", "InnoDB")
    }

    fn listed(database: &str, name: &str, table_type: &str, engine: &str) -> TableInfo {
        TableInfo {
            name: TableName::new(database, name),
            kind: kind(table_type),
            engine: Some(engine.to_owned()).filter(|engine| !engine.is_empty()),
            is_transactional: engine == "InnoDB",
            rows: 0,
        }
    }

    #[test]
    fn captured_tables_come_with_the_others_of_their_databases() {
        let tables = vec![
            listed("other", "orders", "BASE TABLE", "InnoDB"),
            listed("shop", "history", "SYSTEM VERSIONED", "InnoDB"),
            listed("shop", "log", "BASE TABLE", "MyISAM"),
            listed("shop", "numbers", "SEQUENCE", "InnoDB"),
            listed("shop", "orders", "BASE TABLE", "InnoDB"),
            listed("shop", "orders_view", "VIEW", ""),
        ];
        let found = CapturedTables::choose(tables, &|database, table| database == "shop" && table != "log");
        let names = |tables: &[TableInfo]| -> Vec<String> {
            tables.iter().map(|table| table.name.table.clone()).collect()
        };
        assert_eq!(names(&found.captured), ["history", "orders"]);
        assert_eq!(names(&found.others), ["log", "numbers"]);
        assert!(found.check_engines().is_ok());
    }

    #[test]
    fn tables_without_transactions_are_refused_by_name() {
        let mut tables: Vec<TableInfo> =
            (0..12).map(|index| listed("shop", &format!("t{index}"), "BASE TABLE", "MyISAM")).collect();
        tables.push(listed("shop", "broken", "BASE TABLE", ""));
        tables.rotate_right(1);
        let error = CapturedTables::choose(tables, &|_, _| true).check_engines().unwrap_err().to_string();
        assert!(error.contains("`shop`.`broken` (no engine"), "{error}");
        assert!(error.contains("`shop`.`t0` (MyISAM), ") && error.contains("and 3 more: run "), "{error}");
        assert!(error.contains("ALTER TABLE `shop`.`t0` ENGINE = InnoDB; "), "{error}");
    }

    #[test]
    fn system_databases_are_known_in_any_case() {
        assert!(is_system("MYSQL") && is_system("sys") && !is_system("mysql2"));
    }
}
