//! Events to values.

use crate::codec::Codecs;
use crate::custom::{self, CustomFormat};
use crate::schema::{Parsed, not_of, parse_avro};
use crate::{
    AvroValue, CodecError, CodecResult, Encodings, SchemaRegistry, Value, WithSchema, header, protobuf,
};
use apache_avro::reader::datum::GenericDatumReader;
use kulya_schema::{CodecType, EncodingInfo, Format, GroupId, SchemaInfo, VersionInfo, normalize, weigh};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads the events of one group, whatever their formats: the encoding id leads to the writer's schema, and that has one.
/// Schemas come from the registry, once for each encoding id; with those it has, a reader goes on while the registry is
/// away.
///
/// What Java's writers leave behind a payload that went through a codec, or that Flink wrote (zero bytes up to the
/// size of their buffer, contract §5.4), is ignored.
pub struct Deserializer {
    writers: Writers,
    codecs: Codecs,
    /// The schemas that it was told to read by.
    readers: Vec<SchemaInfo>,
    avro_reader: Option<Box<apache_avro::Schema>>,
    message_reader: Option<MessageDescriptor>,
    /// By the id of the writer's schema; as many as the group has.
    parsed: Mutex<HashMap<u32, Arc<Parsed>>>,
}

/// About how much memory the values of one event may take: some formats say in two bytes what takes a hundred.
pub(crate) const MAX_VALUE_BYTES: usize = 150_000_000;

/// How the writer's schema is known.
enum Writers {
    ByHeader(Encodings),
    Always(Arc<EncodingInfo>),
}

impl Deserializer {
    /// Reads with each event's own schema.
    pub fn new(registry: Arc<dyn SchemaRegistry>, group: GroupId) -> Self {
        Self::of(Writers::ByHeader(Encodings::new(registry, group)))
    }

    /// Reads events without a header, all written with this schema and no codec. Not for Avro (contract §5.1).
    pub fn without_header(schema: SchemaInfo) -> CodecResult<Self> {
        if matches!(schema.format, Format::Avro | Format::Any) {
            let what = format!("{} events cannot be read without a header", schema.format);
            return Err(CodecError::Schema(what));
        }
        let schema = normalize(schema).map_err(|e| CodecError::Schema(e.to_string()))?.schema;
        let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
        let version = VersionInfo { type_name, format, version: 0, id: 0 };
        let encoding = EncodingInfo { schema, version, codec: CodecType::default() };
        Ok(Self::of(Writers::Always(Arc::new(encoding))))
    }

    fn of(writers: Writers) -> Self {
        Self {
            writers,
            codecs: Codecs::default(),
            readers: Vec::new(),
            avro_reader: None,
            message_reader: None,
            parsed: Mutex::default(),
        }
    }

    /// Knows these codecs instead of those without a key.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Resolves Avro events to this schema; or, if it is a Protobuf schema, reads dynamic messages of its name by it. One of
    /// each may be given. Other formats have no rules of evolution.
    pub fn reader_schema(mut self, schema: &SchemaInfo) -> CodecResult<Self> {
        match schema.format {
            Format::Avro => self.avro_reader = Some(Box::new(parse_avro(schema)?)),
            Format::Protobuf => {
                let normal = normalize(schema.clone()).map_err(|e| CodecError::Schema(e.to_string()))?;
                self.message_reader = Some(protobuf::message(&normal.schema)?);
            }
            ref other => {
                return Err(CodecError::Schema(format!(
                    "{other} has no reader schemas: each event is read by its own"
                )));
            }
        }
        self.readers.push(schema.clone());
        Ok(self)
    }

    /// Asks the registry what Java's readers ask when they start (contract §5.7): does this reader know every codec of the
    /// group, and may its reader schemas read what the group holds, by the group's rule? So it is said at the start, and not
    /// by the first event that cannot be read. A reader without a header has nobody to ask.
    ///
    /// # Errors
    /// `Codec` for a codec that is not known here, `Schema` for a schema that may not read, `Registry` for no answer.
    pub async fn check(&self) -> CodecResult<()> {
        let Writers::ByHeader(encodings) = &self.writers else { return Ok(()) };
        let (registry, group) = encodings.registry();
        for codec in registry.codec_types(group).await? {
            self.codecs.get(&codec.name)?;
        }
        for schema in &self.readers {
            if !registry.can_read(group, schema.clone()).await? {
                let name = &schema.type_name;
                let what = format!("schema {name:?} may not read group {group}, by the group's rule");
                return Err(CodecError::Schema(what));
            }
        }
        Ok(())
    }

    /// Reads an Avro or JSON event as a `serde` type.
    pub async fn deserialize<T: DeserializeOwned>(&self, event: &[u8]) -> CodecResult<T> {
        let (encoding, payload) = self.payload(event).await?;
        match encoding.schema.format {
            Format::Json => json(&encoding, &payload),
            Format::Avro => {
                let value = self.avro(&encoding, &payload)?;
                apache_avro::from_value(&value).map_err(|e| mismatch(&encoding, &e))
            }
            _ => Err(not_of("Avro or Json", &encoding.version)),
        }
    }

    /// Reads an event as a dynamic Avro value.
    pub async fn deserialize_avro(&self, event: &[u8]) -> CodecResult<AvroValue> {
        let (encoding, payload) = self.payload(event).await?;
        self.avro(&encoding, &payload)
    }

