//! The schema history of a server as it is now, from the statements that would create its tables.

use super::server::{CharsetNames, ServerFacts, collated};
use super::tables::{CapturedTables, Kind, TableInfo};
use crate::mysql::connection::{Connection, ConnectionError};
use crate::mysql::ddl::{Statement, TableRef, parse};
use crate::mysql::schema_history::{SchemaHistory, Table, TableName};
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::collections::BTreeMap;

const DATABASES: &str = "SELECT s.schema_name, s.default_character_set_name, s.default_collation_name, c.is_default \
     FROM information_schema.schemata s \
     LEFT JOIN information_schema.collations c ON c.collation_name = s.default_collation_name";

/// The server's error for a table that does not exist, or no longer.
const NO_SUCH_TABLE: u16 = 1146;

/// The definitions of databases and tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definitions {
    pub(crate) history: SchemaHistory,
    /// The statements that would create the captured tables.
    pub(crate) statements: BTreeMap<TableName, String>,
    /// The default character sets of databases.
    pub(crate) databases: BTreeMap<String, CharsetNames>,
}

/// Reads the definitions of all databases and of the given tables.
///
/// # Errors
/// Those of the connection; `Unreachable` for a captured table that is gone; `Source` for one whose statement
/// is not understood. Other tables are left out then.
pub(crate) async fn read_definitions(
    connection: &mut Connection,
    facts: &ServerFacts,
    tables: &CapturedTables,
) -> CdcResult<Definitions> {
    let mut history = SchemaHistory::new(facts.case);
    let (mut statements, mut databases) = (BTreeMap::new(), BTreeMap::new());
    for row in connection.query(DATABASES).await?.rows {
        if let [Some(database), Some(charset), Some(collation), is_default] = row.as_slice() {
            let is_default = is_default.as_deref() == Some("Yes");
            history.set_database(database, collated(charset, collation, is_default));
            let names = CharsetNames { charset: charset.clone(), collation: collation.clone() };
            databases.insert(database.clone(), names);
        }
    }
    for table in &tables.captured {
        let statement = add(&mut history, connection, facts, table).await?;
        statements.insert(table.name.clone(), statement);
    }
    for table in &tables.others {
        // a lost connection is found by what follows
        if let Err(error) = add(&mut history, connection, facts, table).await {
            // a statement that changes or copies the table is then reported where it matters
            tracing::warn!(table = %table.name, %error, "a table that is not captured is left out of the schema history");
        }
    }
    Ok(Definitions { history, statements, databases })
}

/// Reads the definition of a table as it is now; `history` has the character sets of the databases.
///
/// # Errors
/// As [`read_definitions`] for a captured table.
pub(crate) async fn read_table(
    connection: &mut Connection,
    facts: &ServerFacts,
    history: &SchemaHistory,
    table: &TableInfo,
) -> CdcResult<Option<Table>> {
    let mut scratch = SchemaHistory::new(facts.case);
    for (database, charset) in history.databases() {
        if database.eq_ignore_ascii_case(&table.name.database) {
            scratch.set_database(database, charset.clone());
        }
    }
    add(&mut scratch, connection, facts, table).await?;
    Ok(scratch.remove_table(&table.name.database, &table.name.table))
}

async fn add(
    history: &mut SchemaHistory,
    connection: &mut Connection,
    facts: &ServerFacts,
    table: &TableInfo,
) -> CdcResult<String> {
    let database = Some(table.name.database.as_str());
    let session = facts.session(database, None);
    if table.kind == Kind::Sequence {
        let sequence = TableRef { database: None, table: table.name.table.clone() };
        history.apply(&Statement::CreateSequence { sequence, if_not_exists: false }, &session)?;
        return Ok(String::new());
    }
    let sql = format!("SHOW CREATE TABLE {}", table.quoted());
    let rows = connection.query(&sql).await.map_err(|error| read_error(table, error))?;
    let created = rows.column(1).next().unwrap_or_default();
    let statement = parse(created.as_bytes(), facts.parse_settings(0)).map_err(|error| {
        let what = format!("the definition of table {} is not understood: {error}", table.name);
        CdcError::source(what).because(error)
    })?;
    history.apply(&statement, &session)?;
    Ok(created.to_owned())
}

fn read_error(table: &TableInfo, error: ConnectionError) -> CdcError {
    let is_gone = matches!(&error, ConnectionError::Server { source, .. } if source.code == NO_SUCH_TABLE);
    let error = CdcError::from(error);
    // a table that is gone is not in the next attempt
    let kind = if is_gone { CdcErrorKind::Unreachable } else { error.kind() };
    CdcError::new(kind, format!("cannot read the definition of table {}: {error}", table.name)).because(error)
}
