//! Statements about tables.

use super::catalog::shown;
use super::completed;
use super::insert::routing_key;
use super::listing::{is_like, list, list_like};
use crate::catalog::{self, CatalogBackend, Creation, NewSchemas, NewTable};
use crate::data_types::type_name;
use crate::dialect::{ColumnDef, ColumnKind, CreateTable, LikePattern, OptionDef, Path};
use crate::engine::TablePath;
use crate::output::StatementResult;
use crate::session::{Catalog, Session};
use crate::table::{SpecColumnKind, TableDefinition, TableSpec, registry_format, registry_schema};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema};
use kulya_schema::Format;
use kulya_store::StreamId;
use std::sync::Arc;

/// The options that name streams.
const STREAM_OPTIONS: [&str; 3] = ["scope", "scan.streams", "sink.stream"];

impl Session {
    pub(super) async fn create_table(&self, mut create: CreateTable) -> SqlResult<StatementResult> {
        for (is_used, what) in [
            (create.temporary, "CREATE TEMPORARY TABLE"),
            (create.or_replace, "CREATE OR REPLACE TABLE"),
            (create.like.is_some(), "CREATE TABLE … LIKE"),
            (create.query.is_some(), "CREATE TABLE … AS"),
        ] {
            if is_used {
                return Err(SqlError::not_supported(what));
            }
        }
        let path = self.catalogs.table_path(&create.path.parts)?;
        let catalog = self.catalogs.get(&path.catalog)?;
        catalog.backend.check_database(&path.catalog, &path.database).await?;
        let mut note = "";
        if let Some(format) = implied_format(&create) {
            create.options.push(format);
            note = ", with format debezium-json, which has such metadata";
        }
        let names_streams = STREAM_OPTIONS.iter().any(|key| create.options.iter().any(|o| o.key == *key));
        let mut own_stream = None;
        if !names_streams && StreamId::new(&path.database, &path.name).is_err() {
            let stream = catalog::free_stream_name(&catalog.backend, &path.database, &path.name).await?;
            let (key, value) = ("scan.streams".to_owned(), stream.clone());
            create.options.push(OptionDef { key, value, position: Default::default() });
            own_stream = Some(stream);
        }
        let spec = Arc::new(TableSpec::new(&create)?);
        // the columns must be those of the format, whatever is stored
        let names = (path.database.as_str(), path.name.as_str());
        let registry = &catalog.backend.registry;
        let definition = TableDefinition::of_spec(registry, names, Arc::clone(&spec), &catalog.format)?;
        routing_key(&spec)?;
        let ddl = stored_text(&create, &spec, &catalog.format);
        let creation = match spec.names_streams() {
            true => {
                let created = catalog::create_naming_table(&catalog.backend, names, ddl, own_stream).await?;
                if created == Creation::Created {
                    // if it is there, it stays as it is
                    create_stream(catalog, &spec, &definition, None).await?;
                }
                created
            }
            false => create_stream(catalog, &spec, &definition, Some(ddl)).await?,
        };
        let name = &path.name;
        match creation {
            Creation::Created => completed(format!("table {name} created{note}")),
            Creation::Exists if create.if_not_exists => completed(format!("table {name} exists")),
            Creation::Exists => {
                let what = format!("database {} has table {name} already", path.database);
                Err(SqlError::new(SqlErrorKind::TableExists, what))
            }
        }
    }

    pub(super) async fn drop_table(&self, path: &Path, if_exists: bool) -> SqlResult<StatementResult> {
        let (path, backend) = self.table_backend(path)?;
        backend.check_database(&path.catalog, &path.database).await?;
        if catalog::drop_table(backend, (&path.database, &path.name)).await? {
            return completed(format!("table {} dropped", path.name));
        }
        let TablePath { database, name, .. } = path;
        if if_exists {
            return completed(format!("table {name} does not exist"));
        }
        let what = format!("database {database} has no table {name}: SHOW TABLES lists them");
        Err(SqlError::new(SqlErrorKind::UnknownTable, what))
    }

    pub(super) async fn show_tables(
        &self,
        from: Option<&Path>,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let (catalog, database) = match from {
            Some(path) => self.catalogs.database_path(&path.parts)?,
            None => (self.catalogs.current.clone(), self.catalogs.current_database()?.to_owned()),
        };
        let backend = self.catalogs.backend(&catalog)?;
        backend.check_database(&catalog, &database).await?;
        list_like("table name", backend.tables(&database).await?, like)
    }

    pub(super) async fn describe_table(&self, path: &Path) -> SqlResult<StatementResult> {
        self.columns(path, None).await
    }

    pub(super) async fn show_columns(
        &self,
        path: &Path,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        self.columns(path, like).await
    }

