//! Foreign keys whose effects are not in the log: the storage engine changes the rows of the referring table
//! itself.

use super::is_system;
use crate::CdcResult;
use crate::mysql::connection::Connection;
use crate::mysql::schema_history::TableName;
use crate::mysql::session::quoted;

/// Foreign keys that a warning names, at most.
const MAX_NAMES: usize = 10;

const FOREIGN_KEYS: &str = "SELECT constraint_schema, table_name, constraint_name \
     FROM information_schema.referential_constraints \
     WHERE delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') \
     OR update_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY 1, 2, 3";

/// Warns of foreign keys of captured tables that change rows without the log having it.
///
/// # Errors
/// Those of the connection.
pub(crate) async fn warn_of_cascades(
    connection: &mut Connection,
    is_captured: &(dyn Fn(&str, &str) -> bool + Sync),
) -> CdcResult<()> {
    let keys = foreign_keys(connection, is_captured).await?;
    if !keys.is_empty() {
        let more = keys.len().saturating_sub(MAX_NAMES);
        let names = keys.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
        tracing::warn!(
            foreign_keys = %if more == 0 { names } else { format!("{names} and {more} more") },
            "the log does not have the rows that a foreign key deletes or changes by CASCADE or SET NULL: delete \
             and change them by statements, or define the key with RESTRICT"
        );
    }
    Ok(())
}

/// Returns the foreign keys, each with its table.
async fn foreign_keys(
    connection: &mut Connection,
    is_captured: &(dyn Fn(&str, &str) -> bool + Sync),
) -> CdcResult<Vec<String>> {
    let mut rows = connection.query_rows(FOREIGN_KEYS).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next_row().await? {
        let text = |index| row.text(index).unwrap_or_default();
        if !is_system(text(0)) && is_captured(text(0), text(1)) {
            found.push(format!("{} of {}", quoted(text(2)), TableName::new(text(0), text(1))));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::connection::ConnectionSettings;

    #[tokio::test]
    #[ignore = "needs MariaDB"]
    async fn cascades_of_mariadb_are_found() {
        check("KULYA_TEST_MARIADB").await;
    }

    #[tokio::test]
    #[ignore = "needs MySQL"]
    async fn cascades_of_mysql_are_found() {
        check("KULYA_TEST_MYSQL").await;
    }

    async fn check(variable: &str) {
        let url = std::env::var(variable).unwrap();
        let mut connection = Connection::open(&ConnectionSettings::parse(&url).unwrap()).await.unwrap();
        for sql in [
            "DROP DATABASE IF EXISTS cascades",
            "CREATE DATABASE cascades",
            "CREATE TABLE cascades.p (id INT PRIMARY KEY)",
            "CREATE TABLE cascades.a (p INT, CONSTRAINT gone FOREIGN KEY (p) REFERENCES cascades.p (id) ON DELETE CASCADE)",
            "CREATE TABLE cascades.b (p INT, CONSTRAINT none FOREIGN KEY (p) REFERENCES cascades.p (id) ON UPDATE SET NULL)",
            "CREATE TABLE cascades.c (p INT, CONSTRAINT kept FOREIGN KEY (p) REFERENCES cascades.p (id))",
        ] {
            connection.query(sql).await.unwrap();
        }
        let of =
            |name: &'static str| move |database: &str, table: &str| database == "cascades" && table != name;
        let all = foreign_keys(&mut connection, &of("")).await.unwrap();
        assert_eq!(all, ["`gone` of `cascades`.`a`", "`none` of `cascades`.`b`"]);
        let others = foreign_keys(&mut connection, &of("a")).await.unwrap();
        assert_eq!(others, ["`none` of `cascades`.`b`"]);
        connection.query("DROP DATABASE cascades").await.unwrap();
    }
}
