//! Sessions of Flink SQL, which `cargo xtask flink-sql` starts: its answers, and made-up events as files for
//! both sides.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

/// A pair of sessions, one in each mode.
pub(crate) struct FlinkSql {
    answers: BufReader<TcpStream>,
}

/// How Flink runs a query: it refuses change logs in batch mode, and much else than a query in streaming mode
/// gives rows that change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Batch,
    Streaming,
}

/// Rows in any order, as text; a change log gives the rows that it leaves.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

impl FlinkSql {
    pub(crate) fn connect() -> Self {
        let address = std::env::var("KULYA_TEST_FLINK_SQL");
        let address = address.expect("cargo xtask flink-sql sets KULYA_TEST_FLINK_SQL");
        Self { answers: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// Makes the same files of events for the same seed: `xtask/flink/session/Events.java` describes them.
    pub(crate) fn make_events(&mut self, folder: &Path, count: usize, seed: u64) {
        let answer = self.ask(&json!({ "events": folder, "count": count, "seed": seed }));
        assert_eq!(answer, json!({}), "events are made");
    }

    /// Executes a statement; the error is Flink's text.
    pub(crate) fn execute(&mut self, mode: Mode, sql: &str) -> Result<Rows, String> {
        self.table(mode, sql).map(|(_, rows)| rows)
    }

    /// Executes a statement, and returns the types of the columns too.
    pub(crate) fn table(&mut self, mode: Mode, sql: &str) -> Result<(Vec<String>, Rows), String> {
        let mode = match mode {
            Mode::Batch => "batch",
            Mode::Streaming => "streaming",
        };
        let mut answer = self.ask(&json!({ "mode": mode, "sql": sql }));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => {
                let columns: Vec<(String, String)> =
                    serde_json::from_value(answer["columns"].take()).unwrap();
                let types = columns.into_iter().map(|(_, data_type)| data_type).collect();
                Ok((types, serde_json::from_value(answer["rows"].take()).unwrap()))
            }
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.answers.get_mut(), "{request}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

#[test]
#[ignore = "needs Flink SQL: cargo xtask flink-sql"]
fn flink_sql_reads_the_events_that_it_made() {
    let folder = std::env::temp_dir().join(format!("kulya-flink-sql-{}", std::process::id()));
    let mut flink = FlinkSql::connect();
    flink.make_events(&folder, 1000, 7);
    let lines = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(lines("orders.jsonl").lines().count(), 1000);
    let mut answers = Vec::new();
    for (mode, table, file, format) in [
        (Mode::Batch, "orders", "orders.jsonl", "json"),
        (Mode::Batch, "orders_avro", "orders.avro", "avro"),
        (Mode::Streaming, "changes", "changes.jsonl", "debezium-json"),
    ] {
        let columns = lines(if mode == Mode::Batch { "orders.columns" } else { "changes.columns" });
        let path = folder.join(file);
        let options = format!("'connector' = 'filesystem', 'path' = 'file://{}'", path.display());
        let create = format!("CREATE TABLE {table} ({columns}) WITH ({options}, 'format' = '{format}')");
        assert_eq!(flink.execute(mode, &create).unwrap(), [[Some("OK".to_owned())]]);
        let count = format!("SELECT count(*), count(DISTINCT id), sum(amount) FROM {table}");
        answers.push(flink.execute(mode, &count).unwrap().swap_remove(0));
    }
    assert_eq!(answers[0], answers[1], "JSON and Avro");
    assert_eq!(answers[0][0].as_deref(), Some("1000"));
    assert_eq!(answers[2][0], answers[2][1], "a row for each key is left");
    let error = flink.execute(Mode::Batch, "SELECT x FROM orders").unwrap_err();
    assert!(error.contains("Column 'x' not found"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
