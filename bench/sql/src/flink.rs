//! Flink SQL, in the process that `cargo xtask flink-sql` starts: each query is run twice, and the second
//! counts, so that neither the start of the JVM nor its compiler is measured.

use crate::events::{CHANGES, Files, ORDERS};
use crate::measure::{Fallible, cpu_of, peak_of, reset_peak};
use crate::table::Figure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

pub struct Flink {
    process: String,
    answers: BufReader<TcpStream>,
}

impl Flink {
    /// Connects and creates the tables; none without the environment variables.
    pub fn connect(files: &Files<'_>) -> Fallible<Option<Self>> {
        let (Ok(address), Ok(process)) =
            (std::env::var("KULYA_TEST_FLINK_SQL"), std::env::var("KULYA_TEST_FLINK_SQL_PROCESS"))
        else {
            return Ok(None);
        };
        let mut flink = Self { process, answers: BufReader::new(TcpStream::connect(address)?) };
        let table = |name: &str, columns: &str, file: &str, format: &str, more: &str| {
            let path = files.path(file);
            format!(
                "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = 'file://{path}', 'format' = '{format}'{more})"
            )
        };
        for (mode, sql) in [
            ("batch", table("orders_json", ORDERS, "orders.jsonl", "json", "")),
            ("batch", table("orders_avro", ORDERS, "orders.avro", "avro", "")),
            ("batch", table("written", ORDERS, "flink-written", "avro", "")),
            // the log is not trusted, as Kulya does not: each row is looked up by its key
            ("streaming", "SET 'table.exec.source.cdc-events-duplicate' = 'true'".to_owned()),
            // an aggregate gives a row now and then instead of one for each event
            ("streaming", "SET 'table.exec.mini-batch.enabled' = 'true'".to_owned()),
            ("streaming", "SET 'table.exec.mini-batch.allow-latency' = '1 s'".to_owned()),
            ("streaming", "SET 'table.exec.mini-batch.size' = '50000'".to_owned()),
            (
                "streaming",
                table(
                    "changes",
                    &format!("{CHANGES}, PRIMARY KEY (id) NOT ENFORCED"),
                    "changes.jsonl",
                    "debezium-json",
                    "",
                ),
            ),
        ] {
            flink.execute(mode, &sql)?;
        }
        Ok(Some(flink))
    }

    /// Runs a statement twice.
    pub fn run(&mut self, mode: &str, sql: &str) -> Fallible<Figure> {
        self.execute(mode, sql)?;
        reset_peak(&self.process)?;
        let before = cpu_of(&self.process);
        let answer = self.execute(mode, sql)?;
        Ok(Figure { cpu: cpu_of(&self.process) - before, peak: peak_of(&self.process), answer })
    }

    fn execute(&mut self, mode: &str, sql: &str) -> Fallible<String> {
        writeln!(self.answers.get_mut(), "{}", json!({ "mode": mode, "sql": sql }))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let answer: Value = serde_json::from_str(&answer)?;
        if let Some(error) = answer["error"].as_str() {
            return Err(format!("Flink: {sql}: {error}").into());
        }
        let row = answer["rows"].as_array().and_then(|rows| rows.last()).and_then(Value::as_array);
        let texts: Vec<&str> = row.into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(texts.join(","))
    }
}
