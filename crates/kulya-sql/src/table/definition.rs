//! What a table is: its columns, its key, and how the events of its streams become rows.

use super::spec::{SpecColumnKind, TableDefaults, TableSpec};
use crate::format::{
    FormatLibrary, RegistryAvro, RegistryChanges, RegistryJson, RegistryProtobuf, RowFormat, plain_format,
    timestamp_mapping,
};
use crate::options::Options;
use crate::scan::{EventForm, ScanColumn};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema, SchemaRef};
use kulya_codec::CodecError;
use kulya_codec::arrow::{
    Column, FLINK_RECORD_NAME, PROTOBUF_MESSAGE_NAME, RowHistory, TimestampMapping, arrow_schema,
    avro_envelope_schema, avro_schema, columns, json_schema, primary_key, protobuf_schema, row_schema,
};
use kulya_schema::{Format, GroupId, GroupProperties, SchemaInfo, capture_labels};
use kulya_store::StreamId;
use std::sync::Arc;

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
    /// The format of the registry, of a table that follows from its group and whose events are its rows.
    pub(crate) derived_format: Option<Format>,
    /// Whether a capture writes its stream.
    pub(crate) is_captured: bool,
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
        library: &FormatLibrary,
        stream: StreamId,
        group: GroupId,
        properties: &GroupProperties,
        latest: SchemaInfo,
        defaults: &TableDefaults,
    ) -> SqlResult<Self> {
        let mut derived_format = None;
        let (rows, schema, key) = match properties.properties.get(capture_labels::FORMAT).map(String::as_str)
        {
            Some(
                label @ (capture_labels::DEBEZIUM_JSON
                | capture_labels::DEBEZIUM_JSON_SCHEMA
                | capture_labels::DEBEZIUM_AVRO),
            ) => {
                let form = if label == capture_labels::DEBEZIUM_JSON {
                    EventForm::Json
                } else {
                    EventForm::WithHeader
                };
                let rows = rows_of(latest, form)?;
                let (columns, key) = (columns(&rows)?, primary_key(&rows)?);
                let schema = arrow_schema(&columns);
                (TableRows::Changelog { columns, form, history: RowHistory::default() }, schema, key)
            }
            Some(other) => return Err(SqlError::not_supported(format!("stream {stream}: format {other}"))),
            None => {
                derived_format = Some(latest.format.clone());
                let format: Arc<dyn RowFormat> = match latest.format {
                    Format::Avro => Arc::new(RegistryAvro::derived(library, group.clone(), latest)?),
                    Format::Json => {
                        let columns = columns(&latest)?;
                        Arc::new(RegistryJson::derived(library, group.clone(), columns, &defaults.json))
                    }
                    Format::Protobuf => Arc::new(RegistryProtobuf::derived(library, group.clone(), latest)?),
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
        let (streams, sink) = (vec![stream.clone()], stream);
        let (spec, is_captured) = (None, false);
        Ok(Self { streams, sink, group, schema, rows, key, spec, derived_format, is_captured })
    }

    /// Returns the table that a CREATE TABLE defines.
    ///
    /// # Errors
    /// What the format does not have: a type, or a metadata key.
    pub(crate) fn of_spec(
        library: &FormatLibrary,
        (database, name): (&str, &str),
        spec: Arc<TableSpec>,
        defaults: &TableDefaults,
    ) -> SqlResult<Self> {
        let (streams, sink) = spec.streams(database, name)?;
        let options = &spec.format.options;
        let namespace = options.get("namespace").unwrap_or(sink.scope.as_str());
        let group = GroupId::new(namespace, options.get("group-id").unwrap_or(sink.name.as_str()));
        let physical: SchemaRef = Arc::new(spec.physical_schema());
        let mismatch = |e: CodecError| SqlError::new(SqlErrorKind::TypeMismatch, e.to_string()).because(e);
        let is_keyed = !spec.key.is_empty();
        let format: Arc<dyn RowFormat> = if spec.has_registry() {
            let format = registry_format(options, &defaults.format);
            let writer = registry_schema(&physical, &format).map_err(|error| {
                spec.of_column(error, |field| {
                    registry_schema(&Schema::new(vec![field.clone()]), &format).is_err()
                })
            })?;
            match writer.format {
                Format::Avro => {
                    let format = RegistryAvro::of_columns(library, group.clone(), writer, physical);
                    Arc::new(format.map_err(mismatch)?)
                }
                Format::Protobuf => {
                    let format =
                        RegistryProtobuf::of_columns(library, group.clone(), physical, writer, options);
                    Arc::new(format.map_err(mismatch)?)
                }
                _ => {
                    let options = options.clone();
                    Arc::new(RegistryJson::of_columns(library, group.clone(), physical, writer, options))
                }
            }
        } else if spec.has_registered_changes() {
            let (writer, timestamps) = (envelope_schema(&physical, options)?, timestamp_mapping(options));
            let table = (physical, is_keyed);
            let format = RegistryChanges::new(library, group.clone(), writer, table, timestamps);
            Arc::new(format.map_err(mismatch)?)
        } else {
            let format = plain_format(&spec.format, library, physical, is_keyed);
            format.map_err(|error| spec.of_format(error))?
        };
        let of_format = format.metadata();
        let (mut fields, mut columns, mut physical) = (Vec::new(), Vec::new(), 0..);
        for column in &spec.columns {
            match &column.kind {
                SpecColumnKind::Physical { field, .. } => {
                    columns.push(ScanColumn::Physical(physical.next().unwrap_or_default()));
                    fields.push(field.clone());
                }
                SpecColumnKind::Metadata { key, field, .. } => {
                    let scanned = ScanColumn::metadata(key, field, &of_format);
                    columns.push(scanned.map_err(|error| column.located(error))?);
                    fields.push(field.clone());
                }
                SpecColumnKind::Computed(_) => {}
            }
        }
        let (schema, key) = (Arc::new(Schema::new(fields)), spec.key.clone());
        let rows = TableRows::Events { format, columns };
        let (spec, derived_format, is_captured) = (Some(spec), None, false);
        Ok(Self { streams, sink, group, schema, rows, key, spec, derived_format, is_captured })
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

/// Returns the schema of a table's events, as Flink's catalog derives it; it has none in Protobuf.
///
/// # Errors
/// `TypeMismatch` for a column that the format does not have; the text names it.
fn registry_schema(physical: &Schema, format: &Format) -> SqlResult<SchemaInfo> {
    let fields = physical.fields();
    let derived = match format {
        Format::Avro => avro_schema(fields, FLINK_RECORD_NAME, TimestampMapping::Legacy)
            .map(|text| SchemaInfo::new(FLINK_RECORD_NAME, Format::Avro, text)),
        Format::Json => json_schema(fields).map(|text| SchemaInfo::new("", Format::Json, text)),
        Format::Protobuf => {
            protobuf_schema(fields).map(|set| SchemaInfo::new(PROTOBUF_MESSAGE_NAME, Format::Protobuf, set))
        }
        other => return Err(SqlError::not_supported(format!("CREATE TABLE with events in {other}"))),
    };
    derived.map_err(|e| {
        let error = SqlError::new(SqlErrorKind::TypeMismatch, e.to_string());
        let error = match format {
            Format::Avro if e.to_string().contains("timestamps") => {
                error.hint("TIMESTAMP(3) has one, and 'pravega-registry.format' = 'Json' has others")
            }
            _ => error,
        };
        error.because(e)
    })
}

/// Returns the schemas that the registry gets for a table, in the order of registration: NOT NULL as it is,
/// and nullable, because Flink reads NOT NULL as nullable and looks for that schema; its catalog takes the
/// last one. It does not read Protobuf.
///
/// # Errors
/// As [`registry_schema`].
fn registry_schemas(physical: &Schema, format: &Format) -> SqlResult<Vec<SchemaInfo>> {
    let nullable: Vec<Field> =
        physical.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let mut versions = vec![registry_schema(physical, format)?];
    if *format == Format::Protobuf {
        return Ok(versions);
    }
    let of_flink = registry_schema(&Schema::new(nullable), format)?;
    if versions.first() != Some(&of_flink) {
        versions.push(of_flink);
    }
    Ok(versions)
}

/// Returns the schema of the change events of a table.
///
/// # Errors
/// As [`registry_schema`].
fn envelope_schema(physical: &Schema, options: &Options) -> SqlResult<SchemaInfo> {
    let text = avro_envelope_schema(physical.fields(), FLINK_RECORD_NAME, timestamp_mapping(options));
    let text = text.map_err(|e| SqlError::new(SqlErrorKind::TypeMismatch, e.to_string()).because(e))?;
    let namespace = FLINK_RECORD_NAME.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    Ok(SchemaInfo::new(format!("{namespace}.Envelope"), Format::Avro, text))
}

/// Returns the format and the schemas that the registry gets for a new table, in the order of registration: a
/// catalog takes the last one for the table's. `None` for a format without registry.
///
/// # Errors
/// As [`registry_schema`].
pub(crate) fn registered_schemas(
    spec: &TableSpec,
    default: &Format,
) -> SqlResult<Option<(Format, Vec<SchemaInfo>)>> {
    let (exact, options) = (spec.physical_schema(), &spec.format.options);
    if spec.has_registered_changes() {
        return Ok(Some((Format::Avro, vec![envelope_schema(&exact, options)?])));
    }
    if !spec.has_registry() {
        return Ok(None);
    }
    let format = registry_format(options, default);
    let versions = registry_schemas(&exact, &format)?;
    Ok(Some((format, versions)))
}

/// Returns the schema of a changelog's rows.
pub(super) fn rows_of(schema: SchemaInfo, form: EventForm) -> SqlResult<SchemaInfo> {
    Ok(match form {
        EventForm::Json => schema,
        EventForm::WithHeader => row_schema(&schema)?,
    })
}
