//! DESCRIBE, SHOW COLUMNS, SHOW CREATE TABLE and SHOW CREATE VIEW.

use super::listing::{is_like, list};
use crate::catalog::Found;
use crate::data_types::type_name;
use crate::dialect::{
    CreateTable, CreateView, LikePattern, OptionDef, Path, identifier, parse_create_table, parse_query,
};
use crate::engine::TablePath;
use crate::output::StatementResult;
use crate::session::Session;
use crate::table::{SpecColumn, SpecColumnKind, TableDefinition};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// A column as Flink's DESCRIBE shows it.
struct DescribedColumn {
    name: String,
    type_name: String,
    nullable: bool,
    extras: String,
    watermark: String,
    comment: Option<String>,
}

impl DescribedColumn {
    fn of_field(field: &Field, extras: String) -> Self {
        Self {
            name: field.name().clone(),
            type_name: type_name(field.data_type()),
            nullable: field.is_nullable(),
            extras,
            watermark: String::new(),
            comment: None,
        }
    }

    fn of_spec(column: &SpecColumn, planned: Option<&Schema>) -> Self {
        let mut described = match &column.kind {
            SpecColumnKind::Physical { flink, field } => Self {
                type_name: flink.kind.to_string(),
                nullable: flink.nullable,
                ..Self::of_field(field, String::new())
            },
            SpecColumnKind::Metadata { key, field, is_virtual } => {
                let from = if *key == column.name { String::new() } else { format!(" FROM '{key}'") };
                let end = if *is_virtual { " VIRTUAL" } else { "" };
                Self::of_field(field, format!("METADATA{from}{end}"))
            }
            SpecColumnKind::Computed(text) => {
                let field = planned.and_then(|schema| schema.field_with_name(&column.name).ok());
                let mut described = Self {
                    name: column.name.clone(),
                    type_name: field.map(|field| type_name(field.data_type())).unwrap_or_default(),
                    nullable: field.is_none_or(Field::is_nullable),
                    extras: String::new(),
                    watermark: String::new(),
                    comment: None,
                };
                described.extras = format!("AS {text}");
                described
            }
        };
        described.comment = column.comment.clone();
        described
    }
}

impl Session {
    /// Returns the columns of a table or view as Flink's DESCRIBE does; a column of comments is there if any
    /// column has one.
    pub(super) async fn columns(
        &mut self,
        path: &Path,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let (full, found) = self.find(&path.parts).await.map_err(|error| error.at(position))?;
        let (columns, key) = match found {
            Found::View(_) => {
                let described = self.described_view(&full).await;
                (described.map_err(|error| error.at(position))?, Vec::new())
            }
            Found::Table(table) => {
                let described = self.described_table(&full, &table).await;
                (described.map_err(|error| error.at(position))?, table.key)
            }
        };
        let has_comments = columns.iter().any(|column| column.comment.is_some());
        let row = |column: DescribedColumn| {
            let of_key = match key.contains(&column.name) {
                true => format!("PRI({})", key.join(", ")),
                false => String::new(),
            };
            let null = column.nullable.to_string();
            let mut row = vec![column.name, column.type_name, null, of_key, column.extras, column.watermark];
            if has_comments {
                row.push(column.comment.unwrap_or_default());
            }
            row
        };
        let rows: Vec<Vec<String>> =
            columns.into_iter().filter(|column| is_like(&column.name, like)).map(row).collect();
        let names = ["name", "type", "null", "key", "extras", "watermark", "comment"];
        let names = names.get(..if has_comments { 7 } else { 6 }).unwrap_or(&names);
        StatementResult::text_rows(names, &rows)
    }

    async fn described_view(&mut self, path: &TablePath) -> SqlResult<Vec<DescribedColumn>> {
        let schema = self.schema_of(path).await?;
        let fields = schema.fields().iter();
        Ok(fields.map(|field| DescribedColumn::of_field(field, String::new())).collect())
    }

