//! The tables and changes that are captured, and the database's own client for the same work.

use super::super::database::Database;
use super::super::engine::{Kind, Settings};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A database with a table of rows, and one without.
pub(super) struct Workload {
    pub(super) kind: Kind,
    database: Database,
}

impl Workload {
    /// Creates the tables, and fills the first.
    pub(super) fn new(kind: Kind, database: Database, rows: u64) -> Result<Self> {
        database.recreate()?;
        database.run(&match kind {
            Kind::Postgres => format!(
                "CREATE SCHEMA zoo;
                CREATE TABLE zoo.acc (id int PRIMARY KEY, bid int, balance numeric(12,2), filler text, ts timestamptz DEFAULT now());
                CREATE TABLE zoo.hist (id bigserial PRIMARY KEY, aid int, delta int, mtime timestamptz DEFAULT now(), filler char(22));
                CREATE PUBLICATION zoo FOR TABLE zoo.acc, zoo.hist;
                INSERT INTO zoo.acc SELECT i, i % 10, i * 0.01, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, {rows}) i;
                VACUUM ANALYZE zoo.acc;"
            ),
            Kind::Mariadb | Kind::Mysql => format!(
                "CREATE TABLE acc (id int PRIMARY KEY, bid int, balance decimal(12,2), filler text, ts timestamp(6) DEFAULT now(6));
                CREATE TABLE hist (id bigint AUTO_INCREMENT PRIMARY KEY, aid int, delta int, mtime timestamp(6) DEFAULT now(6), filler char(22));
                CREATE TABLE digit (n int); INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
                SET sql_log_bin = 0;
                INSERT INTO acc (id, bid, balance, filler) SELECT i + 1, i % 10, i * 0.01, concat(md5(i), md5(i + 1)) FROM (
                    SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n + 100000*f.n + 1000000*g.n AS i
                    FROM digit a, digit b, digit c, digit d, digit e, digit f, digit g) numbers WHERE i < {rows};"
            ),
        })?;
        Ok(Self { kind, database })
    }

    /// Returns whether the database keeps positions of its readers.
    pub(super) fn has_slots(&self) -> bool {
        self.kind == Kind::Postgres
    }

    /// Prepares what keeps the log for the engine and the client in one run.
    pub(super) fn keep_log(&self, name: &str) -> Result<()> {
        if self.has_slots() {
            return self.database.run(&format!(
                "SELECT pg_create_logical_replication_slot('engine_{name}', 'pgoutput'),
                    pg_create_logical_replication_slot('client_{name}', 'pgoutput');"
            ));
        }
        Ok(())
    }

    /// Runs transactions of five updates and five inserts.
    pub(super) fn small_transactions(&self, count: u64) -> Result<()> {
        self.database.run(&match self.kind {
            Kind::Postgres => format!(
                "DO $$ DECLARE t int; BEGIN FOR t IN 1..{count} LOOP
                    UPDATE zoo.acc SET balance = balance + 1 WHERE id BETWEEN (t * 37) % 1999990 + 1 AND (t * 37) % 1999990 + 5;
                    INSERT INTO zoo.hist (aid, delta, filler) SELECT t, g, 'f' FROM generate_series(1, 5) g;
                    COMMIT; END LOOP; END $$;"
            ),
            Kind::Mariadb | Kind::Mysql => format!(
                "FLUSH BINARY LOGS;
                DROP PROCEDURE IF EXISTS load_changes;
                DELIMITER //
                CREATE PROCEDURE load_changes() BEGIN DECLARE t int DEFAULT 1; WHILE t <= {count} DO
                    START TRANSACTION;
                    UPDATE acc SET balance = balance + 1 WHERE id BETWEEN (t * 37) % 1999990 + 1 AND (t * 37) % 1999990 + 5;
                    INSERT INTO hist (aid, delta, filler) VALUES (t, 1, 'f'), (t, 2, 'f'), (t, 3, 'f'), (t, 4, 'f'), (t, 5, 'f');
                    COMMIT; SET t = t + 1; END WHILE; END//
                DELIMITER ;
                CALL load_changes();"
            ),
        })
    }

    /// Updates all rows in one transaction.
    pub(super) fn large_transaction(&self) -> Result<()> {
        self.database.run(match self.kind {
            Kind::Postgres => "UPDATE zoo.acc SET balance = balance + 1;",
            Kind::Mariadb | Kind::Mysql => "FLUSH BINARY LOGS; UPDATE acc SET balance = balance + 1;",
        })
    }

    /// Creates the table of rows with the time of their statement.
    pub(super) fn create_timed_table(&self) -> Result<()> {
        self.database.run(match self.kind {
            Kind::Postgres => "CREATE TABLE zoo.timed (id bigserial PRIMARY KEY, sent bigint);",
            Kind::Mariadb | Kind::Mysql => {
                "CREATE TABLE timed (id bigint AUTO_INCREMENT PRIMARY KEY, sent bigint);"
            }
        })
    }

    /// Inserts one row.
    pub(super) fn insert_timed_row(&self) -> Result<()> {
        self.database.run(&self.timed_row())
    }

    fn timed_row(&self) -> String {
        match self.kind {
            Kind::Postgres => {
                "INSERT INTO zoo.timed (sent) VALUES (extract(epoch FROM clock_timestamp()) * 1000000);"
                    .to_owned()
            }
            Kind::Mariadb | Kind::Mysql => {
                "INSERT INTO timed (sent) VALUES (unix_timestamp(sysdate(6)) * 1000000);".to_owned()
            }
        }
    }

    /// Starts to insert rows, one about every millisecond, each in a transaction.
    pub(super) fn timed_rows(&self, count: u64) -> Result<Child> {
        let row = self.timed_row();
        let script = match self.kind {
            Kind::Postgres => format!(
                "DO $$ BEGIN FOR i IN 1..{count} LOOP {row} COMMIT; PERFORM pg_sleep(0.0008); END LOOP; END $$;"
            ),
            Kind::Mariadb | Kind::Mysql => {
                self.database.run(&format!(
                    "DELIMITER //
                    CREATE PROCEDURE insert_timed() BEGIN DECLARE i int DEFAULT 1; WHILE i <= {count} DO
                        {row} DO SLEEP(0.0008); SET i = i + 1; END WHILE; END//"
                ))?;
                "CALL insert_timed();".to_owned()
            }
        };
        let mut client = self.database.client(Some("zoo"));
        client.args([if self.kind == Kind::Postgres { "-c" } else { "-e" }, &script]);
        Ok(client.stdout(Stdio::null()).spawn()?)
    }

    /// Returns the client that reads the rows as text and drops them.
    pub(super) fn client_snapshot(&self) -> Result<Command> {
        let mut client = self.database.client(Some("zoo"));
        client.stdout(Stdio::null());
        match self.kind {
            Kind::Postgres => client.args(["-c", "COPY zoo.acc TO STDOUT"]),
            Kind::Mariadb | Kind::Mysql => client.args(["--quick", "--batch", "-e", "SELECT * FROM acc"]),
        };
        Ok(client)
    }

    /// Returns the client that reads the log to its end; PostgreSQL's drops it, MariaDB's writes it to a
    /// file.
    pub(super) fn client_drain(&self, name: &str, folder: &Path) -> Result<Command> {
        match &self.database {
            Database::Postgres { programs, .. } => {
                let end = self.database.query("SELECT pg_current_wal_lsn()")?;
                let mut client = programs.command("pg_recvlogical");
                client.args([
                    "-d",
                    &self.database.url(),
                    "--slot",
                    &format!("client_{name}"),
                    "--start",
                    "--no-loop",
                ]);
                client.args(["-o", "proto_version=1", "-o", "publication_names=zoo", "-f", "/dev/null"]);
                client.args(["--endpos", &end]);
                Ok(client)
            }
            Database::Binlog { servers, client } => {
                let logs = self.database.query("SHOW BINARY LOGS")?;
                let last = logs.lines().last().and_then(|line| line.split('\t').next());
                let mut binlog = client.binlog()?;
                let socket = servers.servers[0].folder().join("socket");
                binlog.args(["--no-defaults", "--read-from-remote-server", "--raw", "--user=root"]);
                binlog.arg(format!("--socket={}", socket.display()));
                binlog.arg(format!("--result-file={}/client-", folder.display()));
                binlog.arg(last.context("the server has no binary log")?);
                Ok(binlog)
            }
        }
    }

    /// Returns Kulya's arguments for the source.
    pub(super) fn kulya_source(&self) -> [String; 2] {
        let flag = if self.kind == Kind::Postgres { "--postgres" } else { "--mysql" };
        [flag.to_owned(), self.database.url()]
    }

    /// Sets the engine's connection, and what is kept for the run.
    pub(super) fn configure(&self, settings: &mut Settings, name: &str) {
        self.database.configure(settings);
        if self.has_slots() {
            settings.set("slot.name", &format!("engine_{name}"));
            settings.set("slot.drop.on.stop", "true");
        }
    }
}
