//! What a table is: its columns, its key, and how the events of its streams become rows.

use super::spec::{SpecColumnKind, TableSpec};
use crate::format::{RegistryAvro, RegistryJson, RegistryProtobuf, RowFormat, plain_format};
use crate::options::Options;
use crate::scan::{EventForm, ScanColumn};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Schema, SchemaRef};
use kulya_codec::arrow::{Column, FLINK_RECORD_NAME, RowHistory, TimestampMapping, avro_schema, json_schema};
use kulya_codec::arrow::{arrow_schema, columns, primary_key, row_schema};
use kulya_registry_api::SchemaRegistry;
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

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct TableDefinition {
    /// The streams that are read.
    pub(crate) streams: Vec<StreamId>,
    /// The stream that INSERT writes.
    pub(crate) sink: StreamId,
    /// The registry group of the events' schemas, for messages and decoders.
    pub(crate) group: GroupId,
    /// The columns of events and beside them, without computed ones.
    pub(crate) schema: SchemaRef,
    pub(crate) rows: TableRows,
    /// The columns of the primary key; empty without one.
    pub(crate) key: Vec<String>,
    /// What CREATE TABLE said; `None` for a table that follows from its group.
    pub(crate) spec: Option<Arc<TableSpec>>,
}

/// How rows follow from events.
#[derive(Debug, Clone)]
pub(crate) enum TableRows {
    /// By a format.
    Events { format: Arc<dyn RowFormat>, columns: Vec<ScanColumn> },
    /// The current rows of a changelog with the table's primary key.
    Changelog { columns: Vec<Column>, form: EventForm, history: RowHistory },
}

impl TableDefinition {
    /// Returns the table of a stream, by its group and the group's latest schema.
    ///
    /// # Errors
    /// That the format is not supported, or the schema is not one of rows.
    pub(crate) fn of_group(
        registry: &Arc<dyn SchemaRegistry>,
        stream: StreamId,
        group: GroupId,
        properties: &GroupProperties,
        latest: SchemaInfo,
    ) -> SqlResult<Self> {
        let (rows, schema, key) = match properties.properties.get(FORMAT_PROPERTY).map(String::as_str) {
            Some(label @ (DEBEZIUM_JSON | DEBEZIUM_JSON_SCHEMA | DEBEZIUM_AVRO)) => {
                let form = if label == DEBEZIUM_JSON { EventForm::Json } else { EventForm::WithHeader };
                let rows = rows_of(latest, form)?;
                let (columns, key) = (columns(&rows)?, primary_key(&rows)?);
                let schema = arrow_schema(&columns);
                (TableRows::Changelog { columns, form, history: RowHistory::default() }, schema, key)
            }
            Some(other) => return Err(SqlError::not_supported(format!("stream {stream}: format {other}"))),
            None => {
                let format: Arc<dyn RowFormat> = match latest.format {
                    Format::Avro => Arc::new(RegistryAvro::derived(registry, group.clone(), latest)?),
                    Format::Json => {
                        Arc::new(RegistryJson::derived(registry, group.clone(), columns(&latest)?))
                    }
                    Format::Protobuf => Arc::new(RegistryProtobuf::derived(registry, group.clone(), latest)?),
                    other => {
                        let what = format!("table {stream}: reading format {other}");
                        return Err(SqlError::not_supported(what));
                    }
                };
                let schema = format.schema();
                let columns = (0..schema.fields().len()).map(ScanColumn::Physical).collect();
                (TableRows::Events { format, columns }, schema, Vec::new())
            }
        };
        Ok(Self { streams: vec![stream.clone()], sink: stream, group, schema, rows, key, spec: None })
    }

