//! Tables of made-up rows, a bounded query over them and a live one, by the same engine.

use crate::SqlResult;
use crate::dialect::parse_query;
use crate::engine::{
    DefaultPath, LiveRows, PlanRequest, Purpose, QueryEngine, QueryLimits, ResolvedTable, ResolvedTables,
    TablePath, TableRowsSource,
};
use crate::live::lowering::TableTraits;
use crate::live::{LivePlan, LiveQuery};
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::sql::sqlparser::ast;
use kulya_incremental::{Batch, Tick};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of a table: k INT, v BIGINT, s STRING, t TIMESTAMP(3) with t in seconds.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Row {
    pub(super) k: Option<i32>,
    pub(super) v: Option<i64>,
    pub(super) s: Option<String>,
    pub(super) t: i64,
}

pub(super) fn row(k: impl Into<Option<i32>>, v: impl Into<Option<i64>>, s: &str, t: i64) -> Row {
    Row { k: k.into(), v: v.into(), s: (!s.is_empty()).then(|| s.to_owned()), t }
}

/// A table with rows that are there or that change.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) is_append: bool,
    pub(super) key: Vec<usize>,
    /// The expression of its watermark over the time `t`.
    pub(super) watermark: Option<&'static str>,
}

impl Table {
    pub(super) fn append(name: &'static str) -> Self {
        Self { name, is_append: true, key: Vec::new(), watermark: None }
    }

    pub(super) fn changing(name: &'static str) -> Self {
        Self { is_append: false, ..Self::append(name) }
    }

    pub(super) fn timed(name: &'static str) -> Self {
        Self { watermark: Some("t - INTERVAL '2' SECOND"), ..Self::append(name) }
    }
}

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int32, true),
        Field::new("v", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("l", DataType::new_list(DataType::Int32, true), true),
    ]))
}

