//! Captures of MariaDB and MySQL under load that fail at random moments.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::Server;
use crate::faults::{self, Workload};
use async_trait::async_trait;
use kulya_cdc::mysql::connection::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The tables of a load, and their current rows.
struct BinlogWorkload(Mutex<Connection>);

#[async_trait]
impl Workload for BinlogWorkload {
    async fn transaction(&self, statements: &[String]) {
        let mut session = self.0.lock().await;
        script(&mut session, &format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
    }

    async fn rows(&self, table: &str) -> BTreeMap<i64, i64> {
        let rows = self.0.lock().await.query(&format!("SELECT id, v FROM {table}")).await.unwrap().rows;
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
    }
}

pub(crate) async fn captures_survive_faults(server: Server) {
    faults::captures_survive_faults(async |_| {
        let mut session = create(server, "faults").await;
        let values: Vec<String> = (1..=20).map(|id| format!("({id}, {id})")).collect();
        let sql = format!(
            "CREATE TABLE acc (id int PRIMARY KEY, v int NOT NULL); CREATE TABLE hist (id int PRIMARY KEY, v int NOT NULL); INSERT INTO acc VALUES {}",
            values.join(", ")
        );
        script(&mut session, &sql).await;
        (Arc::new(BinlogWorkload(Mutex::new(session))), settings(server, "faults"))
    })
    .await;
}
