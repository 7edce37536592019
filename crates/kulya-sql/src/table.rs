//! A stream as a table: which columns it has, and what reads it.

use crate::catalog::Backend;
use crate::changelog::ChangelogScan;
use crate::scan::{EventScan, Rows};
use crate::unreadable::{OnUnreadable, Skipped};
use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use kulya_codec::arrow::{AvroBatches, Column, arrow_schema, columns, primary_key};
use kulya_schema::{Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::StreamId;
use std::sync::Arc;

/// The group property by which a change log is known, and its value for Debezium's JSON.
const FORMAT_PROPERTY: &str = "format";
const DEBEZIUM_JSON: &str = "debezium-json";

/// A table, looked up for one statement.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) backend: Backend,
    pub(crate) stream: StreamId,
    /// Where its schemas are.
    pub(crate) group: GroupId,
    pub(crate) schema: SchemaRef,
    /// What is done with events that cannot be read, and those that were left out.
    pub(crate) on_unreadable: OnUnreadable,
    pub(crate) skipped: Skipped,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Each event a row, in this reader schema.
    Avro(SchemaInfo),
    Json(Vec<Column>),
    /// The current rows of a change log, by its primary key.
    Changelog {
        columns: Vec<Column>,
        key: Vec<String>,
    },
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Table {
    pub(crate) fn new(
        backend: Backend,
        stream: StreamId,
        group: GroupId,
        properties: &GroupProperties,
        latest: SchemaInfo,
    ) -> SqlResult<Self> {
        let (kind, schema) = match properties.properties.get(FORMAT_PROPERTY).map(String::as_str) {
            Some(DEBEZIUM_JSON) => {
                let (columns, key) = (columns(&latest)?, primary_key(&latest)?);
                let schema = arrow_schema(&columns);
                (Kind::Changelog { columns, key }, schema)
            }
            Some(other) => return Err(SqlError::not_supported(format!("stream {stream}: format {other}"))),
            None => match latest.format {
                Format::Avro => {
                    let registry = Arc::clone(&backend.registry);
                    let schema = AvroBatches::new(registry, group.clone(), &latest, None)?.schema();
                    (Kind::Avro(latest), schema)
                }
                Format::Json => {
                    let columns = columns(&latest)?;
                    let schema = arrow_schema(&columns);
                    (Kind::Json(columns), schema)
                }
                other => {
                    return Err(SqlError::not_supported(format!("table {stream}: reading format {other}")));
                }
            },
        };
        let (on_unreadable, skipped) = (OnUnreadable::default(), Skipped::default());
        Ok(Self { backend, stream, group, schema, on_unreadable, skipped, kind })
    }

    /// As the query's hint has it; all its tables count together.
    pub(crate) fn with_unreadable(mut self, policy: OnUnreadable, skipped: &Skipped) -> Self {
        (self.on_unreadable, self.skipped) = (policy, skipped.clone());
        self
    }

    pub(crate) fn is_changelog(&self) -> bool {
        matches!(self.kind, Kind::Changelog { .. })
    }

    /// A change log's rows are as they were when they were written: a column that one of these schemas lacks, or lets be
    /// null, may be null whatever the latest says.
    pub(crate) fn written_with<'a>(
        &mut self,
        schemas: impl Iterator<Item = &'a SchemaInfo>,
    ) -> SqlResult<()> {
        let Kind::Changelog { columns: own, .. } = &mut self.kind else { return Ok(()) };
        for schema in schemas {
            let then = columns(schema)?;
            for column in own.iter_mut() {
                column.nullable |= then.iter().all(|before| before.name != column.name || before.nullable);
            }
        }
        self.schema = arrow_schema(own);
        Ok(())
    }

    /// The primary key's columns; empty for none.
    pub(crate) fn key(&self) -> &[String] {
        match &self.kind {
            Kind::Changelog { key, .. } => key,
            _ => &[],
        }
    }
}

/// The columns that are asked for.
fn projected(columns: &[Column], projection: Option<&Vec<usize>>) -> Vec<Column> {
    match projection {
        Some(wanted) => wanted.iter().filter_map(|number| columns.get(*number).cloned()).collect(),
        None => columns.to_vec(),
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        // what is there now is what the query sees
        let segments = self.backend.store.segments(&self.stream).await.map_err(SqlError::from)?;
        let schema = match projection {
            Some(wanted) => Arc::new(self.schema.project(wanted)?),
            None => self.schema(),
        };
        let partitions: Vec<Arc<dyn PartitionStream>> = match &self.kind {
            Kind::Changelog { columns, key } => {
                let shown = projected(columns, projection);
                vec![Arc::new(ChangelogScan::new(self, schema.clone(), segments, shown, key.clone()))]
            }
            Kind::Avro(reader) => segments
                .into_iter()
                .map(|segment| {
                    let rows = Rows::Avro { reader: reader.clone(), projection: projection.cloned() };
                    Arc::new(EventScan::new(self, schema.clone(), segment, rows)) as Arc<dyn PartitionStream>
                })
                .collect(),
            Kind::Json(columns) => segments
                .into_iter()
                .map(|segment| {
                    let rows = Rows::Json(projected(columns, projection));
                    Arc::new(EventScan::new(self, schema.clone(), segment, rows)) as Arc<dyn PartitionStream>
                })
                .collect(),
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}