    async fn described_table(
        &mut self,
        path: &TablePath,
        table: &TableDefinition,
    ) -> SqlResult<Vec<DescribedColumn>> {
        let Some(spec) = &table.spec else {
            let fields = table.schema.fields().iter();
            return Ok(fields.map(|field| DescribedColumn::of_field(field, String::new())).collect());
        };
        let is_computed = |column: &SpecColumn| matches!(column.kind, SpecColumnKind::Computed(_));
        let planned = match spec.columns.iter().any(is_computed) {
            true => Some(self.schema_of(path).await?),
            false => None,
        };
        let described = |column| DescribedColumn::of_spec(column, planned.as_deref());
        let mut columns: Vec<DescribedColumn> = spec.columns.iter().map(described).collect();
        if let Some(watermark) = &spec.create.elements.watermark
            && let Some(column) =
                columns.iter_mut().find(|column| Some(&column.name) == watermark.column.parts.first())
        {
            column.watermark.clone_from(&watermark.expression.text);
        }
        Ok(columns)
    }

    /// Returns the columns of a table or view by planning a query of it.
    async fn schema_of(&mut self, path: &TablePath) -> SqlResult<SchemaRef> {
        let query = parse_query(&format!("SELECT * FROM {path}"))?;
        // the places are not those of the user's statement
        self.query_schema(&query, None).await.map_err(SqlError::without_position)
    }

    pub(super) async fn show_create_table(&self, path: &Path) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let (full, found) = self.find(&path.parts).await.map_err(|error| error.at(position))?;
        let Found::Table(table) = found else {
            let what = format!("{} is a view: SHOW CREATE VIEW shows it", full.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        };
        let mut create = match &table.spec {
            Some(spec) => spec.create.clone(),
            None => derived(&full, &table)?,
        };
        create.path.parts = vec![full.catalog, full.database, full.name];
        list("result", [create.to_string()])
    }

    pub(super) async fn show_create_view(&self, path: &Path) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let (full, found) = self.find(&path.parts).await.map_err(|error| error.at(position))?;
        let Found::View(view) = found else {
            let what = format!("{} is a table: SHOW CREATE TABLE shows it", full.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        };
        let mut view = CreateView { temporary: self.temporary.get(&full).is_some(), ..*view };
        view.path.parts = vec![full.catalog, full.database, full.name];
        list("result", [view.to_string()])
    }

    /// Returns the statement that makes a table: the one that was stored, or one with the columns that
    /// follow from its group. A stream that was made for the table is not one that the statement names.
    pub(super) async fn create_of(
        &self,
        path: &TablePath,
        table: &TableDefinition,
    ) -> SqlResult<CreateTable> {
        let Some(spec) = &table.spec else { return derived(path, table) };
        let mut create = spec.create.clone().without_positions();
        let backend = self.catalogs.backend(&path.catalog).await?;
        let names = (path.database.as_str(), path.name.as_str());
        let own = match self.temporary.get(path) {
            None => crate::catalog::table_before(&backend, names).await?.stored.stream,
            Some(_) => None,
        };
        if let Some(own) = own {
            let is_own = |option: &OptionDef| {
                matches!(option.key.as_str(), "scan.streams" | "sink.stream") && option.value == own
            };
            create.options.retain(|option| !is_own(option));
        }
        Ok(create)
    }
}

/// Returns a CREATE TABLE with the columns of a table that follows from its group.
fn derived(path: &TablePath, table: &TableDefinition) -> SqlResult<CreateTable> {
    let column = |field: &Arc<Field>| {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        format!("{} {}{null}", identifier(field.name()), type_name(field.data_type()))
    };
    let mut lines: Vec<String> = table.schema.fields().iter().map(column).collect();
    if !table.key.is_empty() {
        let key: Vec<String> = table.key.iter().map(|name| identifier(name).to_string()).collect();
        lines.push(format!("PRIMARY KEY ({}) NOT ENFORCED", key.join(", ")));
    }
    let options = match &table.derived_format {
        Some(format) => format!(
            " WITH ('format' = 'pravega-registry', 'pravega-registry.format' = '{}')",
            format.full_name()
        ),
        None => String::new(),
    };
    let text = format!("CREATE TABLE {} ({}){options}", identifier(&path.name), lines.join(", "));
    parse_create_table(&text).map(CreateTable::without_positions).map_err(|error| {
        let what = format!("table {} has a column without a type of Flink: {error}", path.name);
        SqlError::new(SqlErrorKind::NotSupported, what)
    })
}