    /// Reads an event as a typed Protobuf message, if its writer's message has that name. Fields that only the writer's has
    /// are gone, fields that only the type has are at their defaults.
    pub async fn deserialize_message<M: prost::Name + Default>(&self, event: &[u8]) -> CodecResult<M> {
        let (encoding, payload) = self.payload(event).await?;
        if encoding.schema.format != Format::Protobuf {
            return Err(not_of("Protobuf", &encoding.version));
        }
        if let Parsed::Protobuf(writer) = &*self.parsed(&encoding)?
            && let Ok(writer) = &**writer
        {
            protobuf::check_size(writer, &payload).map_err(|e| mismatch(&encoding, &e))?;
        }
        if encoding.version.type_name != M::full_name() {
            return Err(mismatch(&encoding, &format_args!("it is to be read as {}", M::full_name())));
        }
        M::decode(protobuf::without_padding(&payload)).map_err(|e| mismatch(&encoding, &e))
    }

    /// Reads an event as a dynamic Protobuf message, by the descriptors that the registry has.
    pub async fn deserialize_dynamic(&self, event: &[u8]) -> CodecResult<DynamicMessage> {
        let (encoding, payload) = self.payload(event).await?;
        self.message(&encoding, &payload)
    }

    /// Reads an event of the user's own format.
    pub async fn deserialize_custom<F: CustomFormat>(
        &self,
        format: &F,
        event: &[u8],
    ) -> CodecResult<F::Value> {
        let (encoding, payload) = self.payload(event).await?;
        custom::read(format, &encoding.schema, &payload)
    }

    /// Reads an event of any format, with the schema it was written with.
    pub async fn deserialize_any(&self, event: &[u8]) -> CodecResult<WithSchema> {
        let (encoding, payload) = self.payload(event).await?;
        let value = match encoding.schema.format {
            Format::Avro => Value::Avro(self.avro(&encoding, &payload)?),
            Format::Json => Value::Json(json(&encoding, &payload)?),
            Format::Protobuf => Value::Protobuf(self.message(&encoding, &payload)?),
            Format::Custom(_) => Value::Custom(payload),
            Format::Any => return Err(not_of("of any format", &encoding.version)),
        };
        Ok(WithSchema { encoding, value })
    }

    async fn payload(&self, event: &[u8]) -> CodecResult<(Arc<EncodingInfo>, Vec<u8>)> {
        let encodings = match &self.writers {
            Writers::ByHeader(encodings) => encodings,
            Writers::Always(encoding) => return Ok((Arc::clone(encoding), event.to_vec())),
        };
        let (id, payload) = header::split(event)?;
        let encoding = encodings.encoding(id).await?;
        let payload = self.codecs.decode(payload, &encoding.codec)?;
        Ok((encoding, payload))
    }

    fn avro(&self, encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<AvroValue> {
        let parsed = self.parsed(encoding)?;
        let Parsed::Avro(writer) = &*parsed else { return Err(not_of("Avro", &encoding.version)) };
        let (datum, _) = writer.datum(payload).map_err(|why| mismatch(encoding, &why))?;
        let reader = GenericDatumReader::builder(&writer.values)
            .maybe_reader_schema(self.avro_reader.as_deref())
            .build();
        let reader = reader.map_err(|e| mismatch(encoding, &e))?;
        let mut rest = datum;
        let value = reader.read_value(&mut rest).map_err(|e| mismatch(encoding, &e))?;
        if !rest.is_empty() {
            let why = format!("{} of its {} bytes were read", datum.len() - rest.len(), datum.len());
            return Err(mismatch(encoding, &why));
        }
        Ok(value)
    }

    fn message(&self, encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<DynamicMessage> {
        let parsed = self.parsed(encoding)?;
        let Parsed::Protobuf(writer) = &*parsed else { return Err(not_of("Protobuf", &encoding.version)) };
        let writer = (**writer).as_ref().map_err(|why| CodecError::Schema(why.clone()))?;
        protobuf::read(writer, self.message_reader.as_ref(), payload).map_err(|e| mismatch(encoding, &e))
    }

    fn parsed(&self, encoding: &EncodingInfo) -> CodecResult<Arc<Parsed>> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.get(&encoding.version.id) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Parsed::new(&encoding.schema, &encoding.version)?);
        parsed.insert(encoding.version.id, Arc::clone(&new));
        Ok(new)
    }
}

fn json<T: DeserializeOwned>(encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<T> {
    let text = std::str::from_utf8(trim_zeros(payload)).map_err(|e| mismatch(encoding, &e))?;
    weigh(text, MAX_VALUE_BYTES).map_err(|e| mismatch(encoding, &e))?;
    serde_json::from_str(text).map_err(|e| mismatch(encoding, &e))
}

fn mismatch(encoding: &EncodingInfo, why: &dyn std::fmt::Display) -> CodecError {
    CodecError::Payload { type_name: encoding.version.type_name.clone(), why: why.to_string() }
}

/// A payload without the zero bytes behind it.
pub(crate) fn trim_zeros(payload: &[u8]) -> &[u8] {
    let end = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    payload.get(..end).unwrap_or_default()
}
