//! Runs the records of a file on a store of its own.

use super::records::{Kind, Record, parse};
use super::rules::{self, Failure};
use super::statements::{Mapped, map};
use super::values::{are_expected, values};
use kulya_registry::Registry;
use kulya_sql::{CatalogBackend, Session, StatementResult};
use kulya_store::StreamStore;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The reason of the records after a statement that changes rows, views included.
const CHANGED_ROWS: &str = "after UPDATE, DELETE and REPLACE";

/// What became of the records.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) statements: usize,
    /// Queries that gave the expected values.
    pub(super) equal: usize,
    /// Records that failed or were not run, by their reason.
    pub(super) by_rule: BTreeMap<&'static str, usize>,
    /// Records that failed without a reason.
    pub(super) faults: Vec<String>,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.statements += other.statements;
        self.equal += other.equal;
        for (rule, count) in other.by_rule {
            *self.by_rule.entry(rule).or_default() += count;
        }
        self.faults.extend(other.faults);
    }
}

/// Runs all statements of a file, and so many of its queries, evenly distributed.
pub(super) async fn run_file(file: &Path, name: &str, max_queries: usize) -> Counts {
    let text = std::fs::read_to_string(file).unwrap();
    let records = parse(&text);
    let queries = records.iter().filter(|record| matches!(record.kind, Kind::Query { .. })).count();
    let step = queries.div_ceil(max_queries).max(1);
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::with_clock(Arc::new(ManualClock::default())));
    let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
    let mut session = Session::new("kulya", CatalogBackend::new(store, registry)).await.unwrap();
    session.execute("CREATE DATABASE d; USE d").await.unwrap();
    let (mut counts, mut query) = (Counts::default(), 0);
    for (index, record) in records.iter().enumerate() {
        if matches!(record.kind, Kind::Query { .. }) {
            query += 1;
            if (query - 1) % step != 0 {
                continue;
            }
        }
        match run(&mut session, record, &mut counts).await {
            Ok(true) => {}
            Ok(false) => {
                let rest = records[index..].iter().filter(|it| matches!(it.kind, Kind::Query { .. })).count();
                *counts.by_rule.entry(CHANGED_ROWS).or_default() += rest.div_ceil(step);
                return counts;
            }
            Err(what) => {
                let error = what.strip_prefix("error: ");
                match rules::find(&Failure { sql: &record.sql, error }) {
                    Some(rule) => *counts.by_rule.entry(rule).or_default() += 1,
                    None => counts.faults.push(format!("{name}:{}: {what}\n{}", record.line, record.sql)),
                }
            }
        }
    }
    counts
}

/// Runs a record; the error says how it failed. Returns whether the file goes on.
async fn run(session: &mut Session, record: &Record, counts: &mut Counts) -> Result<bool, String> {
    match &record.kind {
        Kind::Statement { ok } => {
            counts.statements += 1;
            let sql = match map(&record.sql) {
                Mapped::Run(sql) => sql,
                Mapped::WithoutEffect => return Ok(true),
                Mapped::NotSupported => return Ok(false),
            };
            match session.execute(&sql).await {
                Err(error) if *ok => Err(format!("error: {error}")),
                Ok(_) if !ok => Err("succeeds".to_owned()),
                _ => Ok(true),
            }
        }
        Kind::Query { types, order, expected } => {
            let mut results =
                session.execute(&record.sql).await.map_err(|error| format!("error: {error}"))?;
            let Some(StatementResult::Rows { batches, .. }) = results.pop() else {
                return Err("gives no rows".to_owned());
            };
            let found = values(&batches, types, *order);
            if !are_expected(&found, expected) {
                let shown: Vec<&String> = found.iter().take(20).collect();
                return Err(format!("gives {} values {shown:?}, expected {expected:?}", found.len()));
            }
            counts.equal += 1;
            Ok(true)
        }
    }
}
