//! CREATE, ALTER, DROP and SHOW MATERIALIZED VIEW, and the rows of one in a query.

use super::completed;
use super::database::ShownDatabase;
use super::listing::is_like;
use super::view::name_taken;
use crate::catalog::{self, CatalogBackend, Creation, Found};
use crate::dialect::{CreateView, LikePattern, Path, identifier, parse_create_view};
use crate::engine::TablePath;
use crate::live::{Inputs, LivePlan, LiveState, LiveStatus, QueryKind, Record, Records, Stored, prepare};
use crate::output::StatementResult;
use crate::session::Session;
use crate::settings::STATE_BYTES;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use kulya_store::{Condition, StreamCut};
use std::sync::Arc;

impl Session {
    pub(super) async fn create_materialized_view(
        &mut self,
        create: CreateView,
    ) -> SqlResult<StatementResult> {
        let path = self.catalogs.table_path(&create.path.parts)?;
        let position = create.path.position.0;
        let backend = self.live_backend(&path.catalog).await.map_err(|error| error.at(position))?;
        let checked = backend.check_database(&path.catalog, &path.database).await;
        checked.map_err(|error| error.at(position))?;
        let name = path.name.clone();
        let (if_not_exists, query_position) = (create.if_not_exists, create.query.position.0);
        let located = |error: SqlError| match error.position() {
            None => error.at(query_position),
            Some(_) => error,
        };
        let view = self.checked_view(&path, create).await?;
        let query = self.live_query(&view.query, None, Some(&path)).await.map_err(located)?;
        let plan = query.incremental("a live query").map_err(located)?;
        let warnings = self.check_live(&plan, &path.catalog).map_err(located)?;
        let Inputs { sources, .. } = prepare(&backend.store, plan, true).map_err(located)?;
        let streams: Vec<String> = sources.streams().iter().map(ToString::to_string).collect();
        let records = Records::new(Arc::clone(&backend.store));
        let id = records.new_id().await?;
        let statement = view.to_string();
        let record = Record::new(QueryKind::View, (&path.database, &name), statement.clone(), streams);
        let record = Record { state_bytes: self.state_bound(), ..record };
        let put = Records::put(id, &record, Condition::Absent)?;
        let names = (path.database.as_str(), name.as_str());
        let created = catalog::create_view(&backend, names, statement, vec![put]).await;
        if !matches!(created, Ok(Creation::Created)) {
            records.delete_log(id).await?;
        }
        match created? {
            Creation::Created => {
                self.live_changed(&records).await?;
                completed(with_warnings(format!("materialized view {name} created"), &warnings))
            }
            taken => name_taken(taken, if_not_exists, &path).map_err(|error| error.at(position)),
        }
    }

