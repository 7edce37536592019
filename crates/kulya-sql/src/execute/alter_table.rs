//! ALTER TABLE.

use super::completed;
use super::create_table::stored_text;
use super::insert::routing_key;
use crate::catalog::{self, CatalogBackend, Found, NewDefinition};
use crate::dialect::{AlterTable, CreateTable, OptionDef, Path, Position};
use crate::engine::TablePath;
use crate::output::StatementResult;
use crate::session::Session;
use crate::table::{Events, TableDefinition, TableRows, TableSpec, altered, registered_schemas};
use crate::{SqlError, SqlErrorKind, SqlResult};
use std::sync::Arc;

impl Session {
    pub(super) async fn alter_table(
        &mut self,
        path: &Path,
        if_exists: bool,
        change: AlterTable,
    ) -> SqlResult<StatementResult> {
        let at = path.position.0;
        let (full, found) = match self.find(&path.parts).await {
            Err(error) if if_exists && error.kind() == SqlErrorKind::UnknownTable => {
                return completed(format!("table {} does not exist", path.to_name()));
            }
            found => found.map_err(|error| error.at(at))?,
        };
        let Found::Table(table) = found else {
            let what = format!("{} is a view: ALTER VIEW changes it", full.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(at));
        };
        let name = full.name.clone();
        if self.temporary.get(&full).is_some() {
            let what = format!("ALTER of temporary table {name}: drop it and create it again; this");
            return Err(SqlError::not_supported(what).at(at));
        }
        if table.is_captured || matches!(table.rows, TableRows::Changelog { .. }) {
            let what = format!(
                "table {name} has the changes of a database's table, whose columns it has: change that one"
            );
            return Err(SqlError::new(SqlErrorKind::InUse, what).at(at));
        }
        let backend = self.catalogs.backend(&full.catalog).await?;
        match change {
            AlterTable::Rename(new) => self.rename_table(&full, &backend, &table, &new).await,
            change => self.change_table(&full, &backend, *table, change, at).await,
        }
    }

    async fn change_table(
        &mut self,
        path: &TablePath,
        backend: &CatalogBackend,
        table: TableDefinition,
        change: AlterTable,
        at: Position,
    ) -> SqlResult<StatementResult> {
        let names = (path.database.as_str(), path.name.as_str());
        let before = catalog::table_before(backend, names).await?;
        let defaults = self.table_defaults(&path.catalog).await?;
        let present = self.stored_create(path, &table).await?;
        let events = events(backend, &table).await?;
        let create = altered(&present, change, events, at)?;
        let spec = Arc::new(TableSpec::new(create.clone(), &defaults)?);
        let definition = TableDefinition::of_spec(&backend.library(), names, Arc::clone(&spec), &defaults)?;
        routing_key(&spec).map_err(|error| spec.located("sink.routing-key.field.name", error))?;
        self.check_expressions(path, backend, &definition).await?;
        let names_streams = spec.names_streams();
        let own = before.stored.stream.as_ref();
        if before.stored.names_streams && !names_streams && own != Some(&path.name) {
            let what =
                format!("table {} has no stream of its name: it needs option 'scan.streams'", path.name);
            return Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(at));
        }
        let physical = spec.physical_schema();
        let before_physical = match &table.spec {
            Some(spec) => spec.physical_schema(),
            None => table.schema.as_ref().clone(),
        };
        let schemas = match physical != before_physical {
            true => registered_schemas(&spec, &defaults.format)?
                .map(|(_, versions)| (definition.group.clone(), versions)),
            false => None,
        };
        let present = match &table.spec {
            Some(_) => None,
            None => {
                let spec = TableSpec::new(present.clone(), &defaults)?;
                Some(stored_text(&present, &spec, &defaults.format))
            }
        };
        let ddl = stored_text(&create, &spec, &defaults.format);
        let new = NewDefinition { present, ddl, names_streams, schemas };
        let changed = catalog::change_table(backend, names, &before, new).await;
        changed.map_err(|error| match error.kind() {
            SqlErrorKind::Incompatible => {
                error.with_context(&format!("table {} is not changed", path.name)).at(at)
            }
            _ => error,
        })?;
        completed(format!("table {} changed", path.name))
    }

    async fn rename_table(
        &mut self,
        path: &TablePath,
        backend: &CatalogBackend,
        table: &TableDefinition,
        new: &Path,
    ) -> SqlResult<StatementResult> {
        let new_name = self.new_name(path, new)?;
        let names = (path.database.as_str(), path.name.as_str());
        let before = catalog::table_before(backend, names).await?;
        let defaults = self.table_defaults(&path.catalog).await?;
        let mut create = self.stored_create(path, table).await?;
        create.path.parts = vec![new_name.clone()];
        if !before.stored.names_streams {
            let (key, value) = ("scan.streams".to_owned(), path.name.clone());
            create.options.push(OptionDef { key, value, position: Default::default() });
        }
        let spec = TableSpec::new(create.clone(), &defaults)?;
        let ddl = stored_text(&create, &spec, &defaults.format);
        let renamed = catalog::rename_table(backend, names, &new_name, &before, ddl).await;
        renamed.map_err(|error| match error.kind() {
            SqlErrorKind::TableExists => error.at(new.position.0),
            _ => error,
        })?;
        completed(format!("table {} renamed to {new_name}", path.name))
    }

    /// Returns the statement that is kept of a table, with the streams that it names.
    async fn stored_create(&self, path: &TablePath, table: &TableDefinition) -> SqlResult<CreateTable> {
        match &table.spec {
            Some(spec) => Ok(spec.create.clone()),
            None => self.create_of(path, table).await,
        }
    }
}

/// Returns what events a table has.
async fn events(backend: &CatalogBackend, table: &TableDefinition) -> SqlResult<Events> {
    let tails = backend.store.tails(&table.streams).await?;
    if tails.streams.iter().flatten().all(|segment| segment.head == segment.tail) {
        return Ok(Events::None);
    }
    let is_positional = |spec: &TableSpec| match spec.format.name.as_str() {
        "csv" => true,
        // the fields have the numbers of the columns
        "protobuf" => spec.format.options.get("descriptor-set").is_none(),
        _ => false,
    };
    let is_positional = table.spec.as_deref().is_some_and(is_positional);
    Ok(if is_positional { Events::Positional } else { Events::Named })
}
