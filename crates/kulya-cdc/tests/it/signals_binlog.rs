//! Signals and incremental snapshots of MariaDB and MySQL.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::{LOG, MARIADB, MYSQL, Server};
use crate::signal_cases::{self, SignalDatabase};
use async_trait::async_trait;
use kulya_cdc::CaptureSettings;
use kulya_cdc::mysql::connection::Connection;
use tokio::sync::Mutex;

struct BinlogDatabase {
    server: Server,
    name: &'static str,
    session: Mutex<Connection>,
}

#[async_trait]
impl SignalDatabase for BinlogDatabase {
    async fn transaction(&self, statements: &[String]) {
        script(&mut *self.session.lock().await, &format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
    }

    async fn execute(&self, sql: &str) {
        script(&mut *self.session.lock().await, sql).await;
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.session.lock().await.query(sql).await.unwrap().rows;
        let text = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_owned());
        rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }

    fn schema(&self) -> &str {
        self.name
    }

    fn settings(&self) -> CaptureSettings {
        settings(self.server, self.name)
    }
}

async fn with(server: Server, name: &'static str, case: impl AsyncFnOnce(&BinlogDatabase)) {
    let _log = LOG.read().await;
    let session = Mutex::new(create(server, name).await);
    case(&BinlogDatabase { server, name, session }).await;
}

macro_rules! cases {
    ($module:ident, $server:expr, $needs:literal) => {
        mod $module {
            use super::*;

            #[tokio::test]
            #[ignore = $needs]
            async fn rows_are_read_again_under_load() {
                let case = signal_cases::rows_are_read_again_under_load;
                with($server, "signals_load", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn progress_survives_a_kill() {
                let case = signal_cases::progress_survives_a_kill;
                with($server, "signals_kill", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn snapshots_are_steered() {
                let case = signal_cases::snapshots_are_steered;
                with($server, "signals_steered", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn wrong_signals_are_reported() {
                let case = signal_cases::wrong_signals_are_reported;
                with($server, "signals_wrong", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn signal_table_is_read() {
                let case = signal_cases::signal_table_is_read;
                with($server, "signals_table", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn table_changes_while_it_is_read() {
                let case = signal_cases::table_changes_while_it_is_read;
                with($server, "signals_altered", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn transformed_rows_make_the_tables() {
                let case = crate::transform_cases::transformed_rows_make_the_tables;
                with($server, "transformed_rows", async |database| case(database).await).await;
            }

            #[tokio::test]
            #[ignore = $needs]
            async fn nulls_are_told_from_defaults() {
                let case = crate::transform_cases::nulls_are_told_from_defaults;
                with($server, "routed_nulls", async |database| case(database).await).await;
            }
        }
    };
}

cases!(mariadb, MARIADB, "needs MariaDB: run cargo xtask test");
cases!(mysql, MYSQL, "needs MySQL: run cargo xtask test");
