//! Runs a program live: the rows of its sources are ticks of the graph of its query, one change at a time,
//! with a restart where Flink's tests have it. The changes of the sink are compared with those that Flink
//! expects: what they leave, and row for row.

use super::changes::{final_rows, texts};
use super::columns::{Columns, quoted};
use super::events;
use super::run::{Outcome, Run, of_database};
use crate::flink_text::{Style, sorted_map, text};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use kulya_incremental::{Batch, Changelog, Node, Tick, Upsert};
use kulya_sql::{LivePlan, LiveQuery, LiveSource, SourceMode, StatementResult};
use serde_json::{Value, json};
use std::sync::Arc;

/// How a live program is as in Flink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Equal {
    /// Each change is one of Flink's, too.
    pub(super) row_for_row: bool,
    /// Rows come before and after a restart.
    pub(super) with_restart: bool,
}

/// What a program gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Live {
    /// What Flink expects, by operators.
    Equal(Equal),
    /// The query is run again, for a reason, and then gives what Flink expects or not.
    Rerun(String, bool),
}

/// Runs a program.
///
/// # Errors
/// Why it does not give Flink's rows.
pub(super) async fn run(program: &Value) -> Result<Live, String> {
    let mut run = Run::start().await?;
    let steps = |part: &str| program[part].as_array().cloned().unwrap_or_default();
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    for step in steps("setup") {
        match step["kind"].as_str().unwrap() {
            "config" => run.set(&step).await?,
            "source" => sources.push(Source::new(&mut run, &step).await?),
            "sink" => {
                run.sink(&step).await?;
                sinks.push(step);
            }
            "sql" => run.sql(step["sql"].as_str().unwrap()).await?,
            other => return Err(format!("a {} in Java", other.replace('_', " "))),
        }
    }
    let mut inserts = Vec::new();
    for step in steps("run") {
        match step["kind"].as_str().unwrap() {
            "sql" => inserts.push(step["sql"].as_str().unwrap().to_owned()),
            "statement_set" => inserts.extend(texts(&step["statements"]).map(str::to_owned)),
            "failing_sql" => return Err("a statement that Flink refuses".to_owned()),
            "table_api" => {}
            other => return Err(format!("a step of kind {other}")),
        }
    }
    let mut equal = Equal { row_for_row: true, with_restart: false };
    let mut compared = 0;
    for insert in inserts {
        let statement = match sinks.as_slice() {
            [sink] if insert.starts_with("SELECT") => {
                format!("INSERT INTO {} {insert}", quoted(sink["name"].as_str().unwrap()))
            }
            _ => insert,
        };
        let statement = of_database(&statement);
        let upper = statement.to_uppercase();
        if !upper.trim_start().starts_with("INSERT") && !upper.trim_start().starts_with("EXECUTE") {
            run.sql(&statement).await?;
            continue;
        }
        let Some(sink) = sinks.iter().find(|sink| is_into(&statement, sink["name"].as_str().unwrap())) else {
            return Err(format!("no sink of {statement}"));
        };
        match Box::pin(query(&mut run, &statement, &sources, sink)).await? {
            Live::Equal(own) => {
                equal.row_for_row &= own.row_for_row;
                equal.with_restart |= own.with_restart;
                compared += 1;
            }
            Live::Rerun(reason, _) => {
                let is_equal = Box::pin(super::run::run(program)).await == Ok(Outcome::EqualRows);
                return Ok(Live::Rerun(reason, is_equal));
            }
        }
    }
    match compared {
        0 => Err("no query".to_owned()),
        _ => Ok(Live::Equal(equal)),
    }
}

fn is_into(statement: &str, sink: &str) -> bool {
    let mut words = statement.split(|c: char| c.is_whitespace() || c == '(' || c == '`');
    words.any(|word| word.eq_ignore_ascii_case("INTO"))
        && words.find(|word| !word.is_empty() && !word.eq_ignore_ascii_case("TABLE")) == Some(sink)
}

/// A source: its typed rows, each with its kind, and how many of them come before the restart.
struct Source {
    name: String,
    rows: RecordBatch,
    kinds: Vec<String>,
    before: usize,
}

impl Source {
    async fn new(run: &mut Run, step: &Value) -> Result<Self, String> {
        let name = step["name"].as_str().unwrap().to_owned();
        // the rows as they are, by a table of the same columns
        let mut plain = step.clone();
        plain["name"] = json!(format!("rows of {name}"));
        run.table(&plain, "json", events::plain).await?;
        let columns: Vec<String> = Columns::of(step).physical.iter().map(|name| quoted(name)).collect();
        let query = format!("SELECT {} FROM {}", columns.join(", "), quoted(&format!("rows of {name}")));
        let rows = match run.execute(&query).await? {
            Some(StatementResult::Rows { schema, batches, .. }) => {
                concat_batches(&schema, &batches).map_err(|error| error.to_string())?
            }
            _ => return Err(format!("{query} gives no rows")),
        };
        let format = if events::is_change_log(step) { "debezium-json" } else { "json" };
        run.table(step, format, |_, _| Vec::new()).await?;
        let kinds = events::rows(step).iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
        let before = step["rows"].as_array().map_or(0, Vec::len);
        Ok(Self { name, rows, kinds, before })
    }

