//! The load of tests with faults in a PostgreSQL database.

use crate::database::Database;
use crate::exactly_once::Workload;
use async_trait::async_trait;
use kulya_cdc::CaptureSettings;
use std::collections::BTreeMap;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

/// The tables of a load in a schema of their own, and their current rows.
pub(crate) struct PostgresWorkload {
    schema: String,
    /// What each transaction does beside its statements, so that PostgreSQL sends it before its commit.
    ballast: &'static str,
    session: Mutex<(String, Option<Client>)>,
}

impl PostgresWorkload {
    /// Creates the tables in a new database.
    pub(crate) async fn create(name: &str) -> (Self, CaptureSettings) {
        let database = Database::create(name).await;
        Self::create_in(&database.url(), "public", name).await
    }

    /// Creates the tables in a schema of a database, which is created if it does not exist, and returns the
    /// settings of their capture under a name.
    pub(crate) async fn create_in(url: &str, schema: &str, name: &str) -> (Self, CaptureSettings) {
        let this =
            Self { schema: schema.to_owned(), ballast: "", session: Mutex::new((url.to_owned(), None)) };
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; \
                   CREATE TABLE {schema}.acc (id int PRIMARY KEY, v int NOT NULL); \
                   CREATE TABLE {schema}.hist (id int PRIMARY KEY, v int NOT NULL); \
                   INSERT INTO {schema}.acc SELECT i, i FROM generate_series(1, 20) AS i"
        );
        this.run(&sql).await.unwrap();
        let settings = CaptureSettings {
            url: url.to_owned(),
            name: name.to_owned(),
            tables: vec![format!("{schema}.acc"), format!("{schema}.hist")],
            ..CaptureSettings::default()
        };
        (this, settings)
    }

    /// Makes all transactions large, by rows of a table of its own and by changes that are rolled back.
    pub(crate) async fn with_large_transactions(self) -> Self {
        self.run("CREATE TABLE ballast (v text)").await.unwrap();
        let ballast = "INSERT INTO ballast SELECT repeat('x', 300) FROM generate_series(1, 250); \
                       SAVEPOINT s; UPDATE acc SET v = v + 1000; \
                       INSERT INTO ballast SELECT repeat('x', 300) FROM generate_series(1, 250); ROLLBACK TO s; ";
        Self { ballast, ..self }
    }

    /// Opens a session for an administrator's statements.
    pub(crate) fn connect(url: &str) -> Self {
        Self { schema: "public".to_owned(), ballast: "", session: Mutex::new((url.to_owned(), None)) }
    }

    /// Goes on with another server.
    pub(crate) async fn move_to_server(&self, url: &str) {
        *self.session.lock().await = (url.to_owned(), None);
    }

    /// Runs statements in a session that is opened again when it is lost.
    pub(crate) async fn run(&self, sql: &str) -> Result<Vec<tokio_postgres::SimpleQueryMessage>, String> {
        let mut session = self.session.lock().await;
        let client = match session.1.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => {
                let connected = tokio_postgres::connect(&session.0, NoTls).await;
                let (client, connection) = connected.map_err(|e| e.to_string())?;
                tokio::spawn(connection);
                let search_path = format!("SET search_path = {}", self.schema);
                client.batch_execute(&search_path).await.map_err(|e| format!("{e:?}"))?;
                client
            }
        };
        let result = client.simple_query(sql).await.map_err(|e| format!("{sql}: {e:?}"));
        session.1 = result.is_ok().then_some(client);
        result
    }

    /// Returns the value of a query with one row and one column; empty without a row.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let messages = self.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.unwrap_or_default().to_owned()
    }

    /// Waits until a query returns `t`.
    pub(crate) async fn wait_until(&self, sql: &str) {
        while self.value(sql).await != "t" {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Workload for PostgresWorkload {
    async fn transaction(&self, statements: &[String]) -> Result<(), String> {
        let separator = format!("; {}", self.ballast);
        let sql = format!("BEGIN; {}; {}COMMIT", statements.join(&separator), self.ballast);
        self.run(&sql).await.map(drop)
    }

    async fn rows(&self, table: &str) -> BTreeMap<i64, i64> {
        let messages = self.run(&format!("SELECT id, v FROM {table}")).await.unwrap();
        let number = |value: Option<&str>| value.unwrap().parse().unwrap();
        let row = |message: &tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some((number(row.get(0)), number(row.get(1)))),
            _ => None,
        };
        messages.iter().filter_map(row).collect()
    }

    async fn drop_tables(&self) {
        self.run(&format!("DROP TABLE {0}.acc, {0}.hist", self.schema)).await.unwrap();
    }
}
