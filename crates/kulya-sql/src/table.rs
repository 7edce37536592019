//! A stream as a DataFusion table: its columns, and the scans that read it.

use crate::backend::CatalogBackend;
use crate::changelog::{ChangelogScan, EventForm};
use crate::decode_errors::{DecodeErrorPolicy, SkippedEvents};
use crate::scan::{EventFormat, EventScan, ScanContext};
use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use kulya_codec::arrow::{
    AvroBatchDecoder, Column, RowHistory, arrow_schema, columns, primary_key, row_schema,
};
use kulya_schema::{Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::StreamId;
use std::sync::Arc;

/// The group property that declares a changelog.
const FORMAT_PROPERTY: &str = "format";
/// The value of [`FORMAT_PROPERTY`] for Debezium's JSON.
const DEBEZIUM_JSON: &str = "debezium-json";
/// The same for Debezium's JSON and Avro with a header.
const DEBEZIUM_JSON_SCHEMA: &str = "debezium-json-schema";
const DEBEZIUM_AVRO: &str = "debezium-avro";

/// A table of one statement.
#[derive(Clone)]
pub(crate) struct Table {
    context: ScanContext,
    stream: StreamId,
    pub(crate) schema: SchemaRef,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// One row per event, decoded with this reader schema.
    Avro(SchemaInfo),
    Json(Vec<Column>),
    /// The current rows of a changelog with this primary key.
    Changelog {
        columns: Vec<Column>,
        key: Vec<String>,
        form: EventForm,
        history: RowHistory,
    },
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Table {
    pub(crate) fn new(
        backend: CatalogBackend,
        stream: StreamId,
        group: GroupId,
        properties: &GroupProperties,
        latest: SchemaInfo,
    ) -> SqlResult<Self> {
        let (kind, schema) = match properties.properties.get(FORMAT_PROPERTY).map(String::as_str) {
            Some(label @ (DEBEZIUM_JSON | DEBEZIUM_JSON_SCHEMA | DEBEZIUM_AVRO)) => {
                let form = if label == DEBEZIUM_JSON { EventForm::Json } else { EventForm::WithHeader };
                let rows = rows_of(latest, form)?;
                let (columns, key) = (columns(&rows)?, primary_key(&rows)?);
                let schema = arrow_schema(&columns);
                (Kind::Changelog { columns, key, form, history: RowHistory::default() }, schema)
            }
            Some(other) => return Err(SqlError::not_supported(format!("stream {stream}: format {other}"))),
            None => match latest.format {
                Format::Avro => {
                    let registry = Arc::clone(&backend.registry);
                    let schema = AvroBatchDecoder::new(registry, group.clone(), &latest, None)?.schema();
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
        let (decode_error_policy, skipped) = (DecodeErrorPolicy::default(), SkippedEvents::default());
        let context = ScanContext { backend, group, decode_error_policy, skipped };
        Ok(Self { context, stream, schema, kind })
    }

    /// Sets the query's policy for events that cannot be decoded; all tables of the query share the count.
    pub(crate) fn with_decode_error_policy(
        mut self,
        policy: DecodeErrorPolicy,
        skipped: &SkippedEvents,
    ) -> Self {
        (self.context.decode_error_policy, self.context.skipped) = (policy, skipped.clone());
        self
    }

    pub(crate) fn is_changelog(&self) -> bool {
        matches!(self.kind, Kind::Changelog { .. })
    }

    /// Takes the versions of a changelog's schema into account, the oldest first, because its rows may have
    /// been written with any of them: columns that one of them lacks or declares nullable are nullable, and
    /// renamed and added columns are found in older rows.
    pub(crate) fn set_versions(&mut self, versions: Vec<SchemaInfo>) -> SqlResult<()> {
        let Kind::Changelog { columns: table_columns, form, history, .. } = &mut self.kind else {
            return Ok(());
        };
        let versions = versions
            .into_iter()
            .map(|version| rows_of(version, *form))
            .collect::<SqlResult<Vec<SchemaInfo>>>()?;
        *history = RowHistory::new(&versions)?;
        for version in &versions {
            let writer_columns = columns(version)?;
            for column in table_columns.iter_mut() {
                column.nullable |=
                    writer_columns.iter().all(|writer| writer.name != column.name || writer.nullable);
            }
        }
        self.schema = arrow_schema(table_columns);
        Ok(())
    }

    /// Returns the primary key's columns; empty without a primary key.
    pub(crate) fn key(&self) -> &[String] {
        match &self.kind {
            Kind::Changelog { key, .. } => key,
            _ => &[],
        }
    }
}

/// Returns the schema of a changelog's rows.
fn rows_of(schema: SchemaInfo, form: EventForm) -> SqlResult<SchemaInfo> {
    Ok(match form {
        EventForm::Json => schema,
        EventForm::WithHeader => row_schema(&schema)?,
    })
}

/// Returns the projected columns.
fn project(columns: &[Column], projection: Option<&Vec<usize>>) -> Vec<Column> {
    match projection {
        Some(indexes) => indexes.iter().filter_map(|index| columns.get(*index).cloned()).collect(),
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
        // the query reads up to the current ends of the segments
        let segments = self.context.backend.store.segments(&self.stream).await.map_err(SqlError::from)?;
        let schema = match projection {
            Some(indexes) => Arc::new(self.schema.project(indexes)?),
            None => self.schema(),
        };
        let partitions: Vec<Arc<dyn PartitionStream>> = match &self.kind {
            Kind::Changelog { columns, key, form, history } => {
                let projected_columns = project(columns, projection);
                let context = self.context.clone();
                vec![Arc::new(ChangelogScan::new(
                    context,
                    schema.clone(),
                    segments,
                    projected_columns,
                    (key.clone(), *form, history.clone()),
                ))]
            }
            Kind::Avro(reader) => segments
                .into_iter()
                .map(|segment| {
                    let format =
                        EventFormat::Avro { reader: reader.clone(), projection: projection.cloned() };
                    Arc::new(EventScan::new(self.context.clone(), schema.clone(), segment, format))
                        as Arc<dyn PartitionStream>
                })
                .collect(),
            Kind::Json(columns) => segments
                .into_iter()
                .map(|segment| {
                    let format = EventFormat::Json(project(columns, projection));
                    Arc::new(EventScan::new(self.context.clone(), schema.clone(), segment, format))
                        as Arc<dyn PartitionStream>
                })
                .collect(),
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}
