//! INSERT and statement sets: all rows of a statement in one transaction.

use super::completed;
use crate::catalog::Found;
use crate::dialect::{Insert, ParsedQuery};
use crate::engine::{TablePath, TargetColumns};
use crate::nearest::nearest;
use crate::output::StatementResult;
use crate::session::Session;
use crate::sink::{Conflicts, Constraints, InsertTransaction, Inserted, RoutingKey, TargetStream};
use crate::table::{SpecColumnKind, TableDefinition, TableRows, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

/// The rows of a statement that are not written.
#[derive(Default)]
struct Skipped {
    /// For null in a NOT NULL column.
    nulls: usize,
    /// For the primary key of an earlier row.
    conflicts: usize,
}

impl Session {
    pub(super) async fn insert(&mut self, inserts: Vec<Insert>) -> SqlResult<StatementResult> {
        let mut transaction: Option<(String, InsertTransaction)> = None;
        let mut left_out = Skipped::default();
        for insert in inserts {
            let (path, definition) = self.insert_target(&insert).await?;
            let store = self.catalogs.backend(&path.catalog).await?.store;
            let columns = target_columns(&insert, &definition)?;
            if transaction.is_none() {
                transaction = Some((path.catalog.clone(), InsertTransaction::begin(store).await?));
            }
            let Some((catalog, transaction)) = &mut transaction else { return Err(SqlError::internal()) };
            if *catalog != path.catalog {
                let what = format!("a statement set over catalogs {catalog} and {}", path.catalog);
                return Err(SqlError::not_supported(what));
            }
            let conflicts = self.conflicts(&insert, &path.name, &definition, &columns.schema)?;
            let table = (path.name.as_str(), &*definition);
            let rows = self.write_rows(transaction, table, columns, (&insert.query, conflicts));
            let more = rows.await.map_err(|error| match (error.position(), error.kind()) {
                (None, SqlErrorKind::InvalidQuery | SqlErrorKind::TypeMismatch) => {
                    error.at(insert.query.position.0)
                }
                _ => error,
            })?;
            left_out.nulls += more.nulls;
            left_out.conflicts += more.conflicts;
        }
        let Some((_, transaction)) = transaction else { return Err(SqlError::internal()) };
        let Inserted { rows, .. } = transaction.commit().await?;
        let plural = if rows == 1 { "" } else { "s" };
        let mut message = format!("{rows} row{plural} inserted");
        for (count, reason) in [
            (left_out.nulls, "dropped for null in a NOT NULL column"),
            (left_out.conflicts, "left out for the primary key of an earlier row"),
        ] {
            if count > 0 {
                message.push_str(&format!(", {count} {reason}"));
            }
        }
        completed(message)
    }

    /// Returns the table that an INSERT writes to.
    ///
    /// # Errors
    /// `InvalidQuery` for a view, and those of the look-up.
    pub(super) async fn insert_target(
        &self,
        insert: &Insert,
    ) -> SqlResult<(TablePath, Box<TableDefinition>)> {
        let position = insert.path.position.0;
        let (path, found) = self.find(&insert.path.parts).await.map_err(|error| error.at(position))?;
        match found {
            Found::Table(definition) => Ok((path, definition)),
            Found::View(_) => {
                let what = format!("{} is a view: rows are inserted into its tables", path.name);
                Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position))
            }
        }
    }

    /// Writes the rows of a query to a new table in a transaction.
    pub(super) async fn insert_rows(
        &mut self,
        transaction: &mut InsertTransaction,
        table: (&str, &TableDefinition),
        columns: TargetColumns,
        query: &ParsedQuery,
    ) -> SqlResult<()> {
        self.write_rows(transaction, table, columns, (query, None)).await.map(drop)
    }

    async fn write_rows(
        &mut self,
        transaction: &mut InsertTransaction,
        (name, definition): (&str, &TableDefinition),
        columns: TargetColumns,
        (query, mut conflicts): (&ParsedQuery, Option<Conflicts>),
    ) -> SqlResult<Skipped> {
        let types = definition.spec.as_deref().map(TableSpec::physical_types).unwrap_or_default();
        let constraints = Constraints::new(name, Arc::clone(&columns.schema), types, &self.settings)?;
        let mut target = target_stream(definition).await?;
        let statement = ast::Statement::Query(query.query.value.clone());
        let mut rows = self.start_query(statement, query, Some(columns)).await?;
        let mut left_out = Skipped::default();
        while let Some(batch) = rows.next().await? {
            let count = batch.num_rows();
            let mut batch = constraints.apply(&batch)?;
            left_out.nulls += count - batch.num_rows();
            if let Some(conflicts) = &mut conflicts {
                let count = batch.num_rows();
                batch = conflicts.apply(batch)?;
                left_out.conflicts += count - batch.num_rows();
            }
            transaction.write(&mut target, &batch, None).await?;
            self.progress.add_written(batch.num_rows());
        }
        Ok(left_out)
    }

    /// Returns what ON CONFLICT of a statement does.
    ///
    /// # Errors
    /// `InvalidQuery` for a table whose rows do not replace each other.
    fn conflicts(
        &mut self,
        insert: &Insert,
        table: &str,
        definition: &TableDefinition,
        schema: &SchemaRef,
    ) -> SqlResult<Option<Conflicts>> {
        let Some(conflict) = &insert.on_conflict else { return Ok(None) };
        let refused = |what: String| SqlError::new(SqlErrorKind::InvalidQuery, what).at(conflict.position.0);
        if definition.key.is_empty() {
            return Err(refused(format!(
                "ON CONFLICT needs a primary key, which table {table} does not have"
            )));
        }
        if matches!(&definition.rows, TableRows::Events { format, .. } if !format.is_change_log()) {
            return Err(refused(format!(
                "ON CONFLICT needs a table whose rows replace each other, but the format of table {table} only adds rows"
            )));
        }
        let key = definition.key.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        let memory = self.engine()?.reservation("primary keys of ON CONFLICT");
        let conflicts = Conflicts::new(table, conflict.action, schema, key, memory);
        conflicts.map_err(|error| error.at(conflict.position.0))
    }
}

/// Returns the columns that are written, and which column of the query each has.
pub(super) fn target_columns(insert: &Insert, definition: &TableDefinition) -> SqlResult<TargetColumns> {
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
                    let known = schema.fields().iter().map(|field| field.name().as_str());
                    let hint = match nearest(&name, known.clone()) {
                        Some(nearest) => format!("did you mean {nearest}?"),
                        None => format!("it has {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    let what = format!("table {table} has no column {name} to write: {hint}");
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

pub(super) async fn target_stream(definition: &TableDefinition) -> SqlResult<TargetStream> {
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
