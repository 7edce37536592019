//! Databases of MariaDB and MySQL, or tables in them, that are not captured: the capture goes on.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, catch_up};
use kulya_cdc::CdcErrorKind;
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

/// Statements in the log that name tables which are not captured. What a view has is not known.
pub(crate) async fn statements_on_other_tables_are_passed_over(server: Server) {
    // what may change captured tables ends each capture of the server
    let _log = LOG.write().await;
    let mut session = create(server, "c_statements").await;
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let mut other = create(server, "c_other").await;
    let tables = "CREATE TABLE u (id INT PRIMARY KEY, v INT); CREATE TABLE w (id INT PRIMARY KEY, v INT); \
                  CREATE VIEW s AS SELECT id FROM c_statements.t; SET SESSION binlog_format = STATEMENT";
    script(&mut other, tables).await;
    let settings = settings(server, "c_statements");
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut other,
        "INSERT INTO u VALUES (1, 1), (2, 2); REPLACE INTO c_other.w SELECT id, v FROM u; \
         UPDATE u, w AS x SET u.v = 3, x.v = 4 WHERE u.id = x.id; DELETE u FROM u JOIN w USING (id); \
         DELETE FROM w WHERE id IN (SELECT id FROM c_statements.t); \
         INSERT INTO mysql.help_keyword VALUES (999999, 'KULYA'); DELETE FROM mysql.help_keyword WHERE name = 'KULYA'",
    )
    .await;
    script(&mut session, "INSERT INTO t VALUES (2)").await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(events(&sink, 0), ["r 1", "c 2"]);
    script(&mut other, "INSERT INTO s VALUES (3)").await;
    let error = catch_up(&settings, &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Configuration);
    assert!(error.to_string().contains("INSERT INTO s VALUES (3)"), "{error}");
    server.run(&["DROP DATABASE c_statements", "DROP DATABASE c_other"]).await;
}
