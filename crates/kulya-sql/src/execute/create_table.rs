//! CREATE TABLE, with LIKE and AS, and CREATE TEMPORARY TABLE.

use super::completed;
use super::insert::routing_key;
use super::resolve::without_events;
use crate::catalog::{self, CatalogBackend, Creation, Found, NameStatus, NewSchemas, NewTable, TableBefore};
use crate::dialect::{ColumnDef, ColumnKind, CreateTable, OptionDef, ParsedQuery, identifier, parse_query};
use crate::engine::{TablePath, TargetColumns};
use crate::output::StatementResult;
use crate::session::{Session, Temporary};
use crate::sink::{InsertTransaction, Inserted};
use crate::table::{
    STREAM_OPTIONS, SpecColumnKind, TableDefaults, TableDefinition, TableSpec, as_query, like,
    registered_schemas, registry_format,
};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast;
use kulya_schema::Format;
use kulya_store::{ErrorKind, StreamId};
use std::sync::Arc;

/// A table that is to be created, checked.
struct Prepared {
    path: TablePath,
    create: CreateTable,
    spec: Arc<TableSpec>,
    definition: TableDefinition,
    /// The stream that is made for it, if its name cannot be the table's.
    own_stream: Option<String>,
    note: &'static str,
}

impl Session {
    pub(super) async fn create_table(&mut self, mut create: CreateTable) -> SqlResult<StatementResult> {
        let at = create.path.position.0;
        if create.or_replace && create.query.is_none() {
            let what = "CREATE OR REPLACE TABLE without AS and a query";
            return Err(SqlError::not_supported(what).at(at));
        }
        if create.temporary && create.query.is_some() {
            return Err(SqlError::not_supported("CREATE TEMPORARY TABLE … AS").at(at));
        }
        let path = self.catalogs.table_path(&create.path.parts)?;
        let backend = self.catalogs.backend(&path.catalog).await.map_err(|error| error.at(at))?;
        let checked = backend.check_database(&path.catalog, &path.database).await;
        checked.map_err(|error| error.at(at))?;
        if let Some(clause) = create.like.take() {
            let (base_path, found) =
                self.find(&clause.path.parts).await.map_err(|error| error.at(clause.path.position.0))?;
            let Found::Table(base) = found else {
                let what = format!("{} is a view: LIKE takes a table", base_path.name);
                return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(clause.path.position.0));
            };
            let base = self.create_of(&base_path, &base).await?;
            create = like(create, &clause, base)?;
        }
        if create.temporary {
            return self.create_temporary_table(path, create).await;
        }
        match create.query.take() {
            Some(query) => self.create_table_as(path, &backend, create, query).await,
            None => self.create_empty_table(path, &backend, create).await,
        }
    }

    async fn create_empty_table(
        &mut self,
        path: TablePath,
        backend: &CatalogBackend,
        create: CreateTable,
    ) -> SqlResult<StatementResult> {
        let prepared = self.prepare(path, backend, create).await?;
        let Prepared { path, create, spec, definition, own_stream, note } = &prepared;
        let names = (path.database.as_str(), path.name.as_str());
        let defaults = self.table_defaults(&path.catalog).await?;
        let ddl = stored_text(create, spec, &defaults.format);
        let creation = match spec.names_streams() {
            true => {
                let created = catalog::create_naming_table(backend, names, ddl, own_stream.clone()).await?;
                if created == Creation::Created {
                    // if it is there, it stays as it is
                    catalog::create_table(backend, &new_table(spec, definition, &defaults, None)?).await?;
                }
                created
            }
            false => {
                let new = new_table(spec, definition, &defaults, Some(ddl))?;
                catalog::create_table(backend, &new).await?
            }
        };
        let name = &path.name;
        match creation {
            Creation::Created => completed(format!("table {name} created{note}")),
            Creation::Exists if create.if_not_exists => completed(format!("table {name} exists")),
            Creation::IsView if create.if_not_exists => completed(format!("{name} exists and is a view")),
            creation => Err(exists(path, creation == Creation::IsView).at(create.path.position.0)),
        }
    }

    /// Creates a table with the rows of a query: it is no table before they are committed.
    async fn create_table_as(
        &mut self,
        path: TablePath,
        backend: &CatalogBackend,
        mut create: CreateTable,
        query: ParsedQuery,
    ) -> SqlResult<StatementResult> {
        let names = (path.database.as_str(), path.name.as_str());
        let at = create.path.position.0;
        let mut before: Option<TableBefore> = None;
        match backend.name_status(names).await? {
            NameStatus::Table if create.or_replace => {
                before = Some(catalog::table_before(backend, names).await?);
                let (_, found) = self.find(&create.path.parts).await?;
                if matches!(found, Found::Table(table) if table.is_captured) {
                    let what =
                        format!("table {} has the changes of a capture: it cannot be replaced", path.name);
                    return Err(SqlError::new(SqlErrorKind::InUse, what).at(at));
                }
            }
            status @ (NameStatus::Table | NameStatus::View) => {
                let is_view = status == NameStatus::View;
                if create.if_not_exists {
                    return completed(format!("table {} exists, no rows are inserted", path.name));
                }
                return Err(exists(&path, is_view).at(at));
            }
            NameStatus::Unfinished => return Err(catalog::unfinished(&path.name).at(at)),
            NameStatus::Free | NameStatus::Renamed => {}
        }
        let schema = self.query_schema(&query, None).await?;
        let (with_columns, positions) = as_query(create, &schema)?;
        create = with_columns;
        if before.is_some() && !STREAM_OPTIONS.iter().any(|key| create.options.iter().any(|o| o.key == *key))
        {
            let stream = catalog::free_stream_name(backend, &path.database, &path.name).await?;
            create.options.push(option("scan.streams", stream));
        }
        create.or_replace = false;
        let prepared = self.prepare(path, backend, create).await?;
        let Prepared { path, create, spec, definition, note, .. } = &prepared;
        let names = (path.database.as_str(), path.name.as_str());
        let stream = &definition.sink;
        match backend.store.stream(stream).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let what = format!(
                    "stream {stream} exists already: CREATE TABLE with columns makes a table of it, and INSERT adds rows"
                );
                return Err(SqlError::new(SqlErrorKind::TableExists, what).at(at));
            }
        }
        let defaults = self.table_defaults(&path.catalog).await?;
        let ddl = stored_text(create, spec, &defaults.format);
        let publishes = spec.names_streams();
        let mut new = new_table(spec, definition, &defaults, (!publishes).then(|| ddl.clone()))?;
        new.unfinished = true;
        if catalog::create_table(backend, &new).await? != Creation::Created {
            return Err(exists(path, false));
        }
        let columns =
            TargetColumns { table: path.name.clone(), schema: Arc::new(spec.physical_schema()), positions };
        let result = async {
            let rows = self.insert_first(backend, (&path.name, definition), columns, &query).await?;
            match publishes {
                true => catalog::publish(backend, names, before.as_ref(), ddl, stream).await?,
                false => catalog::finish(backend, &new).await?,
            }
            Ok(rows)
        };
        match result.await {
            Ok(rows) => {
                let plural = if rows == 1 { "" } else { "s" };
                let done = if before.is_some() { "replaced" } else { "created" };
                completed(format!("table {} {done} with {rows} row{plural}{note}", path.name))
            }
            Err(error) => {
                // what cannot be removed is no table
                let _ = catalog::drop_unfinished(backend, stream).await;
                Err(error)
            }
        }
    }

    /// Inserts the rows of a query into a table that nothing reads yet, in a transaction.
    async fn insert_first(
        &mut self,
        backend: &CatalogBackend,
        table: (&str, &TableDefinition),
        columns: TargetColumns,
        query: &ParsedQuery,
    ) -> SqlResult<u64> {
        let mut transaction = InsertTransaction::begin(Arc::clone(&backend.store)).await?;
        self.insert_rows(&mut transaction, table, columns, query).await?;
        let Inserted { rows, .. } = transaction.commit().await?;
        Ok(rows)
    }

    /// Creates a table of this session, over streams that are there.
    async fn create_temporary_table(
        &mut self,
        path: TablePath,
        create: CreateTable,
    ) -> SqlResult<StatementResult> {
        if self.temporary.get(&path).is_some() {
            if create.if_not_exists {
                return completed(format!("temporary table {} exists", path.name));
            }
            let what = format!("this session has a temporary table or view {} already", path.name);
            return Err(SqlError::new(SqlErrorKind::TableExists, what));
        }
        let backend = self.catalogs.backend(&path.catalog).await?;
        let defaults = self.table_defaults(&path.catalog).await?;
        let spec = Arc::new(TableSpec::new(create, &defaults)?);
        let definition = self.definition(&path, &backend, &spec, &defaults)?;
        self.check_expressions(&path, &backend, &definition).await?;
        let name = path.name.clone();
        self.temporary.replace(path, Temporary::Table(spec));
        completed(format!("temporary table {name} created"))
    }

    async fn prepare(
        &mut self,
        path: TablePath,
        backend: &CatalogBackend,
        mut create: CreateTable,
    ) -> SqlResult<Prepared> {
        let mut note = "";
        if let Some(format) = implied_format(&create) {
            create.options.push(format);
            note = ", with format debezium-json, which has such metadata";
        }
        let names = (path.database.as_str(), path.name.as_str());
        let names_streams = STREAM_OPTIONS.iter().any(|key| create.options.iter().any(|o| o.key == *key));
        let mut own_stream = None;
        let is_no_stream = async || match StreamId::new(&path.database, &path.name) {
            Err(_) => Ok(true),
            // the stream of the name is that of a renamed table
            Ok(_) => backend.name_status(names).await.map(|status| status == NameStatus::Renamed),
        };
        if !names_streams && is_no_stream().await? {
            let stream = catalog::free_stream_name(backend, &path.database, &path.name).await?;
            create.options.push(option("scan.streams", stream.clone()));
            own_stream = Some(stream);
        }
        let defaults = self.table_defaults(&path.catalog).await?;
        let spec = Arc::new(TableSpec::new(create.clone(), &defaults)?);
        // the columns must be those of the format, whatever is stored
        let definition = self.definition(&path, backend, &spec, &defaults)?;
        routing_key(&spec).map_err(|error| spec.located("sink.routing-key.field.name", error))?;
        self.check_expressions(&path, backend, &definition).await?;
        Ok(Prepared { path, create, spec, definition, own_stream, note })
    }

    fn definition(
        &self,
        path: &TablePath,
        backend: &CatalogBackend,
        spec: &Arc<TableSpec>,
        defaults: &TableDefaults,
    ) -> SqlResult<TableDefinition> {
        let names = (path.database.as_str(), path.name.as_str());
        TableDefinition::of_spec(&backend.library(), names, Arc::clone(spec), defaults)
    }

    /// Returns what the options of a catalog say of its tables.
    pub(crate) async fn table_defaults(&self, catalog: &str) -> SqlResult<TableDefaults> {
        let catalog = self.catalogs.get(catalog).await?;
        Ok(TableDefaults {
            format: catalog.options.format.clone(),
            json: crate::options::json_options(&catalog.options.json)?,
        })
    }

    /// Plans the computed columns and the watermark of a table.
    ///
    /// # Errors
    /// Those of planning, with the column that has the error and its place.
    pub(super) async fn check_expressions(
        &mut self,
        path: &TablePath,
        backend: &CatalogBackend,
        definition: &TableDefinition,
    ) -> SqlResult<()> {
        let Some(spec) = definition.spec.clone() else { return Ok(()) };
        let mut before = TableDefinition { spec: None, ..definition.clone() };
        for column in &spec.columns {
            let SpecColumnKind::Computed(text) = &column.kind else { continue };
            let planned = self.expression_schema(path, backend, &before, text).await;
            planned.map_err(|error| {
                let error =
                    error.without_position().with_context(&format!("computed column {}", column.name));
                column.located(error)
            })?;
        }
        if let Some(watermark) = &spec.create.elements.watermark {
            before.spec = Some(spec.clone());
            let column: Vec<String> =
                watermark.column.parts.iter().map(|part| identifier(part).to_string()).collect();
            let at = watermark.column.position.0;
            for text in [&watermark.expression.text, &column.join(".")] {
                let planned = self.expression_schema(path, backend, &before, text).await;
                let error = match planned {
                    Ok(schema) if schema.fields().iter().all(|f| f.data_type().is_temporal()) => continue,
                    Ok(_) => SqlError::new(
                        SqlErrorKind::TypeMismatch,
                        format!("the watermark {text} is no TIMESTAMP or TIMESTAMP_LTZ"),
                    ),
                    Err(error) => error.without_position().with_context("the watermark"),
                };
                return Err(error.at(at));
            }
        }
        Ok(())
    }

    async fn expression_schema(
        &mut self,
        path: &TablePath,
        backend: &CatalogBackend,
        definition: &TableDefinition,
        text: &str,
    ) -> SqlResult<SchemaRef> {
        let query = parse_query(&format!("SELECT {text} FROM {path}"))?;
        let pending = self.plan(ast::Statement::Query(query.query.value.clone()), None).await?;
        pending.schema(without_events(path.clone(), definition, backend)?).await
    }
}

