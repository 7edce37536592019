//! An SQL session with the database: prerequisites, replication slots, and the classification of errors.

use super::server_error::ServerError;
use super::transport::{self, Transport};
use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use kulya_store::supervision;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// Session settings of both connections, so that values have the same text form whatever the server's
/// defaults are, nothing ends them but the server's end, row-level security is an error and no filter, and
/// warnings arrive. The currency is set apart.
pub(crate) const SESSION_OPTIONS: &str = "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC \
     -c bytea_output=hex -c extra_float_digits=3 -c statement_timeout=0 -c lock_timeout=0 \
     -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c row_security=off \
     -c standard_conforming_strings=on -c client_min_messages=warning";

/// Switches the limit of transactions off, which servers before PostgreSQL 17 do not have, and would refuse
/// among the settings above.
pub(super) const NO_TRANSACTION_TIMEOUT: &str =
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'";

pub(crate) struct Session {
    client: Client,
    target: Target,
    server: String,
    /// The process id of the server's backend.
    process: String,
    /// The number of digits after the point of the database's currency.
    money_digits: u32,
}

/// The properties of the server and the session's user.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// The cluster's system identifier.
    pub(crate) system: String,
    pub(crate) is_superuser: bool,
    /// The version as a number: 150004 for 15.4.
    pub(crate) version: u32,
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

/// Writes a log position in PostgreSQL's text form.
pub(crate) fn lsn_text(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

impl Session {
    pub(crate) async fn open(target: &Target) -> CdcResult<Self> {
        let stream = transport::open(target).await?;
        let mut config = Config::new();
        config.user(&target.user).dbname(&target.database).password(&target.password);
        config.options(format!("{} {SESSION_OPTIONS}", target.options));
        config.application_name(&target.application_name);
        // the stream has TLS already, where the settings and the server do
        config.ssl_mode(SslMode::Disable);
        let connect = tokio::time::timeout(target.connect_timeout, config.connect_raw(stream, NoTls));
        let connected: Result<(Client, Connection<Transport, NoTlsStream>), _> = match connect.await {
            Ok(connected) => connected,
            Err(_) => {
                let what = format!("PostgreSQL at {} does not respond", target.server());
                return Err(CdcError::new(CdcErrorKind::Unreachable, what));
            }
        };
        let (client, connection) = connected.map_err(|e| connect_error(target, e))?;
        // ends with the client; its errors appear in the next query
        supervision::spawn_logged("PostgreSQL connection", connection);
        let (target, server) = (target.clone(), target.server());
        let mut session = Self { client, target, server, process: String::new(), money_digits: 2 };
        session.process = session.value("SELECT pg_backend_pid()").await?;
        // of the database's currency; then amounts are shown as in the log
        session.money_digits = session.value("SELECT scale('1'::money::numeric)").await?.parse().unwrap_or(2);
        session.execute("SET lc_monetary = 'C'").await?;
        session.rows(NO_TRANSACTION_TIMEOUT).await?;
        // a session whose process was killed while it waits for locks ends soon, and not with the wait; not
        // all servers can notice that
        let _ = session.execute("SET client_connection_check_interval = '10s'").await;
        Ok(session)
    }

    /// Classifies an error of a query.
    pub(crate) fn query_error(&self, error: tokio_postgres::Error) -> CdcError {
        match ServerError::of_driver(&error) {
            Some(found) => found.on_statement(&self.server),
            None => {
                let what = format!("connection to PostgreSQL at {} closed", self.server);
                CdcError::new(CdcErrorKind::Unreachable, what).because(error)
            }
        }
    }

    /// Runs a statement that reads the catalog or a setting, and returns its rows.
    ///
    /// # Errors
    /// What the server reports; `Unreachable` when it does not respond for as long as a connection may be
    /// silent.
    pub(crate) async fn rows(&self, sql: &str) -> CdcResult<Vec<SimpleQueryRow>> {
        let lost_after = self.target.liveness.lost_after;
        tokio::time::timeout(lost_after, self.query(sql)).await.unwrap_or_else(|_| {
            let (server, seconds) = (&self.server, lost_after.as_secs());
            let what = format!("PostgreSQL at {server} has not responded for {seconds} s");
            Err(CdcError::new(CdcErrorKind::Unreachable, what))
        })
    }

    /// Runs a statement that may take any time; `wait` waits for it. Returns its rows.
    ///
    /// # Errors
    /// What the server reports.
    pub(crate) async fn query(&self, sql: &str) -> CdcResult<Vec<SimpleQueryRow>> {
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
        if self.value("SHOW max_wal_senders").await? == "0" {
            return Err(CdcError::configuration(format!(
                "PostgreSQL at {} has max_wal_senders = 0: set max_wal_senders = 10 in postgresql.conf and restart it",
                self.server
            )));
        }
        if self.value("SELECT pg_is_in_recovery()").await? == "t" {
            // it may be promoted soon: a capture that has run waits for that
            let what = format!("PostgreSQL at {} is a standby: capture from the primary server", self.server);
            return Err(CdcError::new(CdcErrorKind::Unreachable, what));
        }
        let role = self
            .row(
                "SELECT r.rolsuper, r.rolreplication, r.rolname, EXISTS (SELECT FROM pg_roles g \
                 WHERE g.rolname = 'rds_replication' AND pg_has_role(r.oid, g.oid, 'member')) \
                 FROM pg_roles r WHERE r.rolname = current_user",
            )
            .await?;
        let flag = |column| role.as_ref().and_then(|row| row.get(column)) == Some("t");
        let (is_superuser, may_replicate) = (flag(0), flag(1) || flag(3));
        if !is_superuser && !may_replicate {
            let name = role.as_ref().and_then(|row| row.get(2)).unwrap_or_default();
            let name_quoted = identifier(name);
            return Err(CdcError::configuration(format!(
                "user {name} lacks the REPLICATION privilege: run ALTER ROLE {name_quoted} REPLICATION, on Amazon RDS GRANT rds_replication TO {name_quoted}"
            )));
        }
        let system = self.value("SELECT system_identifier FROM pg_control_system()").await?;
        let version = self.value("SHOW server_version_num").await?.parse().unwrap_or(0);
        Ok(Server { system, is_superuser, version })
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

    /// Removes a replication slot.
    pub(crate) async fn drop_slot(&self, name: &str) -> CdcResult<()> {
        self.execute(&format!("SELECT pg_drop_replication_slot({})", literal(name))).await
    }

    pub(crate) async fn has_publication(&self, name: &str) -> CdcResult<bool> {
        let sql = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(name));
        Ok(self.row(&sql).await?.is_some())
    }

    pub(crate) async fn execute(&self, sql: &str) -> CdcResult<()> {
        self.rows(sql).await.map(drop)
    }

    pub(crate) fn money_digits(&self) -> u32 {
        self.money_digits
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

/// Classifies an error of opening a connection.
fn connect_error(target: &Target, error: tokio_postgres::Error) -> CdcError {
    match ServerError::of_driver(&error) {
        Some(found) => found.on_connect(target),
        None => {
            let what =
                format!("the connection to PostgreSQL at {} is lost during its start", target.server());
            CdcError::new(CdcErrorKind::Unreachable, what).because(error)
        }
    }
}
