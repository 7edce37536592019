//! Signals and incremental snapshots of PostgreSQL.

use crate::database::Database;
use crate::signal_cases::{self, SignalDatabase};
use async_trait::async_trait;
use kulya_cdc::CaptureSettings;
use tokio_postgres::SimpleQueryMessage;

#[async_trait]
impl SignalDatabase for Database {
    async fn transaction(&self, statements: &[String]) {
        let sql = format!("BEGIN; {}; COMMIT", statements.join("; "));
        self.client.batch_execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|n| row.get(n).unwrap_or("null")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    fn schema(&self) -> &str {
        "public"
    }

    fn settings(&self) -> CaptureSettings {
        Database::settings(self)
    }
}

async fn with(name: &str, case: impl AsyncFnOnce(&Database)) {
    let database = Database::create(name).await;
    case(&database).await;
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn rows_are_read_again_under_load() {
    with("signals_load", async |database| signal_cases::rows_are_read_again_under_load(database).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn progress_survives_a_kill() {
    with("signals_kill", async |database| signal_cases::progress_survives_a_kill(database).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn snapshots_are_steered() {
    with("signals_steered", async |database| signal_cases::snapshots_are_steered(database).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn wrong_signals_are_reported() {
    with("signals_wrong", async |database| signal_cases::wrong_signals_are_reported(database).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn signal_table_is_read() {
    with("signals_table", async |database| signal_cases::signal_table_is_read(database).await).await;
}

/// The table's columns change, and the table is dropped, while its rows are read.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn table_changes_while_it_is_read() {
    with("signals_altered", async |database| signal_cases::table_changes_while_it_is_read(database).await)
        .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transformed_rows_make_the_tables() {
    let case = crate::transform_cases::transformed_rows_make_the_tables;
    with("transformed_rows", async |database| case(database).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn nulls_are_told_from_defaults() {
    let case = crate::transform_cases::nulls_are_told_from_defaults;
    with("routed_nulls", async |database| case(database).await).await;
}