    pub(super) async fn drop_materialized_view(
        &mut self,
        path: &Path,
        if_exists: bool,
    ) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let full = self.catalogs.table_path(&path.parts)?;
        let found = match self.materialized(&path.parts).await {
            Ok(found) => found,
            Err(error) if if_exists && error.kind() == SqlErrorKind::UnknownTable => {
                return completed(format!("materialized view {} does not exist", full.name));
            }
            Err(error) => return Err(error.at(position)),
        };
        let (backend, records, stored) = found;
        let remove = stored.as_ref().map(|stored| Records::remove(stored.id, Condition::Any)).transpose()?;
        let names = (full.database.as_str(), full.name.as_str());
        catalog::drop_view(&backend, names, remove.into_iter().collect()).await?;
        if let Some(stored) = stored {
            self.live_changed(&records).await?;
            records.delete_log(stored.id).await?;
        }
        completed(format!("materialized view {} dropped", full.name))
    }

    pub(super) async fn pause_materialized_view(
        &mut self,
        path: &Path,
        is_paused: bool,
    ) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let (_, records, stored) =
            self.materialized(&path.parts).await.map_err(|error| error.at(position))?;
        let name = path.parts.last().map(String::as_str).unwrap_or_default();
        let stored = stored.ok_or_else(|| without_state(name))?;
        self.pause_live(&records, stored.id, is_paused).await?;
        completed(format!("materialized view {name} {}", if is_paused { "paused" } else { "resumed" }))
    }

    /// Pauses a live query, or lets it go on, with the session's bound of its state if it has one.
    pub(super) async fn pause_live(&self, records: &Records, id: u64, is_paused: bool) -> SqlResult<()> {
        let bound = self.state_bound();
        let change = |record: &mut Record| {
            record.is_paused = is_paused;
            record.error = record.error.take().filter(|_| is_paused);
            if !is_paused {
                record.state_bytes = bound.or(record.state_bytes);
            }
        };
        records.change(id, change).await?;
        match &self.live {
            Some(live) => live.refresh().await,
            None => Ok(()),
        }
    }

    /// Returns the largest state of a live query in bytes, by the session's setting.
    pub(super) fn state_bound(&self) -> Option<u64> {
        self.settings.get(STATE_BYTES).parse().ok()
    }

    /// Returns a materialized view as it is stored.
    async fn materialized(&self, parts: &[String]) -> SqlResult<(CatalogBackend, Records, Option<Stored>)> {
        let (path, found) = self.find(parts).await?;
        let is_materialized = matches!(&found, Found::View(view) if view.materialized);
        if !is_materialized {
            let what =
                format!("{} is not a materialized view: SHOW MATERIALIZED VIEWS lists them", path.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
        }
        let backend = self.live_backend(&path.catalog).await?;
        let records = Records::new(Arc::clone(&backend.store));
        let stored = find_view(&records, &path).await?;
        Ok((backend, records, stored))
    }

    pub(super) async fn show_materialized_views(
        &self,
        from: Option<&Path>,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let ShownDatabase { backend, database, .. } = self.shown_database(from).await?;
        let mut stored = Records::new(backend.store).list().await?;
        stored.retain(|Stored { record, .. }| {
            record.kind == QueryKind::View && record.database == database && is_like(&record.name, like)
        });
        stored.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        let rows: Vec<Vec<String>> = stored
            .iter()
            .map(|stored| {
                let mut row = vec![stored.record.name.clone()];
                row.extend(self.status_of(stored));
                row
            })
            .collect();
        let columns = ["view name", "state", "rows in", "rows out", "state bytes", "lag bytes", "error"];
        StatementResult::text_rows(&columns, &rows)
    }

    /// Returns the state, the numbers and the error of a live query as texts.
    pub(super) fn status_of(&self, Stored { id, record, .. }: &Stored) -> Vec<String> {
        let status = self.live.as_ref().and_then(|live| live.status(*id));
        match status {
            Some(LiveStatus { state, rows_in, rows_out, state_bytes, lag_bytes, error, .. }) => {
                let numbers = [rows_in, rows_out, state_bytes, lag_bytes].map(|number| number.to_string());
                let mut row = vec![state.as_str().to_owned()];
                row.extend(numbers);
                row.push(error.unwrap_or_default());
                row
            }
            // another process runs it, or none
            None => {
                let state = match (record.is_paused, &record.error) {
                    (true, _) => LiveState::Paused.as_str(),
                    (false, Some(_)) => LiveState::Stopped.as_str(),
                    (false, None) => "",
                };
                let (rows_in, rows_out) = (record.progress.rows_in, record.progress.rows_out);
                let none = String::new();
                let error = record.error.clone().unwrap_or_default();
                vec![state.to_owned(), rows_in.to_string(), rows_out.to_string(), none.clone(), none, error]
            }
        }
    }

    /// Returns the backend of a catalog with live queries: that of the session's own store.
    pub(super) async fn live_backend(&self, catalog: &str) -> SqlResult<CatalogBackend> {
        let backend = self.catalogs.backend(catalog).await?;
        let is_own = self.catalogs.own().is_some_and(|own| Arc::ptr_eq(&own.store, &backend.store));
        if !is_own {
            let what = format!("a live query in catalog {catalog}, which is not that of the session's store");
            return Err(SqlError::not_supported(what));
        }
        Ok(backend)
    }

    /// Checks that a plan can be a live query of a catalog, and returns its warnings.
    pub(super) fn check_live(&self, plan: &LivePlan, catalog: &str) -> SqlResult<Vec<String>> {
        let prefix = format!("{}.", identifier(catalog));
        if let Some(other) = plan.sources.iter().find(|source| !source.name.starts_with(&prefix)) {
            let what = format!("a live query of catalog {catalog} that reads {} of another one", other.name);
            return Err(SqlError::not_supported(what));
        }
        Ok(plan.warnings().map(str::to_owned).collect())
    }

    /// Tells the processes that run live queries that one was created or dropped.
    pub(super) async fn live_changed(&self, records: &Records) -> SqlResult<()> {
        records.notify().await?;
        match &self.live {
            Some(live) => live.refresh().await,
            None => Ok(()),
        }
    }

    /// Plans the query of a stored view.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn plan_stored_view(&mut self, statement: &str, name: &str) -> SqlResult<LivePlan> {
        let view = parse_create_view(statement)?;
        let path = self.catalogs.table_path(&[name.to_owned()])?;
        let query = self.live_query(&view.query, None, Some(&path)).await;
        query.map_err(SqlError::without_position)?.incremental("a live query")
    }

    /// Returns the rows of a materialized view that this process runs, after everything that was committed to
    /// its tables before; `None` if another process runs it.
    pub(super) async fn materialized_rows(
        &self,
        path: &TablePath,
        view: &CreateView,
    ) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        let Some(live) = &self.live else { return Ok(None) };
        let Ok(backend) = self.live_backend(&path.catalog).await else { return Ok(None) };
        let records = Records::new(Arc::clone(&backend.store));
        let Some(Stored { id, record, .. }) = find_view(&records, path).await? else { return Ok(None) };
        let mut cuts = Vec::with_capacity(record.streams.len());
        for stream in record.streams()? {
            match backend.store.segments(&stream).await {
                Ok(segments) => cuts.push(StreamCut::tail(&stream, &segments)),
                // the view stops, and says so
                Err(error) if error.kind() == kulya_store::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some((schema, batches)) = live.rows(id, &cuts).await? else { return Ok(None) };
        let names = schema.fields().iter().enumerate().map(|(number, field): (usize, &Arc<Field>)| {
            let name = view.columns.get(number).unwrap_or(field.name());
            field.as_ref().clone().with_name(name).with_nullable(true)
        });
        let schema = Arc::new(Schema::new(names.collect::<Vec<_>>()));
        let batch = |batch: RecordBatch| {
            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                .map_err(|e| SqlError::internal().because(e))
        };
        let batches = batches.into_iter().map(batch).collect::<SqlResult<Vec<_>>>()?;
        Ok(Some(Arc::new(MemTable::try_new(Arc::clone(&schema), vec![batches])?)))
    }
}

async fn find_view(records: &Records, path: &TablePath) -> SqlResult<Option<Stored>> {
    let is_view = |stored: &Stored| {
        stored.record.kind == QueryKind::View
            && stored.record.database == path.database
            && stored.record.name == path.name
    };
    Ok(records.list().await?.into_iter().find(is_view))
}

fn without_state(name: &str) -> SqlError {
    let what = format!("materialized view {name} has no stored state: drop it and create it again");
    SqlError::new(SqlErrorKind::Failed, what)
}

/// Returns the message of a statement with warnings behind it.
pub(super) fn with_warnings(message: String, warnings: &[String]) -> String {
    warnings.iter().fold(message, |message, warning| format!("{message}; warning: {warning}"))
}
