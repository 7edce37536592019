//! Values to events.

use crate::codec::{Codec, MAX_DECODED_BYTES, NoCodec};
use crate::custom::{self, CustomFormat};
use crate::schema::{Parsed, not_of};
use crate::{AvroValue, CodecError, CodecResult, SchemaRegistry, header};
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use kulya_schema::{EncodingId, Format, GroupId, GroupProperties, SchemaInfo, VersionInfo};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};
use serde::Serialize;
use std::sync::Arc;

/// How a serializer finds its place in the registry. What the registry may be asked to make is said here.
pub struct SerializerConfig {
    group: GroupId,
    codec: Arc<dyn Codec>,
    register_schema: bool,
    create_group: Option<GroupProperties>,
    header: bool,
}

impl SerializerConfig {
    /// For a group that exists and has the schema.
    pub fn new(group: GroupId) -> Self {
        Self { group, codec: Arc::new(NoCodec), register_schema: false, create_group: None, header: true }
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

    /// Writes payloads alone, for readers that know the schema by other means. Not for Avro, and not with a codec (contract
    /// §5.1): nothing in such an event says which.
    #[must_use]
    pub fn without_header(mut self) -> Self {
        self.header = false;
        self
    }
}

/// Writes values of one schema as events.
pub struct Serializer {
    parsed: Parsed,
    codec: Option<Arc<dyn Codec>>,
    encoding: Option<EncodingId>,
    schema: SchemaInfo,
    version: VersionInfo,
}

impl Serializer {
    /// Finds, or by its configuration registers, the schema and its encoding. After that the registry is not asked
    /// again. Behind a [`CachedRegistry`](crate::CachedRegistry) a second one of the same schema asks nothing.
    pub async fn new(
        registry: &dyn SchemaRegistry,
        schema: SchemaInfo,
        config: SerializerConfig,
    ) -> CodecResult<Self> {
        let group = &config.group;
        let codec_type = config.codec.codec_type();
        if !config.header && (schema.format == Format::Avro || !codec_type.name.is_empty()) {
            return Err(no_header(&schema, &codec_type.name));
        }
        if schema.format == Format::Avro {
            // what cannot be written is not registered
            crate::schema::parse_avro(&schema)?;
        }
        if let Some(properties) = config.create_group {
            registry.create_group(group, properties).await?;
        }
        if !codec_type.name.is_empty() {
            registry.add_codec_type(group, codec_type.clone()).await?;
        }
        let version = if config.register_schema {
            registry.add_schema(group, schema.clone()).await?
        } else {
            registry.find_schema(group, schema.clone()).await?
        };
        let encoding = match config.header {
            true => Some(registry.encoding_id(group, &version, &codec_type.name).await?),
            false => None,
        };
        let codec = Some(config.codec).filter(|_| !codec_type.name.is_empty());
        Ok(Self { parsed: Parsed::new(&schema, &version)?, codec, encoding, schema, version })
    }

    /// The registered version it writes.
    pub fn version(&self) -> &VersionInfo {
        &self.version
    }

    /// The id in its events' headers, if they have one.
    pub fn encoding_id(&self) -> Option<EncodingId> {
        self.encoding
    }

    /// Writes a value by its `serde` face as Avro or JSON: fields go by their names.
    pub fn serialize(&self, value: &impl Serialize) -> CodecResult<Bytes> {
        match &self.parsed {
            Parsed::Json => self.event(serde_json::to_vec(value).map_err(|e| self.misfit(&e))?),
            Parsed::Avro(schema) => {
                let writer =
                    GenericDatumWriter::builder(&schema.values).build().map_err(|e| self.misfit(&e))?;
                self.event(writer.write_ser_to_vec(value).map_err(|e| self.misfit(&e))?)
            }
            Parsed::Protobuf(_) | Parsed::Custom => Err(not_of("Avro or Json", &self.version)),
        }
    }

    /// Writes a dynamic Avro value.
    pub fn serialize_avro(&self, value: &AvroValue) -> CodecResult<Bytes> {
        let Parsed::Avro(schema) = &self.parsed else { return Err(not_of("Avro", &self.version)) };
        let writer = GenericDatumWriter::builder(&schema.values).build().map_err(|e| self.misfit(&e))?;
        let mut payload = Vec::new();
        writer.write_value_ref(&mut payload, value).map_err(|e| self.misfit(&e))?;
        self.event(payload)
    }

    /// Writes a typed Protobuf message; it must be the one that the schema names.
    pub fn serialize_message<M: prost::Name>(&self, message: &M) -> CodecResult<Bytes> {
        self.event(self.message_bytes(message, &M::full_name())?)
    }

    /// Writes a dynamic Protobuf message of the schema's name.
    pub fn serialize_dynamic(&self, message: &DynamicMessage) -> CodecResult<Bytes> {
        self.event(self.message_bytes(message, message.descriptor().full_name())?)
    }

    /// What dynamic messages for this schema are made with.
    pub fn message(&self) -> CodecResult<&MessageDescriptor> {
        let Parsed::Protobuf(descriptor) = &self.parsed else {
            return Err(not_of("Protobuf", &self.version));
        };
        (**descriptor).as_ref().map_err(|why| CodecError::Schema(why.clone()))
    }

    /// Writes a value of the user's own format.
    pub fn serialize_custom<F: CustomFormat>(&self, format: &F, value: &F::Value) -> CodecResult<Bytes> {
        self.event(custom::write(format, &self.schema, &self.version, value)?)
    }

    fn message_bytes(&self, message: &impl prost::Message, name: &str) -> CodecResult<Vec<u8>> {
        if !matches!(self.parsed, Parsed::Protobuf(_)) {
            return Err(not_of("Protobuf", &self.version));
        }
        if name != self.version.type_name {
            return Err(self.misfit(&format_args!("it is a {name}")));
        }
        Ok(message.encode_to_vec())
    }

    fn misfit(&self, why: &dyn std::fmt::Display) -> CodecError {
        CodecError::Value { type_name: self.version.type_name.clone(), why: why.to_string() }
    }

    fn event(&self, payload: Vec<u8>) -> CodecResult<Bytes> {
        if payload.len() > MAX_DECODED_BYTES {
            let why =
                format_args!("its payload is larger than {MAX_DECODED_BYTES} bytes, which no reader takes");
            return Err(self.misfit(&why));
        }
        let payload = match &self.codec {
            Some(codec) => codec.encode(&payload)?,
            None => payload,
        };
        Ok(match self.encoding {
            Some(id) => [&header::header(id)[..], &payload].concat().into(),
            None => payload.into(),
        })
    }
}

fn no_header(schema: &SchemaInfo, codec: &str) -> CodecError {
    let why = match codec {
        "" => "Avro cannot be read without the writer's schema".to_owned(),
        codec => format!("codec {codec} would not be undone"),
    };
    CodecError::Schema(format!("events of schema {} need a header: {why}", schema.type_name))
}
