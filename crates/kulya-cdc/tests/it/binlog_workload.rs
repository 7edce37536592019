//! The load of tests with faults in a database of MariaDB or MySQL.

use crate::exactly_once::Workload;
use async_trait::async_trait;
use kulya_cdc::CaptureSettings;
use kulya_cdc::mysql::connection::{Connection, ConnectionSettings, Rows};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// The error of a transaction that was rolled back because of a deadlock.
const DEADLOCK: &str = "code: 1213";
/// The number of attempts of a transaction.
const MAX_DEADLOCKS: usize = 100;

/// The tables of a load, and their current rows.
pub(crate) struct BinlogWorkload {
    database: String,
    session: Mutex<(String, Option<Connection>)>,
}

impl BinlogWorkload {
    /// Creates a database with the tables, and returns the settings of its capture under the same name.
    pub(crate) async fn create(url: &str, name: &str) -> (Self, CaptureSettings) {
        let this = Self { database: name.to_owned(), session: Mutex::new((url.to_owned(), None)) };
        let values: Vec<String> = (1..=20).map(|id| format!("({id}, {id})")).collect();
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
            format!("CREATE TABLE {name}.acc (id int PRIMARY KEY, v int NOT NULL)"),
            format!("CREATE TABLE {name}.hist (id int PRIMARY KEY, v int NOT NULL)"),
            format!("INSERT INTO {name}.acc VALUES {}", values.join(", ")),
        ] {
            this.run(&sql).await.unwrap();
        }
        let settings = CaptureSettings {
            url: url.to_owned(),
            name: name.to_owned(),
            tables: vec![format!("{name}.*")],
            ..CaptureSettings::default()
        };
        (this, settings)
    }

    /// Opens a session for an administrator's statements.
    pub(crate) fn connect(url: &str) -> Self {
        Self { database: String::new(), session: Mutex::new((url.to_owned(), None)) }
    }

    /// Goes on with another server.
    pub(crate) async fn move_to_server(&self, url: &str) {
        *self.session.lock().await = (url.to_owned(), None);
    }

    /// Runs a statement in a session that is opened again when it is lost.
    pub(crate) async fn run(&self, sql: &str) -> Result<Rows, String> {
        self.run_all(&[sql.to_owned()]).await
    }

    async fn run_all(&self, statements: &[String]) -> Result<Rows, String> {
        let mut session = self.session.lock().await;
        let mut connection = match session.1.take() {
            Some(connection) => connection,
            None => {
                let settings = ConnectionSettings::parse(&session.0).unwrap();
                Connection::open(&settings).await.map_err(|e| e.to_string())?
            }
        };
        let mut rows = Rows::default();
        for sql in statements {
            rows = connection.query(sql).await.map_err(|e| format!("{sql}: {e:?}"))?;
        }
        session.1 = Some(connection);
        Ok(rows)
    }
}

#[async_trait]
impl Workload for BinlogWorkload {
    async fn transaction(&self, statements: &[String]) -> Result<(), String> {
        let all = [format!("USE {}", self.database), "BEGIN".to_owned()].into_iter();
        let all: Vec<String> = all.chain(statements.iter().cloned()).chain(["COMMIT".to_owned()]).collect();
        // as an application does: the lock of a snapshot may end a transaction that has changed one table and
        // changes another
        for _ in 0..MAX_DEADLOCKS {
            match self.run_all(&all).await {
                Err(error) if error.contains(DEADLOCK) => {}
                result => return result.map(drop),
            }
        }
        Err(format!("{MAX_DEADLOCKS} deadlocks, one after the other"))
    }

    async fn rows(&self, table: &str) -> BTreeMap<i64, i64> {
        let rows = self.run(&format!("SELECT id, v FROM {}.{table}", self.database)).await.unwrap().rows;
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
    }

    async fn drop_tables(&self) {
        self.run(&format!("DROP DATABASE {}", self.database)).await.unwrap();
    }
}
