//! A stream as a DataFusion table.

use super::counted::Counted;
use super::definition::{TableDefinition, TableRows};
use crate::dialect::CHANGE_KIND;
use crate::format::RowFormat;
use crate::progress::Progress;
use crate::scan::{
    ChangelogScan, ChangesScan, EventFilter, EventScan, KindScan, ScanColumn, ScanContext, ScanKey,
    SourcePart, is_on_plain_columns,
};
use crate::{SqlError, SqlResult};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;

/// A table of one statement.
pub(crate) struct StreamTable {
    pub(super) definition: TableDefinition,
    /// The segments of its streams, up to whose tails it is read.
    pub(super) parts: Vec<Arc<dyn SourcePart>>,
    pub(super) context: ScanContext,
    progress: Progress,
    /// The columns of its changes, if it is read as those.
    changes: Option<SchemaRef>,
    /// Whether its options say where reading begins or ends.
    pub(super) is_bounded: bool,
}

/// The column with the number of a change, in the order of events, of a table that is read as its changes.
pub(crate) const CHANGE_NUMBER: &str = "number of the change";

impl std::fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTable").field("streams", &self.definition.streams).finish_non_exhaustive()
    }
}

impl StreamTable {
    /// Creates a table of a query.
    pub(crate) fn new(
        definition: TableDefinition,
        parts: Vec<Arc<dyn SourcePart>>,
        context: ScanContext,
        progress: Progress,
    ) -> Self {
        Self { definition, parts, context, progress, changes: None, is_bounded: false }
    }

    /// Notes that its options say where reading begins or ends.
    pub(crate) fn bounded(self, is_bounded: bool) -> Self {
        Self { is_bounded, ..self }
    }

    /// Reads the table as its changes, which have two columns more: their kind and their number.
    ///
    /// # Errors
    /// `NotSupported` for a captured table; `what` says for what.
    pub(crate) fn with_kinds(mut self, what: &str) -> SqlResult<Self> {
        if self.definition.is_changelog() {
            return Err(SqlError::not_supported(format!("{what} of a captured table")));
        }
        // a removed row may have only its key
        let columns = self.definition.schema.fields().iter();
        let columns = columns.map(|field| field.as_ref().clone().with_nullable(true));
        let own = [
            Field::new(CHANGE_KIND, DataType::Utf8, false),
            Field::new(CHANGE_NUMBER, DataType::Int64, false),
        ];
        self.changes = Some(Arc::new(Schema::new(columns.chain(own).collect::<Vec<_>>())));
        Ok(self)
    }
}

impl StreamTable {
    /// Returns the scan of a change log: with the columns that tell rows apart, beside those that are
    /// returned.
    fn changes(
        &self,
        format: &Arc<dyn RowFormat>,
        columns: &[ScanColumn],
        projection: Option<&Vec<usize>>,
        schema: SchemaRef,
    ) -> DataFusionResult<ChangesScan> {
        let definition = &self.definition;
        let returned: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..columns.len()).collect());
        let is_physical = |index: &usize| matches!(columns.get(*index), Some(ScanColumn::Physical(_)));
        let identity: Vec<usize> = match definition.key.as_slice() {
            [] => (0..columns.len()).filter(is_physical).collect(),
            key => key.iter().filter_map(|name| definition.schema.index_of(name).ok()).collect(),
        };
        let mut scanned = identity.clone();
        scanned.extend(returned.iter().copied().filter(|index| !identity.contains(index)));
        scanned.sort_unstable();
        let place = |index: &usize| scanned.iter().position(|other| other == index).unwrap_or_default();
        // a removed row may have only its key
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let needed = definition.schema.project(&scanned)?;
        let needed = Arc::new(Schema::new(needed.fields().iter().map(nullable).collect::<Vec<_>>()));
        let of_scan = project(columns, Some(&scanned));
        let is_keyed = !definition.key.is_empty();
        let key = is_keyed.then(|| ScanKey {
            // the places among the columns of the format
            columns: identity
                .iter()
                .map(|index| scanned.iter().filter(|other| is_physical(other) && *other < index).count())
                .collect(),
            has_truncates: self.parts.len() == 1,
        });
        let scan = |part: &Arc<dyn SourcePart>| {
            let (needed, format) = (Arc::clone(&needed), Arc::clone(format));
            EventScan::new(self.context.clone(), needed, Arc::clone(part), format, of_scan.clone())
                .with_key(key.clone())
        };
        let identity = (identity.iter().map(place).collect(), is_keyed);
        let output = returned.iter().map(place).collect();
        let scans = (self.parts.iter().map(scan).collect(), Arc::clone(&needed));
        Ok(ChangesScan::new(scans, identity, output, schema))
    }
}

