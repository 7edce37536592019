//! The serializer: values to events.

use crate::codec::{Codec, MAX_DECODED_BYTES, NoCodec};
use crate::custom::{self, CustomFormat};
use crate::schema::{ParsedSchema, wrong_format};
use crate::{AvroValue, CodecError, CodecResult, SchemaRegistry, header};
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use kulya_schema::{EncodingId, Format, GroupId, GroupProperties, SchemaInfo, VersionInfo};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};
use serde::Serialize;
use std::sync::Arc;

/// The configuration of a serializer: the group, the codec, and what it may create in the registry.
pub struct SerializerConfig {
    group: GroupId,
    codec: Arc<dyn Codec>,
    register_schema: bool,
    create_group: Option<GroupProperties>,
    header: bool,
}

impl SerializerConfig {
    /// Configures a serializer for a group that exists and has the schema.
    pub fn new(group: GroupId) -> Self {
        Self { group, codec: Arc::new(NoCodec), register_schema: false, create_group: None, header: true }
    }

    /// Sets the codec of payloads. The serializer registers it with the group.
    #[must_use]
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Arc::new(codec);
        self
    }

    /// Registers the schema when the group does not have it, if the group's policy accepts it.
    #[must_use]
    pub fn register_schema(mut self) -> Self {
        self.register_schema = true;
        self
    }

    /// Creates the group when it does not exist.
    #[must_use]
    pub fn create_group(mut self, properties: GroupProperties) -> Self {
        self.create_group = Some(properties);
        self
    }

    /// Writes events without a header, for readers that know the schema by other means. Not possible for
    /// Avro, nor with a codec (contract §5.1), since the event would not name them.
    #[must_use]
    pub fn without_header(mut self) -> Self {
        self.header = false;
        self
    }
}

/// Serializes values of one schema as events.
pub struct Serializer {
    parsed: ParsedSchema,
    codec: Option<Arc<dyn Codec>>,
    encoding: Option<EncodingId>,
    schema: SchemaInfo,
    version: VersionInfo,
}

