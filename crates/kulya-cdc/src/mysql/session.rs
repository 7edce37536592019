//! The settings of a session that reads tables: texts as UTF-8, times in UTC, and nothing left of the
//! server's defaults that would cut a result, quote names in another way, or end a long read.

use super::connection::{Connection, ConnectionError, ConnectionSettings, Flavor};

/// The time that a statement waits for a table's lock, in seconds. A waiting lock keeps others from writing,
/// so it is short, and the caller tries again.
pub(crate) const LOCK_WAIT_SECONDS: u32 = 2;

/// The time that the server waits for this reader, which waits for its store, in seconds.
const IDLE_SECONDS: u32 = 8 * 3600;

/// Opens a session.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::query`].
pub(crate) async fn open(settings: &ConnectionSettings) -> Result<Connection, ConnectionError> {
    let mut session = Connection::open(settings).await?;
    for statement in statements(session.version().flavor) {
        session.query(&statement).await?;
    }
    Ok(session)
}

fn statements(flavor: Flavor) -> [String; 3] {
    let limits = match flavor {
        Flavor::Mariadb => {
            "max_statement_time = 0, idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0, \
             idle_write_transaction_timeout = 0"
        }
        _ => "max_execution_time = 0",
    };
    [
        "SET NAMES utf8mb4".to_owned(),
        format!(
            "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1, \
             sql_select_limit = {}, {limits}, lock_wait_timeout = {LOCK_WAIT_SECONDS}, \
             wait_timeout = {IDLE_SECONDS}, net_write_timeout = {IDLE_SECONDS}, \
             net_read_timeout = {IDLE_SECONDS}",
            u64::MAX
        ),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(),
    ]
}

/// Quotes a name for statements.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Quotes a text for statements of a prepared session.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_has_its_limit_of_time() {
        for (flavor, expected, other) in [
            (Flavor::Mysql, "max_execution_time = 0", "max_statement_time"),
            (Flavor::Mariadb, "max_statement_time = 0", "max_execution_time"),
            (Flavor::Mariadb, "idle_transaction_timeout = 0", "max_execution_time"),
        ] {
            let statements = statements(flavor).join("; ");
            assert!(statements.contains(expected) && !statements.contains(other), "{statements}");
            assert!(
                statements.contains("sql_mode = '', ") && statements.contains("'+00:00'"),
                "{statements}"
            );
        }
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quoted("a`b"), "`a``b`");
        assert_eq!(literal("it's \\"), "'it''s \\\\'");
    }
}