    /// Returns the columns of a table as Flink's DESCRIBE does.
    async fn columns(&self, path: &Path, like: Option<&LikePattern>) -> SqlResult<StatementResult> {
        let (_, table) = self.find_table(&path.parts).await?;
        let key = |name: &String| match table.key.contains(name) {
            true => format!("PRI({})", table.key.join(", ")),
            false => String::new(),
        };
        let row = |name: &String, type_name: String, nullable: bool, extras: String| {
            vec![name.clone(), type_name, nullable.to_string(), key(name), extras, String::new()]
        };
        let of_field = |field: &Field, extras| {
            row(field.name(), type_name(field.data_type()), field.is_nullable(), extras)
        };
        let rows: Vec<Vec<String>> = match &table.spec {
            None => table.schema.fields().iter().map(|field| of_field(field, String::new())).collect(),
            Some(spec) => spec
                .columns
                .iter()
                .map(|column| match &column.kind {
                    SpecColumnKind::Physical { flink, .. } => {
                        row(&column.name, flink.kind.to_string(), flink.nullable, String::new())
                    }
                    SpecColumnKind::Metadata { key, field } if *key == column.name => {
                        of_field(field, "METADATA VIRTUAL".to_owned())
                    }
                    SpecColumnKind::Metadata { key, field } => {
                        of_field(field, format!("METADATA FROM '{key}' VIRTUAL"))
                    }
                    SpecColumnKind::Computed(text) => {
                        row(&column.name, String::new(), true, format!("AS {text}"))
                    }
                })
                .collect(),
        };
        let rows: Vec<_> =
            rows.into_iter().filter(|row| row.first().is_some_and(|name| is_like(name, like))).collect();
        StatementResult::text_rows(&["name", "type", "null", "key", "extras", "watermark"], &rows)
    }

    pub(super) async fn show_create_table(&self, path: &Path) -> SqlResult<StatementResult> {
        let (full, table) = self.find_table(&path.parts).await?;
        let TablePath { catalog, database, name } = &full;
        let text = match &table.spec {
            Some(spec) => {
                spec.text.replacen(&format!("`{name}`"), &format!("`{catalog}`.`{database}`.`{name}`"), 1)
            }
            None => derived_text(&full, &table.schema, &table.key),
        };
        list("result", [text])
    }

    fn table_backend(&self, path: &Path) -> SqlResult<(TablePath, &CatalogBackend)> {
        let path = self.catalogs.table_path(&path.parts)?;
        let backend = self.catalogs.backend(&path.catalog)?;
        Ok((path, backend))
    }

    /// Looks a table up: its full path and its definition.
    pub(super) async fn find_table(&self, parts: &[String]) -> SqlResult<(TablePath, TableDefinition)> {
        let path = self.catalogs.table_path(parts)?;
        let names = (path.database.as_str(), path.name.as_str());
        let found = match self.catalogs.get(&path.catalog) {
            Ok(catalog) => catalog::find_table(&catalog.backend, &catalog.format, &path.catalog, names).await,
            Err(error) => Err(error),
        };
        let with_hint = |error: SqlError| match parts {
            // names of streams of captured tables contain dots
            [_, _, ..] if !self.catalogs.by_name.is_empty() => {
                let name = parts.join(".");
                error.hint(&format!("if {name} is one name, quote it in backticks: `{name}`"))
            }
            _ => error,
        };
        let found = found.map_err(with_hint)?;
        Ok((path, found))
    }
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
    (!has_format && create.elements.columns.iter().any(is_of_format)).then(|| OptionDef {
        key: "format".to_owned(),
        value: "debezium-json".to_owned(),
        position: Default::default(),
    })
}

/// Creates the stream of a table, with its group and schemas.
async fn create_stream(
    catalog: &Catalog,
    spec: &TableSpec,
    definition: &TableDefinition,
    ddl: Option<String>,
) -> SqlResult<Creation> {
    let schemas = match spec.has_registry() {
        true => {
            let format = registry_format(&spec.format.options, &catalog.format);
            let exact = spec.physical_schema();
            let nullable = Schema::new(
                exact.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
            );
            let mut versions = vec![registry_schema(&exact, &format)?];
            // Flink reads NOT NULL as nullable and looks for that schema; its catalog takes the last one
            let of_flink = registry_schema(&nullable, &format)?;
            if versions.first() != Some(&of_flink) {
                versions.push(of_flink);
            }
            Some(NewSchemas { group: definition.group.clone(), format, versions })
        }
        false => None,
    };
    let stream = definition.sink.clone();
    let segments = u32::try_from(spec.connector.number("segments")).unwrap_or(1);
    catalog::create_table(&catalog.backend, &NewTable { stream, segments, schemas, ddl }).await
}

/// Returns the statement as it is stored: with the table's name alone, without secrets, and with the format,
/// which another catalog may have another default for.
fn stored_text(create: &CreateTable, spec: &TableSpec, default_format: &Format) -> String {
    let mut stored = create.clone();
    stored.path.parts = create.path.parts.last().cloned().into_iter().collect();
    stored.if_not_exists = false;
    stored.options.retain(|option| shown(&option.key, "") != "******");
    if spec.has_registry() {
        let format = registry_format(&spec.format.options, default_format).full_name().to_owned();
        for (key, value) in [("format", spec.format.name.to_owned()), ("pravega-registry.format", format)] {
            if !stored.options.iter().any(|option| option.key == key) {
                stored.options.push(OptionDef { key: key.to_owned(), value, position: Default::default() });
            }
        }
    }
    stored.to_string()
}

/// Returns a CREATE TABLE with the columns of a table that follows from its group.
fn derived_text(path: &TablePath, schema: &Schema, key: &[String]) -> String {
    let TablePath { catalog, database, name } = path;
    let column = |field: &Arc<Field>| {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        format!("  `{}` {}{null}", field.name(), type_name(field.data_type()))
    };
    let mut lines: Vec<String> = schema.fields().iter().map(column).collect();
    if !key.is_empty() {
        let key: Vec<String> = key.iter().map(|name| format!("`{name}`")).collect();
        lines.push(format!("  PRIMARY KEY ({}) NOT ENFORCED", key.join(", ")));
    }
    format!("CREATE TABLE `{catalog}`.`{database}`.`{name}` (\n{}\n)", lines.join(",\n"))
}
