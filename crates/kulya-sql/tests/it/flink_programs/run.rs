//! Runs a program: its sources are streams of events, its statements are executed as they are, and the rows
//! of each sink are compared with those that Flink expects.

use super::changes::final_rows;
use super::columns::{Columns, quoted};
use super::events;
use crate::flink_text::{Style, sorted_map, text};
use arrow::datatypes::{Field, SchemaRef};
use kulya_registry::Registry;
use kulya_sql::{CatalogBackend, Session, StatementResult};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{Append, Commit, StreamConfig, StreamId, StreamStore};
use serde_json::Value;
use std::sync::Arc;

/// The names that Flink's tests give to catalog and database; a scope's name has no underscore.
const DATABASE: [&str; 2] = ["`default_catalog`.`default_database`.", ""];

/// Settings of Flink's planner and state, which change no row.
const WITHOUT_EFFECT: [&str; 6] = [
    "table.optimizer.",
    "state.backend.",
    "__table.",
    "table.exec.async-",
    "table.exec.delta-join.",
    "table.exec.sink.upsert-materialize-strategy.",
];

/// Returns a statement without the names that Flink's tests give to catalog and database.
pub(super) fn of_database(sql: &str) -> String {
    let [from, to] = DATABASE;
    sql.replace(from, to)
}

/// What a program that runs as in Flink shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The rows of its sinks are equal.
    EqualRows,
    /// All of its statements are refused, perhaps for another reason.
    Refused,
}

