//! The deserializer: events to values.

use crate::codec::Codecs;
use crate::custom::{self, CustomFormat};
use crate::schema::{ParsedSchema, parse_avro, wrong_format};
use crate::{
    AvroValue, CodecError, CodecResult, EncodingCache, SchemaRegistry, Value, WithSchema, header, protobuf,
};
use apache_avro::reader::datum::GenericDatumReader;
use kulya_schema::{
    CodecType, EncodingInfo, Format, GroupId, SchemaInfo, VersionInfo, canonicalize, json_memory_bytes,
};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Deserializes the events of one group, in any format: the encoding id of an event resolves to the writer's
/// schema. Schemas are requested from the registry once for each encoding id; those in the cache remain
/// usable during an outage of the registry.
///
/// Trailing zero bytes are ignored: Java writers with a codec, and Flink, write their whole buffer (contract
/// §5.4).
pub struct Deserializer {
    writer_schema: WriterSchema,
    codecs: Codecs,
    /// The reader schemas, for [`check`](Self::check).
    reader_schemas: Vec<SchemaInfo>,
    avro_reader: Option<Box<apache_avro::Schema>>,
    message_reader: Option<MessageDescriptor>,
    /// Parsed writer schemas by schema id; at most as many as the group has.
    parsed: Mutex<HashMap<u32, Arc<ParsedSchema>>>,
}

/// The limit of the estimated memory of one event's value, in bytes: in some formats two bytes can take a
/// hundred in memory.
pub(crate) const MAX_VALUE_BYTES: usize = 150_000_000;

/// Where the writer's schema comes from.
enum WriterSchema {
    ByHeader(EncodingCache),
    Fixed(Arc<EncodingInfo>),
}