    /// Returns the table that a CREATE TABLE defines.
    ///
    /// # Errors
    /// What the format does not have: a type, or a metadata key.
    pub(crate) fn of_spec(
        registry: &Arc<dyn SchemaRegistry>,
        (database, name): (&str, &str),
        spec: Arc<TableSpec>,
        default_format: &Format,
    ) -> SqlResult<Self> {
        let (streams, sink) = spec.streams(database, name)?;
        let options = &spec.format.options;
        let namespace = options.get("namespace").unwrap_or(sink.scope.as_str());
        let group = GroupId::new(namespace, options.get("group-id").unwrap_or(sink.name.as_str()));
        let physical: SchemaRef = Arc::new(spec.physical_schema());
        let format: Arc<dyn RowFormat> = if spec.has_registry() {
            let writer = registry_schema(&physical, &registry_format(options, default_format))?;
            match writer.format {
                Format::Avro => {
                    let format = RegistryAvro::of_columns(registry, group.clone(), writer, physical);
                    Arc::new(format.map_err(|e| SqlError::new(SqlErrorKind::TypeMismatch, e.to_string()))?)
                }
                _ => {
                    let options = options.clone();
                    Arc::new(RegistryJson::of_columns(registry, group.clone(), physical, writer, options))
                }
            }
        } else {
            plain_format(&spec.format, physical, !spec.key.is_empty())?
        };
        let of_format = format.metadata();
        let (mut fields, mut columns, mut physical) = (Vec::new(), Vec::new(), 0..);
        for column in &spec.columns {
            match &column.kind {
                SpecColumnKind::Physical { field, .. } => {
                    columns.push(ScanColumn::Physical(physical.next().unwrap_or_default()));
                    fields.push(field.clone());
                }
                SpecColumnKind::Metadata { key, field } => {
                    columns.push(ScanColumn::metadata(key, field, &of_format)?);
                    fields.push(field.clone());
                }
                SpecColumnKind::Computed(_) => {}
            }
        }
        let (schema, key) = (Arc::new(Schema::new(fields)), spec.key.clone());
        let rows = TableRows::Events { format, columns };
        Ok(Self { streams, sink, group, schema, rows, key, spec: Some(spec) })
    }

    pub(crate) fn is_changelog(&self) -> bool {
        matches!(self.rows, TableRows::Changelog { .. })
    }

    /// Takes the versions of a changelog's schema into account, the oldest first, because its rows may have
    /// been written with any of them: columns that one of them lacks or declares nullable are nullable, and
    /// renamed and added columns are found in older rows.
    pub(crate) fn set_versions(&mut self, versions: Vec<SchemaInfo>) -> SqlResult<()> {
        let TableRows::Changelog { columns: table_columns, form, history } = &mut self.rows else {
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
}

/// Returns the format that the registry has for a new table.
pub(crate) fn registry_format(options: &Options, default: &Format) -> Format {
    match options.get("format").filter(|_| options.is_given("format")) {
        Some("Avro") => Format::Avro,
        Some("Json") => Format::Json,
        Some("Protobuf") => Format::Protobuf,
        _ => default.clone(),
    }
}

/// Returns the schema of a table's events, as Flink's catalog derives it.
///
/// # Errors
/// `TypeMismatch` for a column that the format does not have; the text names it.
pub(crate) fn registry_schema(physical: &Schema, format: &Format) -> SqlResult<SchemaInfo> {
    let fields = physical.fields();
    let derived = match format {
        Format::Avro => avro_schema(fields, FLINK_RECORD_NAME, TimestampMapping::Legacy)
            .map(|text| SchemaInfo::new(FLINK_RECORD_NAME, Format::Avro, text)),
        Format::Json => json_schema(fields).map(|text| SchemaInfo::new("", Format::Json, text)),
        other => return Err(SqlError::not_supported(format!("CREATE TABLE with events in {other}"))),
    };
    derived.map_err(|e| SqlError::new(SqlErrorKind::TypeMismatch, e.to_string()).because(e))
}

/// Returns the schema of a changelog's rows.
fn rows_of(schema: SchemaInfo, form: EventForm) -> SqlResult<SchemaInfo> {
    Ok(match form {
        EventForm::Json => schema,
        EventForm::WithHeader => row_schema(&schema)?,
    })
}
