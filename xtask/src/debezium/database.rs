//! The database of a zoo, on a temporary server, and the scripts that run in it.

use super::engine::{Kind, Settings};
use crate::server::{Server, TestServers};
use crate::{mysql, postgres};
use anyhow::{Context, Result, ensure};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Account of the engine. MySQL's default authentication needs TLS or a key, which this one does without.
const ACCOUNT: &str = "debezium";

/// A running server, and its client program.
pub(super) enum Database {
    Postgres { server: Server, programs: postgres::Programs },
    Binlog { servers: TestServers, client: mysql::Mariadb },
}

impl Database {
    /// Finds or fetches the programs, and starts a server.
    pub(super) fn start(kind: Kind) -> Result<Self> {
        let (servers, client, identified) = match kind {
            Kind::Postgres => {
                let programs = postgres::find_or_install()?;
                return Ok(Self::Postgres { server: postgres::launch(&programs, "logical")?, programs });
            }
            Kind::Mariadb => {
                let client = mysql::find_or_fetch_mariadb()?;
                (mysql::start_mariadb(&client)?, client, "IDENTIFIED BY")
            }
            Kind::Mysql => {
                let servers = mysql::start_mysql(&mysql::find_or_fetch_mysql()?)?;
                (servers, mysql::find_or_fetch_mariadb()?, "IDENTIFIED WITH mysql_native_password BY")
            }
        };
        let database = Self::Binlog { servers, client };
        database.run_in(
            None,
            &format!(
                "CREATE USER {ACCOUNT}@'%' {identified} '{ACCOUNT}'; GRANT ALL PRIVILEGES ON *.* TO {ACCOUNT}@'%';"
            ),
        )?;
        Ok(database)
    }

    /// Creates the database `zoo` again.
    pub(super) fn recreate(&self) -> Result<()> {
        match self {
            Self::Postgres { .. } => self.run_in(
                None,
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL;\n\
                 SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;\n\
                 DROP DATABASE IF EXISTS zoo WITH (FORCE);\nCREATE DATABASE zoo;\n",
            ),
            Self::Binlog { .. } => self.run_in(
                None,
                "DROP DATABASE IF EXISTS zoo;\nCREATE DATABASE zoo CHARACTER SET utf8mb4;\n",
            ),
        }
    }

    /// Runs a script in the database `zoo`, in a session of its own.
    pub(super) fn run(&self, script: &str) -> Result<()> {
        self.run_in(Some("zoo"), script)
    }

    /// Sets where the engine finds the database `zoo`, and what it captures.
    pub(super) fn configure(&self, settings: &mut Settings) {
        let (port, account) = match self {
            Self::Postgres { server, .. } => (server.port(), "kulya"),
            Self::Binlog { servers, .. } => (servers.servers[0].port(), ACCOUNT),
        };
        settings.set("database.hostname", "127.0.0.1");
        settings.set("database.port", &port.to_string());
        settings.set("database.user", account);
        settings.set("database.password", account);
        match self {
            Self::Postgres { .. } => {
                settings.set("database.dbname", "zoo");
                settings.set("slot.name", "zoo");
                settings.set("publication.name", "zoo");
                settings.set("publication.autocreate.mode", "all_tables");
                settings.set("schema.include.list", "zoo");
            }
            Self::Binlog { .. } => settings.set("database.include.list", "zoo"),
        }
    }

    /// Returns the URL of the database `zoo` for an administrator.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Postgres { server, .. } => postgres::url(server, "zoo"),
            Self::Binlog { servers, .. } => {
                let port = servers.servers[0].port();
                format!("mysql://{ACCOUNT}:{ACCOUNT}@127.0.0.1:{port}/zoo?ssl-mode=disabled")
            }
        }
    }

    /// Returns the result of a statement in the database `zoo`: a line for each row, tabs between columns.
    pub(super) fn query(&self, statement: &str) -> Result<String> {
        let mut client = self.client(Some("zoo"));
        client.args(match self {
            Self::Postgres { .. } => ["--tuples-only", "--no-align", "-F", "\t", "-c"].as_slice(),
            Self::Binlog { .. } => ["--batch", "--skip-column-names", "-e"].as_slice(),
        });
        let output = client.arg(statement).output()?;
        ensure!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Returns the database's client for statements, which has the rights of an administrator.
    pub(super) fn client(&self, database: Option<&str>) -> Command {
        match self {
            Self::Postgres { server, programs } => {
                let mut psql = programs.psql(&postgres::url(server, database.unwrap_or("postgres")));
                psql.envs([("PGTZ", "UTC"), ("PGCLIENTENCODING", "UTF8")]);
                psql
            }
            Self::Binlog { servers, client } => {
                let mut mariadb = client.command("bin/mariadb");
                let socket = servers.servers[0].folder().join("socket");
                mariadb.args(["--no-defaults", "--comments", "--user=root"]);
                mariadb.arg("--default-character-set=utf8mb4");
                mariadb.arg(format!("--socket={}", socket.display()));
                mariadb.arg(format!("--plugin-dir={}", client.client_plugins().display())).args(database);
                mariadb
            }
        }
    }

    fn run_in(&self, database: Option<&str>, script: &str) -> Result<()> {
        let mut client = self.client(database);
        if matches!(self, Self::Postgres { .. }) {
            client.args(["-f", "-"]);
        }
        run(&mut client, script)
    }
}

/// Runs a client program with a script as its input.
fn run(client: &mut Command, script: &str) -> Result<()> {
    let program = client.get_program().to_string_lossy().into_owned();
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = client.spawn().with_context(|| format!("cannot run {program}"))?;
    let mut input = process.stdin.take().context("a client has no input")?;
    // it reads nothing more after an error, which its exit status tells
    let _ = input.write_all(script.as_bytes());
    drop(input);
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
