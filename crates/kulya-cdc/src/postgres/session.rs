//! An SQL session with the database: prerequisites, replication slots, and the classification of errors.

use super::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use kulya_store::supervision;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// Session settings of both connections, so that values have the same text form whatever the server's
/// defaults are.
pub(crate) const SESSION_OPTIONS: &str = "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC \
     -c bytea_output=hex -c extra_float_digits=3 -c lc_monetary=C -c statement_timeout=0";

pub(crate) struct Session {
    pub(crate) client: Client,
    server: String,
}

/// The properties of the server and the session's user.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// The cluster's system identifier.
    pub(crate) system: String,
    pub(crate) is_superuser: bool,
}

/// A replication slot.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) plugin: String,
    pub(crate) database: String,
    /// The process id of the connection that uses the slot.
    pub(crate) active_process: Option<String>,
    pub(crate) confirmed_lsn: u64,
    /// Whether the server has removed log segments that the slot needs.
    pub(crate) is_lost: bool,
}

/// Quotes a text as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes a name as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Parses a log position in PostgreSQL's text form.
pub(crate) fn parse_lsn(text: &str) -> CdcResult<u64> {
    let parsed = text.split_once('/').and_then(|(high, low)| {
        Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
    });
    parsed.ok_or_else(|| CdcError::source(format!("{text:?} is not a log position")))
}

impl Session {
    pub(crate) async fn open(target: &Target) -> CdcResult<Self> {
        let mut config = Config::new();
        config.host(&target.host).port(target.port).user(&target.user).dbname(&target.database);
        config.password(&target.password).options(SESSION_OPTIONS).application_name("kulya");
        config.connect_timeout(std::time::Duration::from_secs(10));
        let (client, connection) = config.connect(NoTls).await.map_err(|e| connect_error(target, e))?;
        // ends with the client; its errors appear in the next query
        supervision::spawn_logged("PostgreSQL connection", connection);
        Ok(Self { client, server: target.server() })
    }

    /// Classifies an error of a query.
    fn query_error(&self, error: tokio_postgres::Error) -> CdcError {
        let kind = if error.is_closed() { CdcErrorKind::Unreachable } else { CdcErrorKind::Source };
        let what = match error.as_db_error() {
            Some(db) => format!("PostgreSQL at {} failed: {}", self.server, db.message()),
            None => format!("connection to PostgreSQL at {} closed", self.server),
        };
        CdcError::new(kind, what).because(error)
    }

    pub(crate) async fn rows(&self, sql: &str) -> CdcResult<Vec<SimpleQueryRow>> {
        let messages = self.client.simple_query(sql).await.map_err(|e| self.query_error(e))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None })
            .collect())
    }

    pub(crate) async fn row(&self, sql: &str) -> CdcResult<Option<SimpleQueryRow>> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Returns the value of a query with one row and one column.
    pub(crate) async fn value(&self, sql: &str) -> CdcResult<String> {
        let row = self.row(sql).await?;
        let value = row.as_ref().and_then(|row| row.get(0)).map(str::to_owned);
        value.ok_or_else(|| CdcError::source(format!("PostgreSQL returned no row for {sql}")))
    }

    /// Checks that the server has logical replication and that the user may use it.
    pub(crate) async fn check(&self) -> CdcResult<Server> {
        let level = self.value("SHOW wal_level").await?;
        if level != "logical" {
            return Err(CdcError::configuration(format!(
                "PostgreSQL at {} has wal_level = {level}: set wal_level = logical in postgresql.conf and restart it",
                self.server
            )));
        }
        let role = self
            .row("SELECT rolsuper, rolreplication, rolname FROM pg_roles WHERE rolname = current_user")
            .await?;
        let flag = |column| role.as_ref().and_then(|row| row.get(column)) == Some("t");
        if !flag(0) && !flag(1) {
            let name = role.as_ref().and_then(|row| row.get(2)).unwrap_or_default();
            return Err(CdcError::configuration(format!(
                "user {name} lacks the REPLICATION privilege: run ALTER ROLE {} REPLICATION",
                identifier(name)
            )));
        }
        let system = self.value("SELECT system_identifier FROM pg_control_system()").await?;
        Ok(Server { system, is_superuser: flag(0) })
    }

    pub(crate) async fn slot(&self, name: &str) -> CdcResult<Option<Slot>> {
        let sql = format!(
            "SELECT plugin, database, active_pid, coalesce(confirmed_flush_lsn, '0/0'), coalesce(wal_status = 'lost', false) \
             FROM pg_replication_slots WHERE slot_name = {}",
            literal(name)
        );
        let Some(row) = self.row(&sql).await? else { return Ok(None) };
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        Ok(Some(Slot {
            plugin: text(0),
            database: text(1),
            active_process: row.get(2).map(str::to_owned),
            confirmed_lsn: parse_lsn(&text(3))?,
            is_lost: text(4) == "t",
        }))
    }

    /// Creates a replication slot; returns the log position from which it retains the log.
    pub(crate) async fn create_slot(&self, name: &str) -> CdcResult<u64> {
        let sql =
            format!("SELECT lsn FROM pg_create_logical_replication_slot({}, 'pgoutput')", literal(name));
        parse_lsn(&self.value(&sql).await?)
    }

    pub(crate) async fn has_publication(&self, name: &str) -> CdcResult<bool> {
        let sql = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(name));
        Ok(self.row(&sql).await?.is_some())
    }

    pub(crate) async fn execute(&self, sql: &str) -> CdcResult<()> {
        self.rows(sql).await.map(drop)
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

/// Classifies an error of opening a connection.
fn connect_error(target: &Target, error: tokio_postgres::Error) -> CdcError {
    let server = target.server();
    let code = error.code().cloned();
    let (kind, what) = match code {
        Some(SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => (
            CdcErrorKind::Configuration,
            format!(
                "authentication failed at PostgreSQL at {server} for user {}: check name and password in the URL",
                target.user
            ),
        ),
        Some(SqlState::INVALID_CATALOG_NAME) => (
            CdcErrorKind::Configuration,
            format!("PostgreSQL at {server} has no database {:?}: check the URL", target.database),
        ),
        Some(_) => (CdcErrorKind::Unreachable, format!("PostgreSQL at {server} rejected the connection")),
        None => (
            CdcErrorKind::Unreachable,
            format!("cannot connect to PostgreSQL at {server}: is it running, and is the URL right?"),
        ),
    };
    CdcError::new(kind, what).because(error)
}
