//! Tables that come to be captured while a capture of PostgreSQL runs: made again under their name, put into
//! the publication, or created in a database that had none.

use crate::database::{Database, catch_up};
use crate::running::STUCK;
use crate::signal_cases::SharedSink;
use kulya_cdc::{CancellationToken, Capture, CaptureSettings, Progress, SnapshotMode};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A capture that runs, and what it has stored.
struct Running {
    sink: SharedSink,
    cancel: CancellationToken,
    progress: UnboundedReceiver<Progress>,
    task: tokio::task::JoinHandle<kulya_cdc::CdcResult<()>>,
}

impl Running {
    /// Starts a capture, and waits until it streams.
    async fn start(settings: CaptureSettings, sink: SharedSink) -> Self {
        let (cancel, mut own) = (CancellationToken::new(), sink.clone());
        let (sender, progress) = unbounded_channel();
        let capture = Capture::from(settings)
            .cancelled_by(cancel.clone())
            .on_progress(move |progress| drop(sender.send(progress)));
        let task = tokio::spawn(async move { capture.run(&mut own).await });
        let mut this = Self { sink, cancel, progress, task };
        this.wait("streaming", |progress| matches!(progress, Progress::Streaming { .. })).await;
        this
    }

    async fn wait(&mut self, what: &str, is_expected: impl Fn(&Progress) -> bool) {
        let wait = async {
            while !is_expected(&self.progress.recv().await.unwrap_or_else(|| panic!("ended before {what}"))) {
            }
        };
        tokio::time::timeout(STUCK, wait).await.unwrap_or_else(|_| panic!("{what} does not come"));
    }

    /// Waits for the operations and ids of the events of table `t`, those of a snapshot in order.
    async fn has(&self, expected: &[Value]) {
        let wait = async {
            while rows(&self.sink).await != expected {
                assert!(!self.task.is_finished(), "the capture has ended");
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(STUCK, wait).await.is_err() {
            panic!("{:?} instead of {expected:?}", rows(&self.sink).await);
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn rows(sink: &SharedSink) -> Vec<Value> {
    let values = sink.records("t").await.into_iter().filter_map(|record| record.value);
    let events = values.map(|value| serde_json::from_str::<Value>(&value).unwrap());
    events.map(|event| json!([event["op"], event["after"]["id"]])).collect()
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1)";
const MADE_AGAIN: &str = "DROP TABLE t\nCREATE TABLE t (id int PRIMARY KEY, w int)\n\
                          INSERT INTO t VALUES (3)\nALTER PUBLICATION listed ADD TABLE t";

fn listed(database: &Database) -> CaptureSettings {
    CaptureSettings { publication: "listed".into(), ..database.settings() }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_table_made_again_is_found_when_its_rows_change() {
    let database = Database::create("cdc_watch_change").await;
    database.script(&format!("{TABLE}\nCREATE PUBLICATION listed FOR TABLE t")).await;
    let running = Running::start(listed(&database), SharedSink::default()).await;
    database.script(&format!("{MADE_AGAIN}\nINSERT INTO t VALUES (4)")).await;
    let mut expected = vec![json!(["r", 1]), json!(["r", 3]), json!(["r", 4])];
    running.has(&expected).await;
    database.script("INSERT INTO t VALUES (9)").await;
    expected.push(json!(["c", 9]));
    running.has(&expected).await;
    running.stop().await;
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_table_made_again_is_found_without_a_change() {
    let database = Database::create("cdc_watch_quiet").await;
    database
        .script(&format!("{TABLE}\nCREATE TABLE u (id int)\nCREATE PUBLICATION listed FOR TABLE t"))
        .await;
    let running = Running::start(listed(&database), SharedSink::default()).await;
    database.script(MADE_AGAIN).await;
    running.has(&[json!(["r", 1]), json!(["r", 3])]).await;
    running.stop().await;
    database.drop_everything().await;
}

/// The capture's own publication is made of the tables that exist: here of none.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_database_without_tables_is_captured() {
    let database = Database::create("cdc_watch_empty").await;
    let tables = ["public.t", "public.u"].map(str::to_owned).to_vec();
    let settings = CaptureSettings { tables, ..database.settings() };
    let running = Running::start(settings, SharedSink::default()).await;
    database.script(&format!("CREATE TABLE u (id int)\nINSERT INTO u VALUES (1)\n{TABLE}")).await;
    running.has(&[json!(["r", 1])]).await;
    // a published table without a primary key would reject it: it is added when a capture starts
    database.script("UPDATE u SET id = 2").await;
    database.script("INSERT INTO t VALUES (2)").await;
    running.has(&[json!(["r", 1]), json!(["c", 2])]).await;
    running.stop().await;
    database.drop_everything().await;
}

/// The log is still before the end of the snapshot, which has read another table of this name.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_table_made_again_right_after_the_snapshot_is_read() {
    let database = Database::create("cdc_watch_snapshot").await;
    database.script(&format!("{TABLE}\nCREATE PUBLICATION listed FOR TABLE t")).await;
    let mut sink = SharedSink::default();
    let settings = CaptureSettings { snapshot_mode: SnapshotMode::InitialOnly, ..listed(&database) };
    catch_up(&settings, &mut sink).await.unwrap();
    database.script(MADE_AGAIN).await;
    catch_up(&listed(&database), &mut sink).await.unwrap();
    assert_eq!(rows(&sink).await, [json!(["r", 1]), json!(["r", 3])]);
    database.script("INSERT INTO t VALUES (9)").await;
    catch_up(&listed(&database), &mut sink).await.unwrap();
    assert_eq!(rows(&sink).await, [json!(["r", 1]), json!(["r", 3]), json!(["c", 9])]);
    database.drop_everything().await;
}