fn option(key: &str, value: String) -> OptionDef {
    OptionDef { key: key.to_owned(), value, position: Default::default() }
}

/// Returns the error of a CREATE whose name a table or view has.
pub(super) fn exists(path: &TablePath, is_view: bool) -> SqlError {
    let kind = if is_view { "view" } else { "table" };
    let what = format!("database {} has {kind} {} already", path.database, path.name);
    SqlError::new(SqlErrorKind::TableExists, what)
}

/// Returns the format of a table that names none, but has metadata that only events of Debezium have.
fn implied_format(create: &CreateTable) -> Option<OptionDef> {
    let is_of_format = |column: &ColumnDef| {
        let key = match &column.kind {
            ColumnKind::Metadata { from, .. } => from.as_ref().unwrap_or(&column.name),
            _ => return false,
        };
        key.starts_with("from_format.")
    };
    let has_format = create.options.iter().any(|option| option.key == "format");
    let is_implied = !has_format && create.elements.columns.iter().any(is_of_format);
    is_implied.then(|| option("format", "debezium-json".to_owned()))
}

/// Returns the stream of a table, with its group and schemas.
fn new_table(
    spec: &TableSpec,
    definition: &TableDefinition,
    defaults: &TableDefaults,
    ddl: Option<String>,
) -> SqlResult<NewTable> {
    let schemas = registered_schemas(spec, &defaults.format)?.map(|(format, versions)| NewSchemas {
        group: definition.group.clone(),
        format,
        versions,
    });
    let segments = u32::try_from(spec.connector.number("segments")).unwrap_or(1);
    Ok(NewTable { stream: definition.sink.clone(), segments, schemas, ddl, unfinished: false })
}

/// Returns the statement as it is stored: with the table's name alone, without secrets, and with the format,
/// which another catalog may have another default for.
pub(super) fn stored_text(create: &CreateTable, spec: &TableSpec, default_format: &Format) -> String {
    let mut stored = create.clone();
    stored.path.parts = create.path.parts.last().cloned().into_iter().collect();
    stored.if_not_exists = false;
    stored.options.retain(|option| !catalog::has_secret(&option.key, &option.value));
    if spec.has_registry() {
        let format = registry_format(&spec.format.options, default_format).full_name().to_owned();
        let name = spec.format.name.as_str().to_owned();
        for (key, value) in [("format", name), ("pravega-registry.format", format)] {
            if !stored.options.iter().any(|option| option.key == key) {
                stored.options.push(option(key, value));
            }
        }
    }
    stored.to_string()
}