impl StreamTable {
    fn kind_scan(
        &self,
        format: &Arc<dyn RowFormat>,
        columns: &[ScanColumn],
        (changes, schema): (&SchemaRef, SchemaRef),
        projection: Option<&Vec<usize>>,
    ) -> DataFusionResult<KindScan> {
        let count = self.definition.schema.fields().len();
        let needed = Arc::new(changes.project(&(0..count).collect::<Vec<_>>())?);
        let is_keyed = format.is_change_log() && !self.definition.key.is_empty();
        let physical = |name: &String| {
            let index = self.definition.schema.index_of(name).ok()?;
            let before = columns.get(..index)?;
            Some(before.iter().filter(|column| matches!(column, ScanColumn::Physical(_))).count())
        };
        let key = is_keyed.then(|| ScanKey {
            columns: self.definition.key.iter().filter_map(physical).collect(),
            has_truncates: false,
        });
        let scan = |part: &Arc<dyn SourcePart>| {
            let (needed, format) = (Arc::clone(&needed), Arc::clone(format));
            EventScan::new(self.context.clone(), needed, Arc::clone(part), format, columns.to_vec())
                .with_key(key.clone())
        };
        let output = projection.cloned().unwrap_or_else(|| (0..changes.fields().len()).collect());
        Ok(KindScan::new(self.parts.iter().map(scan).collect(), Arc::clone(changes), output, schema))
    }
}

/// Returns the projected columns.
fn project<C: Clone>(columns: &[C], projection: Option<&Vec<usize>>) -> Vec<C> {
    match projection {
        Some(indexes) => indexes.iter().filter_map(|index| columns.get(*index).cloned()).collect(),
        None => columns.to_vec(),
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.changes.as_ref().unwrap_or(&self.definition.schema))
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match &self.definition.rows {
            TableRows::Events { format, columns }
                if !format.is_change_log()
                    && self.changes.is_none()
                    && is_on_plain_columns(filter, &self.definition.schema, columns) =>
            {
                TableProviderFilterPushDown::Inexact
            }
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indexes) => Arc::new(self.schema().project(indexes)?),
            None => self.schema(),
        };
        let (context, parts) = (self.context.clone(), self.parts.clone());
        let partitions = match &self.definition.rows {
            TableRows::Events { format, columns } if let Some(changes) = &self.changes => {
                let schemas = (changes, schema.clone());
                vec![Arc::new(self.kind_scan(format, columns, schemas, projection)?)
                    as Arc<dyn PartitionStream>]
            }
            TableRows::Changelog { columns, form, history } => {
                let columns = (columns.clone(), projection.cloned());
                let rows = (self.definition.key.clone(), *form, history.clone());
                let scan = ChangelogScan::new(context, schema.clone(), parts, columns, rows);
                vec![Arc::new(scan) as Arc<dyn PartitionStream>]
            }
            TableRows::Events { format, columns } if format.is_change_log() => {
                vec![Arc::new(self.changes(format, columns, projection, schema.clone())?)
                    as Arc<dyn PartitionStream>]
            }
            TableRows::Events { format, columns } => {
                let filter = EventFilter::new(filters, session, &self.definition.schema, columns)?;
                let columns = project(columns, projection);
                let scan = |part| {
                    let (schema, format) = (schema.clone(), Arc::clone(format));
                    EventScan::new(context.clone(), schema, part, format, columns.clone())
                        .with_filter(filter.clone())
                };
                parts.into_iter().map(|part| Arc::new(scan(part)) as Arc<dyn PartitionStream>).collect()
            }
        };
        let counted =
            |part| Arc::new(Counted { part, progress: self.progress.clone() }) as Arc<dyn PartitionStream>;
        let partitions: Vec<_> = partitions.into_iter().map(counted).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}