    /// The ranges of rows that are one change: an update is two rows.
    fn changes(&self) -> Vec<std::ops::Range<usize>> {
        let (mut changes, mut row) = (Vec::new(), 0);
        while row < self.kinds.len() {
            let is_update = self.kinds[row] == "-U"
                && self.kinds.get(row + 1).is_some_and(|kind| kind == "+U")
                && row + 1 != self.before;
            let end = if is_update { row + 2 } else { row + 1 };
            changes.push(row..end);
            row = end;
        }
        changes
    }
}

/// A source of a plan: its rows, and the current ones of a keyed table.
struct Feed<'a> {
    source: &'a Source,
    plan: LiveSource,
    replica: Option<Node>,
    columns: Vec<usize>,
}

impl<'a> Feed<'a> {
    fn new(plan: &LivePlan, number: usize, sources: &'a [Source]) -> Result<Self, String> {
        let own = plan.sources[number].clone();
        let name = own.name.rsplit('.').next().unwrap_or_default().trim_matches('`').to_owned();
        let source = sources.iter().find(|source| source.name == name);
        let source = source.ok_or_else(|| format!("no source {name}"))?;
        let schema = source.rows.schema();
        let columns = plan.graph.sources()[number].1.fields().iter();
        let columns = columns
            .map(|field| schema.index_of(field.name()).map_err(|error| error.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        let replica = match own.mode {
            // rows with those before changes are taken as they are
            SourceMode::Changes if !own.key.is_empty() && !source.kinds.iter().any(|kind| kind == "-U") => {
                let upsert = Upsert::new(schema, own.key.clone()).map_err(|error| error.to_string())?;
                Some(Node::new("replica", upsert))
            }
            _ => None,
        };
        Ok(Self { source, plan: own, replica, columns })
    }

    /// The tick of a change.
    fn tick(&mut self, rows: std::ops::Range<usize>) -> Result<Tick, String> {
        let kinds = &self.source.kinds[rows.clone()];
        let rows = self.source.rows.slice(rows.start, rows.len());
        let weight = |kind: &String| match (kind.as_str(), self.plan.mode) {
            ("-U", SourceMode::Versions) => 0,
            ("+I" | "+U", _) => 1,
            _ => -1,
        };
        let batch = Batch::new(rows, kinds.iter().map(weight).collect::<Vec<_>>()).unwrap();
        let tick = match &mut self.replica {
            Some(replica) => replica.step(&[Tick::of([batch])]).map_err(|error| error.to_string())?,
            None => Tick::of([batch]),
        };
        let project = |batch: &Batch| {
            let rows = batch.rows().project(&self.columns).unwrap();
            Batch::new(rows, batch.weights().to_vec()).unwrap()
        };
        Ok(Tick { batches: tick.batches.iter().map(project).collect(), watermark: None })
    }
}

/// The order in which the changes of several sources come.
#[derive(Clone, Copy)]
enum Interleaving {
    /// One source after the other.
    BySource,
    /// The same with the last one first, such as a table that is looked up.
    Reversed,
    /// One change of each in turn.
    InTurn,
}

async fn query(run: &mut Run, statement: &str, sources: &[Source], sink: &Value) -> Result<Live, String> {
    let has_restart = texts(&sink["rowsAfterRestore"]).next().is_some();
    let mut is_equal = false;
    let mut equal = Equal { row_for_row: false, with_restart: has_restart };
    let mut error = String::new();
    for interleaving in [Interleaving::InTurn, Interleaving::BySource, Interleaving::Reversed] {
        let plan = match live(run, statement).await? {
            Ok(plan) => plan,
            Err(reason) => return Ok(Live::Rerun(reason, false)),
        };
        let [before, after] = changes(run, statement, plan, sources, interleaving).await?;
        match compare(sink, &before, &after) {
            Ok(row_for_row) => {
                is_equal = true;
                equal.row_for_row |= row_for_row;
            }
            Err(why) => error = why,
        }
    }
    match is_equal {
        true => Ok(Live::Equal(equal)),
        false => Err(error),
    }
}

async fn live(run: &mut Run, statement: &str) -> Result<Result<LivePlan, String>, String> {
    match Box::pin(run.session.plan_live(statement)).await.map_err(|error| error.to_string())? {
        LiveQuery::Incremental(plan) => Ok(Ok(*plan)),
        LiveQuery::Rerun(rerun) => Ok(Err(rerun.reason)),
    }
}

/// Feeds a plan, and returns the changes of its result before and after the restart.
async fn changes(
    run: &mut Run,
    statement: &str,
    mut plan: LivePlan,
    sources: &[Source],
    interleaving: Interleaving,
) -> Result<[Vec<String>; 2], String> {
    let mut feeds = (0..plan.sources.len())
        .map(|number| Feed::new(&plan, number, sources))
        .collect::<Result<Vec<_>, _>>()?;
    let mut found = [Vec::new(), Vec::new()];
    for (phase, found) in found.iter_mut().enumerate() {
        let mut order = Vec::new();
        for (number, feed) in feeds.iter().enumerate() {
            let is_here =
                |change: &std::ops::Range<usize>| (change.start >= feed.source.before) == (phase == 1);
            let changes = feed.source.changes().into_iter().filter(is_here);
            order.extend(changes.enumerate().map(|(turn, change)| (turn, number, change)));
        }
        match interleaving {
            Interleaving::BySource => {}
            Interleaving::Reversed => order.sort_by_key(|(_, number, _)| std::cmp::Reverse(*number)),
            Interleaving::InTurn => order.sort_by_key(|(turn, number, _)| (*turn, *number)),
        }
        let mut watermark = None;
        for (_, number, change) in order.into_iter().map(Some).chain([None]).filter_map(|it| match it {
            Some(change) => Some(change),
            None if phase == 1 => Some((0, usize::MAX, 0..0)),
            None => None,
        }) {
            // bounded sources end with the largest watermark
            if number == usize::MAX {
                watermark = Some(i64::MAX);
            }
            let mut ticks: Vec<Tick> =
                feeds.iter().map(|_| Tick { batches: Vec::new(), watermark }).collect();
            if let Some(tick) = ticks.get_mut(number) {
                *tick = feeds[number].tick(change)?;
            }
            let output = plan.graph.step(&ticks).map_err(|error| describe(&error))?;
            let folded = |key| Changelog::new(Arc::clone(plan.graph.schema()), key)?.fold(&output);
            // a source may break its key
            let folded = folded(plan.key.clone()).or_else(|_| folded(None));
            let (rows, kinds) = folded.map_err(|error| describe(&error))?;
            let mut changes: Vec<_> = kinds.iter().enumerate().collect();
            if plan.key.is_none() {
                // a sink with a key of its own takes what comes last
                changes.sort_by_key(|(_, kind)| kind.as_str().starts_with('+'));
            }
            for (row, kind) in changes {
                let values: Vec<String> =
                    rows.columns().iter().map(|column| text(column, row, Style::Printed)).collect();
                found.push(format!("{}[{}]", kind.as_str(), values.join(", ")));
            }
        }
        // the next process
        let mut entries = Vec::new();
        plan.graph.snapshot(|node, key, value| entries.push((node, key.to_vec(), value.map(<[u8]>::to_vec))));
        let fingerprint = std::mem::take(&mut plan.fingerprint);
        plan = live(run, statement).await??;
        if plan.fingerprint != fingerprint {
            return Err("the same statement has another fingerprint".to_owned());
        }
        plan.graph.restore(entries).map_err(|error| describe(&error))?;
    }
    Ok(found)
}

fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let source = error.source().and_then(|problem| problem.source());
    match source {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Compares the changes of a sink with Flink's, and returns whether each is equal.
fn compare(sink: &Value, before: &[String], after: &[String]) -> Result<bool, String> {
    let parts = ["rows", "rowsAfterRestore", "materialized"];
    if parts.iter().all(|part| sink[part].is_null()) {
        return Ok(true);
    }
    let of = |rows: Value, more: Value| {
        let mut own = sink.clone();
        own["rows"] = rows;
        own["rowsAfterRestore"] = more;
        own["materialized"] = Value::Null;
        own
    };
    let mut expected = final_rows(sink)?;
    let mut found = final_rows(&of(json!(before), json!(after)))?;
    normalize(&mut expected);
    normalize(&mut found);
    if found != expected {
        return Err(format!("other rows: {found:?} and not {expected:?}"));
    }
    let changes = |of_flink: &Value, own: &[String]| {
        let mut expected: Vec<String> = texts(of_flink).map(sorted_map).collect();
        let mut own: Vec<String> = own.iter().map(|change| sorted_map(change)).collect();
        // a sink with a key takes no old rows
        if !expected.iter().any(|change| change.starts_with("-U")) {
            own.retain(|change| !change.starts_with("-U"));
        }
        expected.sort_unstable();
        own.sort_unstable();
        expected == own
    };
    let is_equal = match texts(&sink["rowsAfterRestore"]).next() {
        Some(_) => changes(&sink["rows"], before) && changes(&sink["rowsAfterRestore"], after),
        None => changes(&sink["rows"], &[before, after].concat()),
    };
    Ok(is_equal)
}

fn normalize(rows: &mut [Vec<String>]) {
    for value in rows.iter_mut().flatten() {
        *value = sorted_map(value);
    }
    rows.sort_unstable();
}
