//! Formats with the five-byte header: the registry has the schemas of events.

use super::{FormatLibrary, RowFormat, WantedRows, json_reading, json_writing};
use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    AvroChangeEncoder, AvroChangePayloads, AvroEncoder, AvroPayloads, BatchDecoder, BatchEncoder, ChangeForm,
    Column, FLINK_RECORD_NAME, FlinkJsonOptions, HeaderEncoder, JsonEncoder, JsonRows, PayloadDecoder,
    ProtobufEncoder, ProtobufOptions, ProtobufPayloads, RegistryDecoder, TimestampMapping, arrow_schema,
    avro_schema, flink_columns, protobuf_columns,
};
use kulya_codec::codec::Codecs;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{EncodingId, Format, GroupId, SchemaInfo};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A group of the registry.
#[derive(Clone)]
struct Group {
    registry: Arc<dyn SchemaRegistry>,
    codecs: Codecs,
    id: GroupId,
}

impl Group {
    fn new(library: &FormatLibrary, id: GroupId) -> Self {
        Self { registry: Arc::clone(&library.registry), codecs: library.codecs.clone(), id }
    }

    fn decoder<P>(&self, payloads: P, wanted: &WantedRows<'_>) -> Box<dyn BatchDecoder>
    where
        P: PayloadDecoder + 'static,
    {
        let decoder = RegistryDecoder::new(Arc::clone(&self.registry), self.id.clone(), payloads);
        let decoder = decoder.codecs(self.codecs.clone());
        Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder })
    }

    /// Returns the encoding id of a schema, which is registered if the group accepts it.
    async fn encoding_id(&self, schema: &SchemaInfo) -> SqlResult<EncodingId> {
        let version = match self.registry.find_schema(&self.id, schema.clone()).await {
            Err(error) if error.kind() == RegistryErrorKind::NotFound => {
                self.registry.add_schema(&self.id, schema.clone()).await?
            }
            found => found?,
        };
        Ok(self.registry.encoding_id(&self.id, &version, "").await?)
    }
}

impl Debug for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.id, f)
    }
}

/// Avro.
#[derive(Debug)]
pub(crate) struct RegistryAvro {
    group: Group,
    /// The schema of the rows.
    reader: SchemaInfo,
    schema: SchemaRef,
}

impl RegistryAvro {
    /// Creates the format of a table with the columns of the reader schema.
    ///
    /// # Errors
    /// `Schema` when the schema is not one of rows.
    pub(crate) fn derived(library: &FormatLibrary, group: GroupId, reader: SchemaInfo) -> CodecResult<Self> {
        let schema = PayloadDecoder::schema(&AvroPayloads::new(&reader, None)?);
        let schema = Arc::new(Schema::new(schema.fields().iter().map(without_zone).collect::<Fields>()));
        Ok(Self { group: Group::new(library, group), reader, schema })
    }

    /// Creates the format of a table with these columns, whose Avro schema `reader` is.
    ///
    /// # Errors
    /// `Schema` when the columns cannot be those of the schema.
    pub(crate) fn of_columns(
        library: &FormatLibrary,
        group: GroupId,
        reader: SchemaInfo,
        columns: SchemaRef,
    ) -> CodecResult<Self> {
        AvroPayloads::new(&reader, None)?.columns(Arc::clone(&columns))?;
        let group = Group::new(library, group);
        Ok(Self { group, reader, schema: columns })
    }
}

#[async_trait]
impl RowFormat for RegistryAvro {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let payloads = AvroPayloads::new(&self.reader, Some(wanted.columns.to_vec()))?;
        Ok(self.group.decoder(payloads.columns(projected(&self.schema, wanted.columns)?)?, wanted))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let id = self.group.encoding_id(&self.reader).await?;
        Ok(Box::new(HeaderEncoder::new(AvroEncoder::new(&self.reader)?, id, None)))
    }
}

/// JSON.
#[derive(Debug)]
pub(crate) struct RegistryJson {
    group: Group,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// What INSERT writes: the schema and the options of a CREATE TABLE; `None` for a table of a program.
    definition: Option<(SchemaInfo, Options)>,
    /// How events are read by Flink's rules; `None` for those of a program's schema.
    reading: Option<FlinkJsonOptions>,
}

impl RegistryJson {
    /// Creates the format of a table whose columns are those of a schema; `defaults` are the catalog's
    /// options.
    pub(crate) fn derived(
        library: &FormatLibrary,
        group: GroupId,
        columns: Vec<Column>,
        defaults: &Options,
    ) -> Self {
        let schema = arrow_schema(&columns);
        let group = Group::new(library, group);
        let says_errors =
            ["fail-on-missing-field", "ignore-parse-errors"].iter().any(|k| defaults.is_true(k));
        let reading = says_errors.then(|| json_reading(defaults));
        Self { group, columns, schema, definition: None, reading }
    }

    /// Creates the format of a table with these columns, by Flink's rules; `writer` is their JSON schema.
    pub(crate) fn of_columns(
        library: &FormatLibrary,
        group: GroupId,
        schema: SchemaRef,
        writer: SchemaInfo,
        options: Options,
    ) -> Self {
        let columns = flink_columns(&schema);
        let group = Group::new(library, group);
        let reading = Some(json_reading(&options));
        Self { group, columns, schema, definition: Some((writer, options)), reading }
    }
}

