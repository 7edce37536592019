//! Values to events.

use crate::codec::{Codec, NoCodec};
use crate::{AvroValue, CodecError, CodecResult, SchemaRegistry, header};
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use kulya_schema::{EncodingId, Format, GroupId, GroupProperties, SchemaInfo, VersionInfo};
use serde::Serialize;
use std::sync::Arc;

/// How a serializer finds its place in the registry. What the registry may be asked to make is said here.
pub struct SerializerConfig {
    group: GroupId,
    codec: Arc<dyn Codec>,
    register_schema: bool,
    create_group: Option<GroupProperties>,
}

impl SerializerConfig {
    /// For a group that exists and has the schema.
    pub fn new(group: GroupId) -> Self {
        Self { group, codec: Arc::new(NoCodec), register_schema: false, create_group: None }
    }

    /// Puts payloads through a codec, which is registered with the group.
    #[must_use]
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Arc::new(codec);
        self
    }

    /// Registers the schema when the group does not have it; the group's rule decides.
    #[must_use]
    pub fn register_schema(mut self) -> Self {
        self.register_schema = true;
        self
    }

    /// Makes the group when it is not there.
    #[must_use]
    pub fn create_group(mut self, properties: GroupProperties) -> Self {
        self.create_group = Some(properties);
        self
    }
}

enum Writer {
    Avro(Box<apache_avro::Schema>),
    Json,
}

/// Writes values of one schema as events, header included.
pub struct Serializer {
    writer: Writer,
    codec: Option<Arc<dyn Codec>>,
    header: [u8; header::HEADER_BYTES],
    version: VersionInfo,
}

impl Serializer {
    /// Finds, or by its configuration registers, the schema and its encoding. After that the registry is not asked
    /// again.
    pub async fn new(
        registry: &dyn SchemaRegistry,
        schema: SchemaInfo,
        config: SerializerConfig,
    ) -> CodecResult<Self> {
        let writer = match schema.format {
            Format::Avro => Writer::Avro(Box::new(parse_avro(&schema)?)),
            Format::Json => Writer::Json,
            ref other => return Err(CodecError::Schema(format!("writing {other} is not supported yet"))),
        };
        let group = &config.group;
        if let Some(properties) = config.create_group {
            registry.create_group(group, properties).await?;
        }
        let codec_type = config.codec.codec_type();
        if !codec_type.name.is_empty() {
            registry.add_codec_type(group, codec_type.clone()).await?;
        }
        let version = if config.register_schema {
            registry.add_schema(group, schema).await?
        } else {
            registry.find_schema(group, schema).await?
        };
        let id = registry.encoding_id(group, &version, &codec_type.name).await?;
        let codec = Some(config.codec).filter(|_| !codec_type.name.is_empty());
        Ok(Self { writer, codec, header: header::header(id), version })
    }

    /// The registered version it writes.
    pub fn version(&self) -> &VersionInfo {
        &self.version
    }

    /// The id in its events' headers.
    pub fn encoding_id(&self) -> EncodingId {
        let [_, a, b, c, d] = self.header;
        EncodingId(u32::from_be_bytes([a, b, c, d]))
    }

    /// Writes a value by its `serde` face: fields go by their names.
    pub fn serialize(&self, value: &impl Serialize) -> CodecResult<Bytes> {
        match &self.writer {
            Writer::Json => self.event(serde_json::to_vec(value).map_err(|e| self.misfit(&e))?),
            Writer::Avro(schema) => {
                let writer = GenericDatumWriter::builder(schema).build().map_err(|e| self.misfit(&e))?;
                self.event(writer.write_ser_to_vec(value).map_err(|e| self.misfit(&e))?)
            }
        }
    }

    /// Writes a dynamic Avro value.
    pub fn serialize_avro(&self, value: &AvroValue) -> CodecResult<Bytes> {
        let Writer::Avro(schema) = &self.writer else {
            return Err(CodecError::Schema(format!("schema {} is not Avro", self.version.type_name)));
        };
        let writer = GenericDatumWriter::builder(schema).build().map_err(|e| self.misfit(&e))?;
        let mut payload = Vec::new();
        writer.write_value_ref(&mut payload, value).map_err(|e| self.misfit(&e))?;
        self.event(payload)
    }

    fn misfit(&self, why: &dyn std::fmt::Display) -> CodecError {
        CodecError::Value { type_name: self.version.type_name.clone(), why: why.to_string() }
    }

    fn event(&self, payload: Vec<u8>) -> CodecResult<Bytes> {
        let payload = match &self.codec {
            Some(codec) => codec.encode(&payload)?,
            None => payload,
        };
        Ok([&self.header[..], &payload].concat().into())
    }
}

/// Reads an Avro schema with the library that writes its values.
pub(crate) fn parse_avro(schema: &SchemaInfo) -> CodecResult<apache_avro::Schema> {
    let text = String::from_utf8_lossy(&schema.data);
    apache_avro::Schema::parse_str(&text)
        .map_err(|e| CodecError::Schema(format!("Avro schema {} cannot be used: {e}", schema.type_name)))
}
