//! INSERTs that go on as jobs: their start, SHOW JOBS and STOP JOB.

use super::completed;
use super::insert::{target_columns, target_stream};
use super::materialized_view::with_warnings;
use crate::catalog::CatalogBackend;
use crate::dialect::{self, Insert, StatementKind, parse_query};
use crate::engine::TablePath;
use crate::live::{Inputs, JobSink, LivePlan, QueryKind, Record, Records, Stored, prepare};
use crate::output::StatementResult;
use crate::session::Session;
use crate::sink::Constraints;
use crate::table::{TableDefinition, TableRows, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::{Commit, Condition};
use std::sync::Arc;

impl Session {
    /// Whether queries return changes, and INSERTs go on.
    pub(super) fn is_streaming(&self) -> bool {
        self.settings.get("execution.runtime-mode") == "streaming"
    }

    /// Starts an INSERT that goes on.
    pub(super) async fn start_job(&mut self, insert: Insert) -> SqlResult<StatementResult> {
        let position = insert.path.position.0;
        if insert.on_conflict.is_some() {
            return Err(SqlError::not_supported("ON CONFLICT of an INSERT that goes on").at(position));
        }
        let path = self.catalogs.table_path(&insert.path.parts).map_err(|error| error.at(position))?;
        let backend = self.live_backend(&path.catalog).await.map_err(|error| error.at(position))?;
        let database = self.catalogs.database.clone().unwrap_or_else(|| path.database.clone());
        let stored = self.stored_insert(&path, insert.clone())?;
        let (plan, sink) = self.plan_job(&insert).await?;
        let warnings = self.check_live(&plan, &path.catalog)?;
        let Inputs { sources, .. } = prepare(&backend.store, plan, false)?;
        if sources.streams().contains(sink.stream()) {
            let what =
                format!("the query reads table {}, which it writes: its rows would come back", path.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        }
        let streams = sources.streams().iter().map(ToString::to_string).collect();
        let records = Records::new(Arc::clone(&backend.store));
        let id = records.new_id().await?;
        let name = id.to_string();
        let record = Record::new(QueryKind::Job, (&database, &name), stored, streams);
        let record = Record { state_bytes: self.state_bound(), ..record };
        let put = Records::put(id, &record, Condition::Absent)?;
        backend.store.commit(Commit::changes(vec![put])).await?;
        self.live_changed(&records).await?;
        completed(with_warnings(format!("job {name} started"), &warnings))
    }

    /// Returns the text of an INSERT with the full names of its tables.
    fn stored_insert(&self, path: &TablePath, insert: Insert) -> SqlResult<String> {
        let mut full = Vec::with_capacity(insert.query.tables.len());
        for table in &insert.query.tables {
            let path = self.catalogs.table_path(&table.shown()).map_err(|error| error.at(table.start.0))?;
            if self.temporary.get(&path).is_some() {
                let what = format!("the INSERT goes on after this session, but {} is temporary", path.name);
                return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(table.start.0));
            }
            full.push(vec![path.catalog, path.database, path.name]);
        }
        if let Some(file) = insert.query.files.first() {
            let what = format!("an INSERT that goes on, from the file {}", file.path);
            return Err(SqlError::not_supported(what).at(file.position.0));
        }
        let query = parse_query(&insert.query.with_table_names(&full))?;
        let mut insert = Insert { query, ..insert };
        insert.path.parts = vec![path.catalog.clone(), path.database.clone(), path.name.clone()];
        Ok(insert.to_string())
    }

    /// Plans a stored INSERT.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn plan_stored_job(&mut self, statement: &str) -> SqlResult<(LivePlan, JobSink)> {
        let mut statements = dialect::parse(statement)?;
        match statements.pop().map(|statement| statement.kind) {
            Some(StatementKind::Insert(insert)) => {
                self.plan_job(&insert).await.map_err(SqlError::without_position)
            }
            _ => Err(SqlError::internal()),
        }
    }

    async fn plan_job(&mut self, insert: &Insert) -> SqlResult<(LivePlan, JobSink)> {
        let position = insert.path.position.0;
        let (path, definition) = self.insert_target(insert).await?;
        let columns = target_columns(insert, &definition)?;
        let schema = Arc::clone(&columns.schema);
        let types = definition.spec.as_deref().map(TableSpec::physical_types).unwrap_or_default();
        let constraints = Constraints::new(&path.name, Arc::clone(&schema), types, &self.settings)?;
        let target = target_stream(&definition).await?;
        let query = self.live_query(&insert.query, Some(columns), None).await?;
        let plan = query.incremental("an INSERT").map_err(|error| error.at(insert.query.position.0))?;
        let key = definition.key.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        let table = (schema, is_change_log(&definition), key);
        let sink = JobSink::new(&plan, &path.name, target, constraints, table);
        let sink = sink.map_err(|error| error.at(position))?;
        Ok((plan, sink))
    }

    pub(super) async fn show_jobs(&self) -> SqlResult<StatementResult> {
        let backend = self.catalogs.backend(&self.catalogs.current).await?;
        let mut stored = Records::new(backend.store).list().await?;
        stored.retain(|stored| stored.record.kind == QueryKind::Job);
        let row = |stored: &Stored| {
            let mut row = vec![stored.record.name.clone(), one_line(&stored.record.statement)];
            row.extend(self.status_of(stored));
            row
        };
        let columns =
            ["job id", "statement", "state", "rows in", "rows out", "state bytes", "lag bytes", "error"];
        StatementResult::text_rows(&columns, &stored.iter().map(row).collect::<Vec<_>>())
    }

    /// Returns a job as it is stored.
    async fn job(&self, name: &str) -> SqlResult<(CatalogBackend, Records, Stored)> {
        let backend = self.live_backend(&self.catalogs.current).await?;
        let records = Records::new(Arc::clone(&backend.store));
        let is_job = |stored: &Stored| stored.record.kind == QueryKind::Job && stored.record.name == name;
        match records.list().await?.into_iter().find(is_job) {
            Some(stored) => Ok((backend, records, stored)),
            None => {
                let what = format!("there is no job {name:.100}: SHOW JOBS lists them");
                Err(SqlError::new(SqlErrorKind::UnknownTable, what))
            }
        }
    }

    pub(super) async fn pause_job(&mut self, name: &str, is_paused: bool) -> SqlResult<StatementResult> {
        let (_, records, stored) = self.job(name).await?;
        self.pause_live(&records, stored.id, is_paused).await?;
        completed(format!("job {name} {}", if is_paused { "paused" } else { "resumed" }))
    }

    pub(super) async fn stop_job(&mut self, name: &str) -> SqlResult<StatementResult> {
        let (backend, records, stored) = self.job(name).await?;
        backend.store.commit(Commit::changes(vec![Records::remove(stored.id, Condition::Any)?])).await?;
        self.live_changed(&records).await?;
        records.delete_log(stored.id).await?;
        completed(format!("job {name} stopped"))
    }
}

fn is_change_log(definition: &TableDefinition) -> bool {
    matches!(&definition.rows, TableRows::Events { format, .. } if format.is_change_log())
}

fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