#[async_trait]
impl RowFormat for RegistryJson {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns: Vec<Column> =
            wanted.columns.iter().filter_map(|index| self.columns.get(*index).cloned()).collect();
        let rows = match self.reading {
            None => JsonRows::new(&columns)?,
            Some(options) => JsonRows::flink(&columns, options)?,
        };
        Ok(self.group.decoder(rows, wanted))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let Some((writer, options)) = &self.definition else {
            let what = format!(
                "INSERT into the stream of group {}: its columns come from a JSON schema, which does not say how values are written; CREATE TABLE says it",
                self.group.id
            );
            return Err(SqlError::new(SqlErrorKind::NotSupported, what));
        };
        let id = self.group.encoding_id(writer).await?;
        Ok(Box::new(HeaderEncoder::new(JsonEncoder::new(json_writing(options)), id, None)))
    }
}

/// Protobuf.
#[derive(Debug)]
pub(crate) struct RegistryProtobuf {
    group: Group,
    writer: SchemaInfo,
    schema: SchemaRef,
    options: ProtobufOptions,
}

impl RegistryProtobuf {
    /// Creates the format of a table with the fields of a message.
    ///
    /// # Errors
    /// `Schema` for a message that has no columns.
    pub(crate) fn derived(library: &FormatLibrary, group: GroupId, writer: SchemaInfo) -> CodecResult<Self> {
        let message = kulya_codec::protobuf::message_descriptor(&writer)?;
        let schema = Arc::new(Schema::new(protobuf_columns(&message)?));
        let (group, options) = (Group::new(library, group), ProtobufOptions::default());
        Ok(Self { group, writer, schema, options })
    }

    /// Creates the format of a table with these columns; `writer` is the schema of their messages.
    ///
    /// # Errors
    /// `Schema` when the columns cannot be those of the messages.
    pub(crate) fn of_columns(
        library: &FormatLibrary,
        group: GroupId,
        schema: SchemaRef,
        writer: SchemaInfo,
        options: &Options,
    ) -> CodecResult<Self> {
        let ignore_parse_errors = options.is_true("ignore-parse-errors");
        let options = ProtobufOptions { ignore_parse_errors, ..ProtobufOptions::default() };
        ProtobufEncoder::new(&writer, &schema, options.clone())?;
        Ok(Self { group: Group::new(library, group), writer, schema, options })
    }
}

#[async_trait]
impl RowFormat for RegistryProtobuf {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns = projected(&self.schema, wanted.columns)?;
        Ok(self.group.decoder(ProtobufPayloads::new(columns, self.options.clone())?, wanted))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let id = self.group.encoding_id(&self.writer).await?;
        let rows = ProtobufEncoder::new(&self.writer, &self.schema, self.options.clone())?;
        Ok(Box::new(HeaderEncoder::new(rows, id, None)))
    }
}

/// Returns a column of an Avro schema as Flink's catalog has it: `timestamp-millis` is TIMESTAMP.
fn without_zone(field: &Arc<Field>) -> Arc<Field> {
    let data_type = match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        DataType::List(item) => DataType::List(without_zone(item)),
        DataType::Map(entries, sorted) => DataType::Map(without_zone(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_zone).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// Changes in Avro: Debezium's envelopes.
#[derive(Debug)]
pub(crate) struct RegistryChanges {
    group: Group,
    /// The schema of the envelopes that INSERT writes.
    writer: SchemaInfo,
    /// The schema of their rows, with which all are read.
    rows: SchemaInfo,
    schema: SchemaRef,
    /// Whether the table has a primary key: an update is one event then.
    is_keyed: bool,
}

impl RegistryChanges {
    /// Creates the format of a table with these columns; `writer` is the schema of its envelopes.
    ///
    /// # Errors
    /// `Schema` when Avro does not have a column's type.
    pub(crate) fn new(
        library: &FormatLibrary,
        group: GroupId,
        writer: SchemaInfo,
        (schema, is_keyed): (SchemaRef, bool),
        timestamps: TimestampMapping,
    ) -> CodecResult<Self> {
        let rows = avro_schema(nullable(&schema).fields(), FLINK_RECORD_NAME, timestamps)?;
        let rows = SchemaInfo::new(FLINK_RECORD_NAME, Format::Avro, rows);
        AvroPayloads::new(&rows, None)?.columns(Arc::clone(&schema))?;
        Ok(Self { group: Group::new(library, group), writer, rows, schema, is_keyed })
    }
}

#[async_trait]
impl RowFormat for RegistryChanges {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let rows = AvroPayloads::new(&self.rows, Some(wanted.columns.to_vec()))?;
        // a removed row may have only its key
        let columns = projected(&self.schema, wanted.columns)?;
        let columns = if wanted.key.is_some() { nullable(&columns) } else { columns };
        let changes = AvroChangePayloads::new(rows.columns(columns)?);
        let changes = match wanted.key {
            Some(key) => changes.with_key(key.has_truncates),
            None => changes,
        };
        Ok(self.group.decoder(changes, wanted))
    }

    fn is_change_log(&self) -> bool {
        true
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let id = self.group.encoding_id(&self.writer).await?;
        let form = if self.is_keyed { ChangeForm::Upsert } else { ChangeForm::Flink };
        Ok(Box::new(HeaderEncoder::new(AvroChangeEncoder::new(&self.writer, form)?, id, None)))
    }
}

/// Returns a schema whose columns are nullable.
fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns the schema of these columns.
pub(super) fn projected(schema: &SchemaRef, columns: &[usize]) -> CodecResult<SchemaRef> {
    let projected = schema.project(columns);
    Ok(Arc::new(projected.map_err(|e| kulya_codec::CodecError::Schema(e.to_string()))?))
}
