//! Whether a captured table still has the columns that a running query reads: the source may change it at
//! any time.

use super::definition::{TableDefinition, TableRows, rows_of};
use crate::scan::{EventForm, ScanContext};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_codec::arrow::{Column, columns, primary_key};
use std::cmp::max_by_key;

/// The columns of a captured table that a query reads.
pub(crate) struct CapturedSchema {
    /// The table's name.
    name: String,
    context: ScanContext,
    form: EventForm,
    columns: Vec<Column>,
    key: Vec<String>,
    /// The version of the schema that had them last.
    version: Option<u32>,
}

impl CapturedSchema {
    /// Notes the columns of a captured table at these positions, and those of its key. `None` for a table of
    /// another kind.
    pub(super) fn new(
        name: &str,
        definition: &TableDefinition,
        context: &ScanContext,
        read: &[usize],
    ) -> Option<Self> {
        let TableRows::Changelog { columns, form, .. } = &definition.rows else { return None };
        let columns = read.iter().filter_map(|index| columns.get(*index).cloned()).collect();
        let (name, context, key) = (name.to_owned(), context.clone(), definition.key.clone());
        Some(Self { name, context, form: *form, columns, key, version: None })
    }

    /// Checks that the table has the columns as they were. To be called after the ends of its streams were
    /// looked up: a capture registers the schema of events before it stores them.
    ///
    /// # Errors
    /// `Failed` if it does not have them any more, and those of the registry.
    pub(crate) async fn check(&mut self) -> SqlResult<()> {
        let versions = self.context.registry.latest_schemas(&self.context.group, None).await?;
        let latest = versions.into_iter().reduce(|one, other| max_by_key(one, other, |it| it.version.id));
        let Some(latest) = latest.filter(|latest| self.version != Some(latest.version.id)) else {
            return Ok(());
        };
        let rows = rows_of(latest.schema, self.form)?;
        match self.difference(&columns(&rows)?, &primary_key(&rows)?) {
            None => {
                self.version = Some(latest.version.id);
                Ok(())
            }
            Some(difference) => {
                let what = format!(
                    "table {} was changed in its database: {difference}; ALTER MATERIALIZED VIEW … RESUME builds a \
                     view again from all events, with the columns of now; drop a query that names a column which \
                     is gone, and create it again without",
                    self.name
                );
                Err(SqlError::new(SqlErrorKind::Failed, what))
            }
        }
    }

    /// Returns what the query reads and the table has no more.
    fn difference(&self, now: &[Column], key: &[String]) -> Option<String> {
        let of_column = |column: &Column| match now.iter().find(|other| other.name == column.name) {
            None => Some(format!("column {}, which the query reads, was dropped or renamed", column.name)),
            Some(other) if other.kind.data_type() == column.kind.data_type() => None,
            Some(other) => Some(format!(
                "column {}, which the query reads, has the type {} instead of {}",
                column.name,
                other.kind.data_type(),
                column.kind.data_type()
            )),
        };
        let names = |key: &[String]| match key {
            [] => "no primary key".to_owned(),
            key => format!("the primary key ({})", key.join(", ")),
        };
        let of_key =
            || (key != self.key).then(|| format!("it has {} instead of {}", names(key), names(&self.key)));
        self.columns.iter().find_map(of_column).or_else(of_key)
    }
}
