//! Formats with the five-byte header: the registry has the schemas of events.

use super::{RowFormat, json_reading, json_writing};
use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    AvroEncoder, AvroPayloads, BatchDecoder, BatchEncoder, Column, HeaderEncoder, JsonEncoder, JsonRows,
    ProtobufEncoder, ProtobufOptions, ProtobufPayloads, RegistryDecoder, arrow_schema, flink_columns,
    protobuf_columns,
};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{EncodingId, GroupId, SchemaInfo};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A group of the registry.
#[derive(Clone)]
struct Group {
    registry: Arc<dyn SchemaRegistry>,
    id: GroupId,
}

impl Group {
    fn decoder<P>(&self, payloads: P, numbers: bool) -> Box<dyn BatchDecoder>
    where
        P: kulya_codec::arrow::PayloadDecoder + 'static,
    {
        let decoder = RegistryDecoder::new(Arc::clone(&self.registry), self.id.clone(), payloads);
        Box::new(if numbers { decoder.with_event_numbers() } else { decoder })
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
    pub(crate) fn derived(
        registry: &Arc<dyn SchemaRegistry>,
        group: GroupId,
        reader: SchemaInfo,
    ) -> CodecResult<Self> {
        let schema = kulya_codec::arrow::PayloadDecoder::schema(&AvroPayloads::new(&reader, None)?);
        Ok(Self { group: Group { registry: Arc::clone(registry), id: group }, reader, schema })
    }

    /// Creates the format of a table with these columns, whose Avro schema `reader` is.
    ///
    /// # Errors
    /// `Schema` when the columns cannot be those of the schema.
    pub(crate) fn of_columns(
        registry: &Arc<dyn SchemaRegistry>,
        group: GroupId,
        reader: SchemaInfo,
        columns: SchemaRef,
    ) -> CodecResult<Self> {
        AvroPayloads::new(&reader, None)?.columns(Arc::clone(&columns))?;
        let group = Group { registry: Arc::clone(registry), id: group };
        Ok(Self { group, reader, schema: columns })
    }
}

#[async_trait]
impl RowFormat for RegistryAvro {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, columns: &[usize], numbers: bool) -> CodecResult<Box<dyn BatchDecoder>> {
        let payloads = AvroPayloads::new(&self.reader, Some(columns.to_vec()))?;
        Ok(self.group.decoder(payloads.columns(projected(&self.schema, columns)?)?, numbers))
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
}

impl RegistryJson {
    /// Creates the format of a table whose columns are those of a schema.
    pub(crate) fn derived(registry: &Arc<dyn SchemaRegistry>, group: GroupId, columns: Vec<Column>) -> Self {
        let schema = arrow_schema(&columns);
        let group = Group { registry: Arc::clone(registry), id: group };
        Self { group, columns, schema, definition: None }
    }

    /// Creates the format of a table with these columns, by Flink's rules; `writer` is their JSON schema.
    pub(crate) fn of_columns(
        registry: &Arc<dyn SchemaRegistry>,
        group: GroupId,
        schema: SchemaRef,
        writer: SchemaInfo,
        options: Options,
    ) -> Self {
        let columns = flink_columns(&schema);
        let group = Group { registry: Arc::clone(registry), id: group };
        Self { group, columns, schema, definition: Some((writer, options)) }
    }
}

#[async_trait]
impl RowFormat for RegistryJson {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, columns: &[usize], numbers: bool) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns: Vec<Column> =
            columns.iter().filter_map(|index| self.columns.get(*index).cloned()).collect();
        let rows = match &self.definition {
            None => JsonRows::new(&columns)?,
            Some((_, options)) => JsonRows::flink(&columns, json_reading(options))?,
        };
        Ok(self.group.decoder(rows, numbers))
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

/// Protobuf, of a table that follows from its group.
#[derive(Debug)]
pub(crate) struct RegistryProtobuf {
    group: Group,
    writer: SchemaInfo,
    schema: SchemaRef,
}

impl RegistryProtobuf {
    /// Creates the format of a table with the fields of a message.
    ///
    /// # Errors
    /// `Schema` for a message that has no columns.
    pub(crate) fn derived(
        registry: &Arc<dyn SchemaRegistry>,
        group: GroupId,
        writer: SchemaInfo,
    ) -> CodecResult<Self> {
        let message = kulya_codec::protobuf::message_descriptor(&writer)?;
        let schema = Arc::new(Schema::new(protobuf_columns(&message)?));
        Ok(Self { group: Group { registry: Arc::clone(registry), id: group }, writer, schema })
    }
}

#[async_trait]
impl RowFormat for RegistryProtobuf {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, columns: &[usize], numbers: bool) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns = projected(&self.schema, columns)?;
        Ok(self.group.decoder(ProtobufPayloads::new(columns, ProtobufOptions::default())?, numbers))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        let id = self.group.encoding_id(&self.writer).await?;
        let rows = ProtobufEncoder::new(&self.writer, &self.schema, ProtobufOptions::default())?;
        Ok(Box::new(HeaderEncoder::new(rows, id, None)))
    }
}

/// Returns the schema of these columns.
pub(super) fn projected(schema: &SchemaRef, columns: &[usize]) -> CodecResult<SchemaRef> {
    let projected = schema.project(columns);
    Ok(Arc::new(projected.map_err(|e| kulya_codec::CodecError::Schema(e.to_string()))?))
}
