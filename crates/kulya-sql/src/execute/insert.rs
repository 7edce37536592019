//! INSERT and statement sets: all rows of a statement in one transaction.

use super::completed;
use crate::dialect::Insert;
use crate::engine::TargetColumns;
use crate::output::StatementResult;
use crate::session::Session;
use crate::sink::{InsertTransaction, Inserted, RoutingKey, TargetStream, convert};
use crate::table::{SpecColumnKind, TableDefinition, TableRows, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

/// The setting that says what becomes of a row with null in a NOT NULL column.
const NOT_NULL: &str = "table.exec.sink.not-null-enforcer";

impl Session {
    pub(super) async fn insert(&mut self, inserts: Vec<Insert>) -> SqlResult<StatementResult> {
        let drops_nulls = self.settings.get(NOT_NULL) == "drop";
        let mut transaction: Option<(String, InsertTransaction)> = None;
        let mut dropped = 0;
        for insert in inserts {
            let (path, definition) = self.find_table(&insert.path.parts).await?;
            let store = Arc::clone(&self.catalogs.backend(&path.catalog)?.store);
            let target_columns = target_columns(&insert, &definition)?;
            let mut target = target_stream(&definition).await?;
            if transaction.is_none() {
                transaction = Some((path.catalog.clone(), InsertTransaction::begin(store).await?));
            }
            let Some((catalog, transaction)) = &mut transaction else { return Err(SqlError::internal()) };
            if *catalog != path.catalog {
                let what = format!("a statement set over catalogs {catalog} and {}", path.catalog);
                return Err(SqlError::not_supported(what));
            }
            let statement = ast::Statement::Query(insert.query.query.value.clone());
            let schema = Arc::clone(&target_columns.schema);
            let mut rows = self.start_query(statement, &insert.query, Some(target_columns)).await?;
            while let Some(batch) = rows.next().await? {
                let count = batch.num_rows();
                let batch = without_nulls(&batch, &schema, &path.name, drops_nulls)?;
                dropped += count - batch.num_rows();
                transaction.write(&mut target, &batch, None).await?;
            }
        }
        let Some((_, transaction)) = transaction else { return Err(SqlError::internal()) };
        let Inserted { rows, .. } = transaction.commit().await?;
        let plural = if rows == 1 { "" } else { "s" };
        completed(match dropped {
            0 => format!("{rows} row{plural} inserted"),
            dropped => {
                format!("{rows} row{plural} inserted, {dropped} dropped for null in a NOT NULL column")
            }
        })
    }
}

/// Returns the columns that are written, and which column of the query each has.
fn target_columns(insert: &Insert, definition: &TableDefinition) -> SqlResult<TargetColumns> {
    let (table, position) = (insert.path.parts.join("."), insert.position.0);
    if insert.overwrite {
        return Err(SqlError::not_supported("INSERT OVERWRITE").at(position));
    }
    if !insert.partition.is_empty() {
        return Err(SqlError::not_supported("INSERT … PARTITION").at(position));
    }
    if let Some(option) = insert.options.first() {
        let what = format!("option '{}' in a hint of INSERT", option.key);
        return Err(SqlError::not_supported(what).at(option.position.0));
    }
    let schema = written_schema(definition);
    let positions = match insert.columns.as_slice() {
        [] => (0..schema.fields().len()).map(Some).collect(),
        named => {
            let mut positions = vec![None; schema.fields().len()];
            for (number, path) in named.iter().enumerate() {
                let name = path.parts.join(".");
                let column = schema.index_of(&name).map_err(|_| {
                    let what = format!("table {table} has no column {name} to write");
                    SqlError::new(SqlErrorKind::UnknownColumn, what).at(path.position.0)
                })?;
                if let Some(place) = positions.get_mut(column)
                    && place.replace(number).is_some()
                {
                    let what = format!("column {name} is named twice");
                    return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(path.position.0));
                }
            }
            positions
        }
    };
    Ok(TargetColumns { table, schema, positions })
}

/// Returns the columns of the events: metadata and computed columns are not written.
fn written_schema(definition: &TableDefinition) -> SchemaRef {
    match (&definition.spec, &definition.rows) {
        (Some(spec), _) => Arc::new(spec.physical_schema()),
        (None, TableRows::Events { format, .. }) => format.schema(),
        (None, TableRows::Changelog { .. }) => Arc::clone(&definition.schema),
    }
}

async fn target_stream(definition: &TableDefinition) -> SqlResult<TargetStream> {
    let TableRows::Events { format, .. } = &definition.rows else {
        let what = format!(
            "stream {} has the changes of a database's table, which a capture writes: insert into the database",
            definition.sink
        );
        return Err(SqlError::new(SqlErrorKind::NotSupported, what));
    };
    let encoder = format.encoder().await?;
    let routing = match definition.spec.as_deref() {
        Some(spec) => routing_key(spec)?,
        None => RoutingKey::None,
    };
    Ok(TargetStream { stream: definition.sink.clone(), encoder, routing })
}

/// Returns the routing key of a table's rows.
///
/// # Errors
/// `UnknownColumn`, `TypeMismatch` for the option's column.
pub(super) fn routing_key(spec: &TableSpec) -> SqlResult<RoutingKey> {
    let physical = spec.physical_schema();
    if let Some(name) = spec.connector.get("sink.routing-key.field.name") {
        return RoutingKey::field(&physical, name);
    }
    if spec.key.is_empty() {
        return Ok(RoutingKey::None);
    }
    let is_physical = |name: &&String| {
        spec.columns
            .iter()
            .any(|column| column.name == **name && matches!(column.kind, SpecColumnKind::Physical { .. }))
    };
    let index = |name: &String| physical.index_of(name).ok();
    Ok(RoutingKey::Columns(spec.key.iter().filter(is_physical).filter_map(index).collect()))
}

/// Returns the rows with the table's schema, without rows that have null in a NOT NULL column.
///
/// # Errors
/// `NullValue` for such a row, unless they are dropped.
fn without_nulls(
    rows: &RecordBatch,
    schema: &Schema,
    table: &str,
    drops_nulls: bool,
) -> SqlResult<RecordBatch> {
    let required = schema.fields().iter().zip(rows.columns()).filter(|(field, _)| !field.is_nullable());
    let mut kept: Option<Vec<bool>> = None;
    for (field, column) in required {
        if column.logical_null_count() == 0 {
            continue;
        }
        if !drops_nulls {
            let what = format!(
                "table {table}: column {} is NOT NULL, but a row has null; SET '{NOT_NULL}' = 'drop' leaves such rows out",
                field.name()
            );
            return Err(SqlError::new(SqlErrorKind::NullValue, what));
        }
        let kept = kept.get_or_insert_with(|| vec![true; rows.num_rows()]);
        kept.iter_mut().enumerate().for_each(|(row, keeps)| *keeps &= column.is_valid(row));
    }
    let failed = |e: arrow::error::ArrowError| SqlError::internal().because(e);
    let rows = match kept {
        Some(kept) => filter_record_batch(rows, &BooleanArray::from(kept)).map_err(failed)?,
        None => rows.clone(),
    };
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| convert(column, field.data_type()));
    let columns = columns.collect::<SqlResult<Vec<_>>>()?;
    RecordBatch::try_new(Arc::new(schema.clone()), columns).map_err(failed)
}
