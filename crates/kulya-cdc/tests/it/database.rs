//! A database for one test, and a sink in memory.

use async_trait::async_trait;
use futures::SinkExt;
use kulya_cdc::{Batch, Capture, CaptureSettings, CdcResult, Checkpoint, Sink};
use tokio_postgres::{Client, NoTls};

/// The URL of a server that `cargo xtask test` starts.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run cargo xtask test"))
}

pub(crate) struct Database {
    pub(crate) client: Client,
    pub(crate) name: String,
    server: String,
    admin: Client,
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Database {
    /// A new, empty database called `name`.
    pub(crate) async fn create(name: &str) -> Self {
        Self::create_at(server("KULYA_TEST_POSTGRES"), name).await
    }

    /// A new, empty database of the server whose database `postgres` has this URL.
    pub(crate) async fn create_at(server: String, name: &str) -> Self {
        let admin = connect(&server).await;
        let this = Self { client: connect(&server).await, name: name.to_owned(), server, admin };
        this.drop_everything().await;
        this.admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { client: connect(&this.url()).await, ..this }
    }

    /// Opens another session.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    pub(crate) fn url(&self) -> String {
        self.server
            .replace("/postgres", &format!("/{}", self.name))
            .replace(&format!("{}://", self.name), "postgres://")
    }

    pub(crate) fn settings(&self) -> CaptureSettings {
        CaptureSettings { url: self.url(), ..Default::default() }
    }

    /// Runs a script, one line after the other, each in a transaction of its own unless it says otherwise.
    /// The lines after COPY … FROM STDIN are its data, up to `\.`.
    pub(crate) async fn script(&self, text: &str) {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("--"));
        while let Some(line) = lines.next() {
            if line.starts_with("COPY") {
                let data: String = lines
                    .by_ref()
                    .take_while(|line| *line != "\\.")
                    .map(|line| format!("{line}\n"))
                    .collect();
                let sink = self.client.copy_in::<_, bytes::Bytes>(line.trim_end_matches(';')).await.unwrap();
                let mut sink = std::pin::pin!(sink);
                sink.send(data.into()).await.unwrap();
                sink.close().await.unwrap();
                continue;
            }
            self.client.batch_execute(line).await.unwrap_or_else(|e| panic!("{line}: {e:?}"));
        }
    }

    /// Drops the replication slot, if there is one.
    pub(crate) async fn drop_slot(&self) {
        self.drop_slots(&format!("kulya_{}", self.name)).await;
    }

    /// Drops the replication slots whose names match a pattern of LIKE.
    pub(crate) async fn drop_slots(&self, pattern: &str) {
        let drop_slot = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE '{pattern}'"
        );
        // the server notices the end of a walsender's client with a delay; terminating the backend is
        // immediate
        let terminate = format!(
            "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE slot_name LIKE '{pattern}' AND active_pid IS NOT NULL"
        );
        self.admin.batch_execute(&terminate).await.unwrap();
        self.admin.batch_execute(&drop_slot).await.unwrap();
    }

    pub(crate) async fn drop_everything(&self) {
        self.drop_slot().await;
        self.admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
            .await
            .unwrap();
    }
}

/// Runs until all committed changes are in the sink.
pub(crate) async fn catch_up(settings: &CaptureSettings, sink: &mut dyn Sink) -> CdcResult<()> {
    Capture::from(settings.clone()).until_caught_up().run(sink).await
}

/// A record that a sink has stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRecord {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: serde_json::Map<String, serde_json::Value>,
}

/// A sink that stores records in memory.
#[derive(Default)]
pub(crate) struct MemorySink {
    pub(crate) records: Vec<StoredRecord>,
    /// The topics and keys of events that were left out.
    pub(crate) omitted: Vec<String>,
    staged: Vec<StoredRecord>,
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl MemorySink {
    /// Returns a sink that has stored a position, and no records.
    pub(crate) fn at(checkpoint: Checkpoint) -> Self {
        Self { checkpoint: Some(checkpoint), ..Self::default() }
    }

    /// Returns the stored position.
    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.clone()
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.staged.clear();
        Ok(self.checkpoint.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        let text = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
        self.omitted.extend(batch.omitted().map(|omitted| {
            format!("{} {}", omitted.destination.topic, omitted.key.map(text).unwrap_or_default())
        }));
        self.staged.extend(batch.records().map(|record| StoredRecord {
            topic: record.destination.topic.clone(),
            key: record.key.map(text),
            value: record.value.map(text),
            headers: serde_json::from_slice(&[b"{", record.headers, b"}"].concat()).unwrap(),
        }));
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.stage(batch).await?;
        self.records.append(&mut self.staged);
        let earlier = self.checkpoint.take().and_then(|checkpoint| checkpoint.history);
        let history = checkpoint.history.clone().or(earlier);
        self.checkpoint = Some(Checkpoint { position: checkpoint.position.clone(), history });
        Ok(())
    }
}