impl Deserializer {
    /// Creates a deserializer that reads each event with its writer's schema.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>, group: GroupId) -> Self {
        Self::with_writer_schema(WriterSchema::ByHeader(EncodingCache::new(registry, group)))
    }

    /// Creates a deserializer of events without a header that were all written with this schema and no codec.
    ///
    /// # Errors
    /// `Schema` for Avro, which needs a header (contract §5.1), and for an invalid schema.
    pub fn without_header(schema: SchemaInfo) -> CodecResult<Self> {
        if matches!(schema.format, Format::Avro | Format::Any) {
            let what = format!("{} events cannot be read without a header", schema.format);
            return Err(CodecError::Schema(what));
        }
        let schema = canonicalize(schema).map_err(|e| CodecError::Schema(e.to_string()))?.schema;
        let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
        let version = VersionInfo { type_name, format, version: 0, id: 0 };
        let encoding = EncodingInfo { schema, version, codec: CodecType::default() };
        Ok(Self::with_writer_schema(WriterSchema::Fixed(Arc::new(encoding))))
    }

    fn with_writer_schema(writer_schema: WriterSchema) -> Self {
        Self {
            writer_schema,
            codecs: Codecs::default(),
            reader_schemas: Vec::new(),
            avro_reader: None,
            message_reader: None,
            parsed: Mutex::default(),
        }
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Sets a reader schema: Avro events are resolved to it; dynamic Protobuf messages of its name are
    /// decoded by it. One of each can be set.
    ///
    /// # Errors
    /// `Schema` for an invalid schema, and for other formats, which have no schema resolution.
    pub fn reader_schema(mut self, schema: &SchemaInfo) -> CodecResult<Self> {
        match schema.format {
            Format::Avro => self.avro_reader = Some(Box::new(parse_avro(schema)?)),
            Format::Protobuf => {
                let canonical =
                    canonicalize(schema.clone()).map_err(|e| CodecError::Schema(e.to_string()))?;
                self.message_reader = Some(protobuf::message_descriptor(&canonical.schema)?);
            }
            ref other => {
                return Err(CodecError::Schema(format!(
                    "{other} has no reader schemas: each event is read by its writer's"
                )));
            }
        }
        self.reader_schemas.push(schema.clone());
        Ok(self)
    }

    /// Checks with the registry that this deserializer has every codec of the group, and that its reader
    /// schemas can read the group by the group's policy, as Java's deserializers do when they start (contract
    /// §5.7). So an incompatibility shows at the start, and not at the first event that cannot be read.
    /// Without headers there is nothing to check.
    ///
    /// # Errors
    /// `Codec` for an unknown codec, `Schema` for an incompatible reader schema, `Registry` for an error of
    /// the registry.
    pub async fn check(&self) -> CodecResult<()> {
        let WriterSchema::ByHeader(encodings) = &self.writer_schema else { return Ok(()) };
        let (registry, group) = encodings.registry();
        for codec in registry.codec_types(group).await? {
            self.codecs.get(&codec.name)?;
        }
        for schema in &self.reader_schemas {
            if !registry.can_read(group, schema.clone()).await? {
                let name = &schema.type_name;
                let what = format!("schema {name:?} may not read group {group} by the group's policy");
                return Err(CodecError::Schema(what));
            }
        }
        Ok(())
    }

    /// Deserializes an Avro or JSON event as a `serde` type.
    ///
    /// # Errors
    /// `Header` for bytes that are not an event; `Registry` when the encoding id cannot be resolved; `Codec`
    /// or `Key` when the payload cannot be decompressed or decrypted; `Schema` when the writer's schema is of
    /// another format or cannot be used; `Payload` when the payload does not match the schema.
    pub async fn deserialize<T: DeserializeOwned>(&self, event: &[u8]) -> CodecResult<T> {
        let (encoding, payload) = self.decode_payload(event).await?;
        match encoding.schema.format {
            Format::Json => decode_json(&encoding, &payload),
            Format::Avro => {
                let value = self.decode_avro(&encoding, &payload)?;
                apache_avro::from_value(&value).map_err(|e| payload_error(&encoding, &e))
            }
            _ => Err(wrong_format("Avro or Json", &encoding.version)),
        }
    }

    /// Deserializes an event as a dynamic Avro value.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize).
    pub async fn deserialize_avro(&self, event: &[u8]) -> CodecResult<AvroValue> {
        let (encoding, payload) = self.decode_payload(event).await?;
        self.decode_avro(&encoding, &payload)
    }

    /// Deserializes an event as a typed Protobuf message of the writer's message name. Fields that the type
    /// does not have are dropped; fields that the writer does not have get their defaults.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize).
    pub async fn deserialize_message<M: prost::Name + Default>(&self, event: &[u8]) -> CodecResult<M> {
        let (encoding, payload) = self.decode_payload(event).await?;
        if encoding.schema.format != Format::Protobuf {
            return Err(wrong_format("Protobuf", &encoding.version));
        }
        if let ParsedSchema::Protobuf(writer) = &*self.parsed_schema(&encoding)?
            && let Ok(writer) = &**writer
        {
            protobuf::check_size(writer, &payload).map_err(|e| payload_error(&encoding, &e))?;
        }
        if encoding.version.type_name != M::full_name() {
            return Err(payload_error(&encoding, &format_args!("the reader expects {}", M::full_name())));
        }
        M::decode(protobuf::strip_padding(&payload)).map_err(|e| payload_error(&encoding, &e))
    }

    /// Deserializes an event as a dynamic Protobuf message, by the descriptors in the registry.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize).
    pub async fn deserialize_dynamic(&self, event: &[u8]) -> CodecResult<DynamicMessage> {
        let (encoding, payload) = self.decode_payload(event).await?;
        self.decode_message(&encoding, &payload)
    }

    /// Deserializes an event of a custom format.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize).
    pub async fn deserialize_custom<F: CustomFormat>(
        &self,
        format: &F,
        event: &[u8],
    ) -> CodecResult<F::Value> {
        let (encoding, payload) = self.decode_payload(event).await?;
        custom::decode(format, &encoding.schema, &payload)
    }

    /// Deserializes an event of any format; returns it with its writer's schema.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize).
    pub async fn deserialize_any(&self, event: &[u8]) -> CodecResult<WithSchema> {
        let (encoding, payload) = self.decode_payload(event).await?;
        let value = match encoding.schema.format {
            Format::Avro => Value::Avro(self.decode_avro(&encoding, &payload)?),
            Format::Json => Value::Json(decode_json(&encoding, &payload)?),
            Format::Protobuf => Value::Protobuf(self.decode_message(&encoding, &payload)?),
            Format::Custom(_) => Value::Custom(payload),
            Format::Any => return Err(wrong_format("of any format", &encoding.version)),
        };
        Ok(WithSchema { encoding, value })
    }

    async fn decode_payload(&self, event: &[u8]) -> CodecResult<(Arc<EncodingInfo>, Vec<u8>)> {
        let encodings = match &self.writer_schema {
            WriterSchema::ByHeader(encodings) => encodings,
            WriterSchema::Fixed(encoding) => return Ok((Arc::clone(encoding), event.to_vec())),
        };
        let (id, payload) = header::split(event)?;
        let encoding = encodings.encoding(id).await?;
        let payload = self.codecs.decode(payload, &encoding.codec)?;
        Ok((encoding, payload))
    }

    fn decode_avro(&self, encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<AvroValue> {
        let parsed = self.parsed_schema(encoding)?;
        let ParsedSchema::Avro(writer) = &*parsed else {
            return Err(wrong_format("Avro", &encoding.version));
        };
        let (datum, _) = writer.datum(payload).map_err(|reason| payload_error(encoding, &reason))?;
        let reader = GenericDatumReader::builder(&writer.values)
            .maybe_reader_schema(self.avro_reader.as_deref())
            .build();
        let reader = reader.map_err(|e| payload_error(encoding, &e))?;
        let mut rest = datum;
        let value = reader.read_value(&mut rest).map_err(|e| payload_error(encoding, &e))?;
        if !rest.is_empty() {
            let reason = format!("only {} of its {} bytes were read", datum.len() - rest.len(), datum.len());
            return Err(payload_error(encoding, &reason));
        }
        Ok(value)
    }

    fn decode_message(&self, encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<DynamicMessage> {
        let parsed = self.parsed_schema(encoding)?;
        let ParsedSchema::Protobuf(writer) = &*parsed else {
            return Err(wrong_format("Protobuf", &encoding.version));
        };
        let writer = (**writer).as_ref().map_err(|reason| CodecError::Schema(reason.clone()))?;
        protobuf::decode(writer, self.message_reader.as_ref(), payload)
            .map_err(|e| payload_error(encoding, &e))
    }

    fn parsed_schema(&self, encoding: &EncodingInfo) -> CodecResult<Arc<ParsedSchema>> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = parsed.get(&encoding.version.id) {
            return Ok(Arc::clone(schema));
        }
        let new = Arc::new(ParsedSchema::new(&encoding.schema, &encoding.version)?);
        parsed.insert(encoding.version.id, Arc::clone(&new));
        Ok(new)
    }
}

fn decode_json<T: DeserializeOwned>(encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<T> {
    let text = std::str::from_utf8(strip_padding(payload)).map_err(|e| payload_error(encoding, &e))?;
    json_memory_bytes(text, MAX_VALUE_BYTES).map_err(|e| payload_error(encoding, &e))?;
    serde_json::from_str(text).map_err(|e| payload_error(encoding, &e))
}

fn payload_error(encoding: &EncodingInfo, reason: &dyn std::fmt::Display) -> CodecError {
    CodecError::Payload { type_name: encoding.version.type_name.clone(), reason: reason.to_string() }
}

/// Removes trailing zero bytes from a payload.
pub(crate) fn strip_padding(payload: &[u8]) -> &[u8] {
    let end = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    payload.get(..end).unwrap_or_default()
}
