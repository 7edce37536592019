//! Connections that are lost, and positions that the server asks for.

use crate::database::{Database, MemorySink};
use kulya_cdc::{CancellationToken, Capture, Progress};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A capture that runs until it is cancelled, and its progress.
struct Running {
    cancel: CancellationToken,
    progress: UnboundedReceiver<Progress>,
    task: tokio::task::JoinHandle<MemorySink>,
}

impl Running {
    fn start(database: &Database, url: String) -> Self {
        let cancel = CancellationToken::new();
        let (sender, progress) = unbounded_channel();
        let settings = kulya_cdc::CaptureSettings { url, ..database.settings() };
        let capture = Capture::from(settings)
            .cancelled_by(cancel.clone())
            .on_progress(move |progress| drop(sender.send(progress)));
        let task = tokio::spawn(async move {
            let mut sink = MemorySink::default();
            capture.run(&mut sink).await.unwrap();
            sink
        });
        Self { cancel, progress, task }
    }

    /// Waits until the log is streamed.
    async fn streaming(&mut self) {
        while !matches!(self.progress.recv().await.unwrap(), Progress::Streaming { .. }) {}
    }

    /// Waits until records are stored.
    async fn stored(&mut self) {
        while !matches!(self.progress.recv().await.unwrap(), Progress::Stored { records: 1.., .. }) {}
    }

    async fn stop(self) -> MemorySink {
        self.cancel.cancel();
        self.task.await.unwrap()
    }
}

async fn prepared(name: &str) -> Arc<Database> {
    let database = Database::create(name).await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)").await;
    Arc::new(database)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn terminated_connections_are_opened_again() {
    let database = prepared("cdc_terminated").await;
    let mut running = Running::start(&database, database.url());
    for number in 1..=12 {
        running.streaming().await;
        database.script(&format!("INSERT INTO t VALUES ({number})")).await;
        running.stored().await;
        database.script("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'kulya_cdc_terminated' AND active_pid IS NOT NULL").await;
    }
    running.streaming().await;
    let sink = running.stop().await;
    assert_eq!(sink.records.len(), 12);
    database.drop_everything().await;
}

/// Otherwise a server that shuts down waits for the confirmation without end.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn positions_without_changes_are_confirmed_when_the_server_asks() {
    let database = prepared("cdc_confirmed").await;
    // the server asks after half of this time
    let url = format!("{}?options=-c%20wal_sender_timeout%3D1s", database.url());
    let mut running = Running::start(&database, url);
    running.streaming().await;
    // log of this and other databases without a captured change
    database.script("ANALYZE t").await;
    let written: String =
        database.client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    let confirmed = format!(
        "SELECT confirmed_flush_lsn >= '{written}'::pg_lsn FROM pg_replication_slots WHERE slot_name = 'kulya_cdc_confirmed'"
    );
    while !database.client.query_one(confirmed.as_str(), &[]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    database.drop_everything().await;
}
