//! Databases of MariaDB and MySQL, or tables in them, that are not captured: the capture goes on.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::Server;
use crate::database::{MemorySink, catch_up};
use serde_json::Value;

/// The operations and ids of the events since an index.
fn events(sink: &MemorySink, from: usize) -> Vec<String> {
    let values = sink.records[from..].iter().filter_map(|record| record.value.as_ref());
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    let text = |event: Value| format!("{} {}", event["op"].as_str().unwrap(), event["after"]["id"]);
    values.map(parse).map(text).collect()
}

/// A capture that matches no table waits for the first one.
pub(crate) async fn a_database_without_tables_is_captured(server: Server) {
    let mut session = create(server, "c_no_tables").await;
    let settings = settings(server, "c_no_tables");
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    assert!(sink.records.is_empty() && sink.checkpoint().is_some());
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)").await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(events(&sink, 0), ["c 1", "c 2"]);
    server.run(&["DROP DATABASE c_no_tables"]).await;
}