/// Runs a program.
///
/// # Errors
/// Why its rows are not Flink's.
pub(super) async fn run(program: &Value) -> Result<Outcome, String> {
    let mut run = Run::start().await?;
    let steps = |part: &str| program[part].as_array().cloned().unwrap_or_default();
    for step in steps("setup") {
        match step["kind"].as_str().unwrap() {
            "config" => run.set(&step).await?,
            "source" => run.source(&step).await?,
            "sink" => run.sink(&step).await?,
            "sql" => run.sql(step["sql"].as_str().unwrap()).await?,
            other => return Err(format!("a {} in Java", other.replace('_', " "))),
        }
    }
    let sinks: Vec<Value> = steps("setup").into_iter().filter(|step| step["kind"] == "sink").collect();
    for step in steps("run") {
        match step["kind"].as_str().unwrap() {
            "sql" => run.statement(step["sql"].as_str().unwrap(), &sinks).await?,
            "statement_set" => {
                let statements: Vec<&str> =
                    step["statements"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let set = format!("EXECUTE STATEMENT SET BEGIN {}; END", statements.join("; "));
                run.sql(&set).await?;
            }
            "failing_sql" => {
                let sql = step["sql"].as_str().unwrap();
                if run.sql(sql).await.is_ok() {
                    return Err(format!(
                        "Flink refuses it: {}",
                        step["message"].as_str().unwrap_or_default()
                    ));
                }
            }
            // the same query once more
            "table_api" => {}
            other => return Err(format!("a step of kind {other}")),
        }
    }
    for sink in &sinks {
        run.compare(sink).await?;
    }
    let is_refused = steps("run").iter().all(|step| step["kind"] == "failing_sql");
    Ok(if is_refused { Outcome::Refused } else { Outcome::EqualRows })
}

pub(super) struct Run {
    pub(super) session: Session,
    store: Arc<dyn StreamStore>,
}

impl Run {
    pub(super) async fn start() -> Result<Self, String> {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::with_clock(Arc::new(ManualClock::default())));
        let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
        let session = Session::new("kulya", CatalogBackend::new(Arc::clone(&store), registry)).await.unwrap();
        let mut run = Self { session, store };
        run.execute("CREATE DATABASE d; USE d").await?;
        Ok(run)
    }

    pub(super) async fn execute(&mut self, sql: &str) -> Result<Option<StatementResult>, String> {
        self.session.execute(sql).await.map(|mut results| results.pop()).map_err(|error| error.to_string())
    }

    pub(super) async fn sql(&mut self, sql: &str) -> Result<(), String> {
        self.execute(&of_database(sql)).await.map(|_| ())
    }

    /// Executes a statement, or writes the rows of a query into the only sink.
    async fn statement(&mut self, sql: &str, sinks: &[Value]) -> Result<(), String> {
        match sinks {
            [sink] if sql.starts_with("SELECT") => {
                let name = quoted(sink["name"].as_str().unwrap());
                self.sql(&format!("INSERT INTO {name} {sql}")).await
            }
            _ => self.sql(sql).await,
        }
    }

    pub(super) async fn set(&mut self, step: &Value) -> Result<(), String> {
        let (key, value) = (step["key"].as_str().unwrap(), step["value"].as_str().unwrap());
        if WITHOUT_EFFECT.iter().any(|prefix| key.starts_with(prefix)) {
            return Ok(());
        }
        self.sql(&format!("SET '{key}' = '{value}'")).await
    }

    async fn source(&mut self, step: &Value) -> Result<(), String> {
        let format = if events::is_change_log(step) { "debezium-json" } else { "json" };
        self.table(step, format, events::events).await
    }

    /// Creates a table of a source in a format, with its events by the columns that are in the rows.
    pub(super) async fn table(
        &mut self,
        step: &Value,
        format: &str,
        events: impl Fn(&Value, &[Field]) -> Vec<String>,
    ) -> Result<(), String> {
        let name = step["name"].as_str().unwrap();
        let stream: StreamId =
            format!("d/source.{}", name.replace(|c: char| !c.is_alphanumeric(), "-")).parse().unwrap();
        self.store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        let streams = format!("'scan.streams' = '{}', ", stream.name);
        let schema = self.create(step, format, &streams).await?;
        let physical = Columns::of(step).physical;
        let fields: Vec<Field> = physical
            .iter()
            .map(|name| schema.field_with_name(name).cloned().map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        for event in events(step, &fields) {
            self.store.commit(Commit::events(vec![Append::keyed(&stream, "", event)])).await.unwrap();
        }
        Ok(())
    }

    pub(super) async fn sink(&mut self, step: &Value) -> Result<(), String> {
        // rows with a key replace each other
        let format = if Columns::of(step).key.is_empty() { "json" } else { "debezium-json" };
        self.create(step, format, "").await.map(|_| ())
    }

    /// Creates a table, and returns its columns.
    async fn create(&mut self, step: &Value, format: &str, options: &str) -> Result<SchemaRef, String> {
        let name = quoted(step["name"].as_str().unwrap());
        let columns: Vec<&str> =
            step["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let iso = format!("'{format}.timestamp-format.standard' = 'ISO-8601'");
        let with = format!("{options}'format' = '{format}', {iso}");
        self.execute(&format!("CREATE TABLE {name} ({}) WITH ({with})", columns.join(", "))).await?;
        match self.execute(&format!("SELECT * FROM {name}")).await? {
            Some(StatementResult::Rows { schema, .. }) => Ok(schema),
            other => Err(format!("a query gives {other:?}")),
        }
    }

    /// Compares the rows of a sink.
    async fn compare(&mut self, sink: &Value) -> Result<(), String> {
        let is_unknown = ["rows", "rowsAfterRestore", "materialized"].iter().all(|part| sink[part].is_null());
        if is_unknown {
            return Ok(());
        }
        let mut expected = final_rows(sink)?;
        for value in expected.iter_mut().flatten() {
            *value = sorted_map(value);
        }
        expected.sort_unstable();
        let name = sink["name"].as_str().unwrap();
        let columns: Vec<String> = Columns::of(sink).physical.iter().map(|name| quoted(name)).collect();
        let query = format!("SELECT {} FROM {}", columns.join(", "), quoted(name));
        let Some(StatementResult::Rows { batches, .. }) = self.execute(&query).await? else {
            return Err(format!("{query} gives no rows"));
        };
        let mut found: Vec<Vec<String>> = Vec::new();
        for batch in batches {
            let row = |row| batch.columns().iter().map(|column| text(column, row, Style::Printed)).collect();
            found.extend((0..batch.num_rows()).map(row));
        }
        found.sort_unstable();
        if found == expected {
            return Ok(());
        }
        let only = |these: &[Vec<String>], those: &[Vec<String>]| {
            let rows: Vec<String> =
                these.iter().filter(|row| !those.contains(row)).map(|row| row.join(", ")).collect();
            rows.join(" | ")
        };
        Err(format!(
            "other rows in {name}: {} and not {} ({} rows, expected {})",
            only(&found, &expected),
            only(&expected, &found),
            found.len(),
            expected.len()
        ))
    }
}