impl Serializer {
    /// Finds the schema and its encoding in the registry, or registers them if the configuration allows.
    /// Makes no further calls later. With a [`CachedRegistry`](crate::CachedRegistry) a second serializer of
    /// the same schema makes none.
    ///
    /// # Errors
    /// `Registry` for an error of the registry; `Schema` for a schema that cannot be used, or that needs a
    /// header.
    pub async fn new(
        registry: impl Into<Arc<dyn SchemaRegistry>>,
        schema: SchemaInfo,
        config: SerializerConfig,
    ) -> CodecResult<Self> {
        let registry = registry.into();
        let group = &config.group;
        let codec_type = config.codec.codec_type();
        if !config.header && (schema.format == Format::Avro || !codec_type.name.is_empty()) {
            return Err(header_required(&schema, &codec_type.name));
        }
        if schema.format == Format::Avro {
            // a schema that cannot be used is not registered
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
        Ok(Self { parsed: ParsedSchema::new(&schema, &version)?, codec, encoding, schema, version })
    }

    /// Returns the registered version of the schema.
    pub fn version(&self) -> &VersionInfo {
        &self.version
    }

    /// Returns the encoding id in the headers of the events; `None` without headers.
    pub fn encoding_id(&self) -> Option<EncodingId> {
        self.encoding
    }

    /// Serializes a `serde` value as Avro or JSON. Fields are matched by name.
    ///
    /// # Errors
    /// `Schema` when the schema is of another format; `Value` when the value does not match it or is too
    /// large; `Codec` or `Key` when the codec fails.
    pub fn serialize(&self, value: &impl Serialize) -> CodecResult<Bytes> {
        match &self.parsed {
            ParsedSchema::Json => self.event(serde_json::to_vec(value).map_err(|e| self.value_error(&e))?),
            ParsedSchema::Avro(schema) => {
                let writer =
                    GenericDatumWriter::builder(&schema.values).build().map_err(|e| self.value_error(&e))?;
                self.event(writer.write_ser_to_vec(value).map_err(|e| self.value_error(&e))?)
            }
            ParsedSchema::Protobuf(_) | ParsedSchema::Custom => {
                Err(wrong_format("Avro or Json", &self.version))
            }
        }
    }

    /// Serializes a dynamic Avro value.
    ///
    /// # Errors
    /// Those of [`serialize`](Self::serialize).
    pub fn serialize_avro(&self, value: &AvroValue) -> CodecResult<Bytes> {
        let ParsedSchema::Avro(schema) = &self.parsed else {
            return Err(wrong_format("Avro", &self.version));
        };
        let writer = GenericDatumWriter::builder(&schema.values).build().map_err(|e| self.value_error(&e))?;
        let mut payload = Vec::new();
        writer.write_value_ref(&mut payload, value).map_err(|e| self.value_error(&e))?;
        self.event(payload)
    }

    /// Serializes a typed Protobuf message. Its name must be that of the schema.
    ///
    /// # Errors
    /// Those of [`serialize`](Self::serialize).
    pub fn serialize_message<M: prost::Name>(&self, message: &M) -> CodecResult<Bytes> {
        self.event(self.message_bytes(message, &M::full_name())?)
    }

    /// Serializes a dynamic Protobuf message. Its name must be that of the schema.
    ///
    /// # Errors
    /// Those of [`serialize`](Self::serialize).
    pub fn serialize_dynamic(&self, message: &DynamicMessage) -> CodecResult<Bytes> {
        self.event(self.message_bytes(message, message.descriptor().full_name())?)
    }

    /// Returns the descriptor for creating dynamic messages of this schema.
    ///
    /// # Errors
    /// `Schema` when the schema is not Protobuf, or its descriptor set is not complete.
    pub fn message_descriptor(&self) -> CodecResult<&MessageDescriptor> {
        let ParsedSchema::Protobuf(descriptor) = &self.parsed else {
            return Err(wrong_format("Protobuf", &self.version));
        };
        (**descriptor).as_ref().map_err(|reason| CodecError::Schema(reason.clone()))
    }

    /// Serializes a value of a custom format.
    ///
    /// # Errors
    /// `Schema` when the schema is of another format, `Value` for an error of the format, and those of
    /// [`serialize`](Self::serialize).
    pub fn serialize_custom<F: CustomFormat>(&self, format: &F, value: &F::Value) -> CodecResult<Bytes> {
        self.event(custom::encode(format, &self.schema, &self.version, value)?)
    }

    fn message_bytes(&self, message: &impl prost::Message, name: &str) -> CodecResult<Vec<u8>> {
        if !matches!(self.parsed, ParsedSchema::Protobuf(_)) {
            return Err(wrong_format("Protobuf", &self.version));
        }
        if name != self.version.type_name {
            return Err(self.value_error(&format_args!("it is a {name}")));
        }
        Ok(message.encode_to_vec())
    }

    fn value_error(&self, reason: &dyn std::fmt::Display) -> CodecError {
        CodecError::Value { type_name: self.version.type_name.clone(), reason: reason.to_string() }
    }

    fn event(&self, payload: Vec<u8>) -> CodecResult<Bytes> {
        if payload.len() > MAX_DECODED_BYTES {
            let reason =
                format_args!("its payload is larger than {MAX_DECODED_BYTES} bytes, the limit of readers");
            return Err(self.value_error(&reason));
        }
        let payload = match &self.codec {
            Some(codec) => codec.encode(&payload)?,
            None => payload,
        };
        Ok(match self.encoding {
            Some(id) => [&header::encode(id)[..], &payload].concat().into(),
            None => payload.into(),
        })
    }
}

fn header_required(schema: &SchemaInfo, codec: &str) -> CodecError {
    let reason = match codec {
        "" => "Avro cannot be read without the writer's schema".to_owned(),
        codec => format!("a reader could not know codec {codec}"),
    };
    CodecError::Schema(format!("events of schema {} need a header: {reason}", schema.type_name))
}