/// The rows of a table; the list has as many elements as `k` says.
pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let lists = rows.iter().map(|row| row.k.map(|k| (0..k % 4).map(Some).collect::<Vec<_>>()));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let (_, offsets, values, nulls) = lists.into_parts();
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.k))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.v))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.s.as_deref()))),
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.t * 1000))),
        Arc::new(ListArray::new(item, offsets, values, nulls)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// Changes of a table: rows with weights.
pub(super) type Changes = Vec<(Row, i64)>;

pub(super) fn inserts(rows: Vec<Row>) -> Changes {
    rows.into_iter().map(|row| (row, 1)).collect()
}

/// Rows as texts, with their number.
pub(super) type Rows = BTreeMap<Vec<String>, i64>;

pub(super) struct Engine {
    engine: QueryEngine,
    pub(super) tables: Vec<Table>,
}

impl Engine {
    pub(super) fn new(tables: Vec<Table>) -> Self {
        Self { engine: QueryEngine::new(QueryLimits::default()).unwrap(), tables }
    }

    /// The tables of a query, with these rows.
    fn resolved(&self, rows: &[Vec<Row>], purpose: Purpose) -> ResolvedTables {
        let tables = self.tables.iter().enumerate().map(|(index, table)| {
            let own = rows.get(index).map(|rows| vec![batch(rows)]).unwrap_or_default();
            let provider = Arc::new(MemTable::try_new(schema(), vec![own]).unwrap());
            let traits = TableTraits { is_append: table.is_append, key: table.key.clone() };
            let base = crate::engine::BASE_TABLE;
            let query = table.watermark.filter(|_| purpose == Purpose::Changes).map(|watermark| {
                let wanted = super::super::WATERMARK;
                let text = format!("SELECT *, {watermark} AS `{wanted}` FROM `{base}`.`{base}`.`{base}`");
                parse_query(&text).unwrap().query.value
            });
            let time = query.is_some().then(|| "t".to_owned());
            let live = (purpose == Purpose::Changes).then_some(LiveRows { traits, time, changes: None });
            let path =
                TablePath { catalog: "c".to_owned(), database: "d".to_owned(), name: table.name.to_owned() };
            ResolvedTable { path, rows: TableRowsSource::Stream(provider, query), live }
        });
        ResolvedTables { tables: tables.collect(), views: Vec::new() }
    }

    async fn pending(&self, sql: &str, purpose: Purpose) -> SqlResult<crate::engine::PendingQuery> {
        let query = parse_query(sql)?;
        let path = DefaultPath { catalog: "c".to_owned(), database: "d".to_owned() };
        let statement = ast::Statement::Query(query.query.value);
        self.engine.plan(PlanRequest { statement, path, target: None, purpose }).await
    }

    pub(super) async fn live(&self, sql: &str) -> LiveQuery {
        let pending = self.pending(sql, Purpose::Changes).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        pending.live(self.resolved(&[], Purpose::Changes)).await.unwrap_or_else(|e| panic!("{e}: {sql}"))
    }

    pub(super) async fn plan(&self, sql: &str) -> LivePlan {
        match self.live(sql).await {
            LiveQuery::Incremental(plan) => *plan,
            LiveQuery::Rerun(rerun) => panic!("run again: {} of {sql}", rerun.reason),
        }
    }

    /// The rows of the bounded query.
    pub(super) async fn bounded(&self, sql: &str, rows: &[Vec<Row>]) -> (SchemaRef, Rows) {
        let pending = self.pending(sql, Purpose::Rows).await.unwrap();
        let tables = self.resolved(rows, Purpose::Rows);
        let stream = self.engine.run(pending, tables, Box::new(Vec::new)).await.unwrap();
        let (schema, batches, _) = stream.collect().await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        let mut found = Rows::new();
        for batch in batches {
            let weights = vec![1; batch.num_rows()];
            fold(&mut found, &texts(&batch), &weights);
        }
        (schema, found)
    }

    /// The ticks of a plan's sources, of the changes of each table.
    pub(super) fn ticks(&self, plan: &LivePlan, changes: &[Changes]) -> Vec<Tick> {
        let tick = |source: &crate::live::LiveSource| {
            let is_table = |table: &&Table| source.name == format!("`c`.`d`.`{}`", table.name);
            let index = self.tables.iter().position(|table| is_table(&table)).unwrap();
            let (rows, weights): (Vec<Row>, Vec<i64>) = changes[index].iter().cloned().unzip();
            if rows.is_empty() {
                return Tick::default();
            }
            let rows = batch(&rows).project(&source.columns).unwrap();
            Tick::of([Batch::new(rows, weights).unwrap()])
        };
        plan.sources.iter().map(tick).collect()
    }

    /// Feeds a plan, and returns the changes of its result as texts with their weights.
    pub(super) fn step(&self, plan: &mut LivePlan, changes: &[Changes]) -> Vec<(Vec<String>, i64)> {
        let ticks = self.ticks(plan, changes);
        changes_of(&plan.graph.step(&ticks).unwrap())
    }

    /// Feeds a live query of which a restart follows each tick, and compares the sum of its output with the
    /// bounded query.
    pub(super) async fn check(&self, sql: &str, script: &[Vec<Changes>]) {
        let mut plan = self.plan(sql).await;
        let mut through = self.plan(sql).await;
        assert_eq!(plan.fingerprint, through.fingerprint, "{sql}");
        let mut current: Vec<Vec<Row>> = vec![Vec::new(); self.tables.len()];
        let (mut log, mut found) = (Vec::new(), Rows::new());
        for (number, changes) in script.iter().enumerate() {
            for (rows, changes) in current.iter_mut().zip(changes) {
                apply(rows, changes);
            }
            let output = self.step(&mut plan, changes);
            let (rows, weights): (Vec<_>, Vec<_>) = output.iter().cloned().unzip();
            fold(&mut found, &rows, &weights);
            assert_eq!(output, self.step(&mut through, changes), "tick {number} after a restart: {sql}");
            if plan.mode.is_append() {
                assert!(weights.iter().all(|weight| *weight > 0), "{sql} has insertions only");
            }
            let (schema, expected) = self.bounded(sql, &current).await;
            let types = |schema: &Schema| -> Vec<DataType> {
                schema.fields().iter().map(|field| field.data_type().clone()).collect()
            };
            assert_eq!(types(plan.graph.schema()), types(&schema), "{sql}");
            assert_eq!(found, expected, "tick {number} of {sql}\n{current:#?}");
            check_key(&plan, &found, sql);
            // the next process
            plan.graph.drain_dirty(|node, key, value| {
                log.push((node, key.to_vec(), value.map(<[u8]>::to_vec)));
            });
            let mut again = match number % 2 {
                0 => self.plan(sql).await,
                _ => plan_of_snapshot(self.plan(sql).await, &plan),
            };
            if number % 2 == 0 {
                again.graph.restore(log.clone()).unwrap();
            }
            plan = again;
        }
    }
}

fn plan_of_snapshot(mut new: LivePlan, old: &LivePlan) -> LivePlan {
    let mut entries = Vec::new();
    old.graph.snapshot(|node, key, value| entries.push((node, key.to_vec(), value.map(<[u8]>::to_vec))));
    new.graph.restore(entries).unwrap();
    new
}

/// Whether the rows are unique by the key of the plan.
fn check_key(plan: &LivePlan, rows: &Rows, sql: &str) {
    let Some(key) = &plan.key else { return };
    let mut keys = BTreeMap::new();
    for (row, count) in rows {
        let of_row: Vec<&String> = key.iter().map(|index| &row[*index]).collect();
        *keys.entry(of_row).or_insert(0) += count;
    }
    assert!(keys.values().all(|count| *count == 1), "key {key:?} of {sql}: {rows:?}");
}

pub(super) fn changes_of(tick: &Tick) -> Vec<(Vec<String>, i64)> {
    let batches = tick.batches.iter();
    batches.flat_map(|batch| texts(batch.rows()).into_iter().zip(batch.weights().to_vec())).collect()
}

/// The net changes of a tick: what a reader sees.
pub(super) fn net(changes: &[(Vec<String>, i64)]) -> Vec<(Vec<String>, i64)> {
    let mut rows = Rows::new();
    let (texts, weights): (Vec<_>, Vec<_>) = changes.iter().cloned().unzip();
    fold(&mut rows, &texts, &weights);
    rows.into_iter().collect()
}

fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("null");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    let row = |row| formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
    (0..batch.num_rows()).map(row).collect()
}

fn fold(rows: &mut Rows, changed: &[Vec<String>], weights: &[i64]) {
    for (row, weight) in changed.iter().zip(weights) {
        *rows.entry(row.clone()).or_default() += weight;
    }
    rows.retain(|_, count| *count != 0);
}

fn apply(rows: &mut Vec<Row>, changes: &Changes) {
    for (row, weight) in changes {
        for _ in 0..weight.unsigned_abs() {
            match *weight > 0 {
                true => rows.push(row.clone()),
                false => {
                    let index = rows.iter().position(|other| other == row).unwrap();
                    rows.remove(index);
                }
            }
        }
    }
}
