//! Events to values.

use crate::codec::Codecs;
use crate::serializer::parse_avro;
use crate::{AvroValue, CodecError, CodecResult, Encodings, SchemaRegistry, header};
use apache_avro::reader::datum::GenericDatumReader;
use kulya_schema::{EncodingInfo, Format, GroupId, SchemaInfo};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads the events of one group. Writer schemas come from the registry, once for each encoding id.
///
/// What Java's writers leave behind a payload that went through a codec, or that Flink wrote (zero bytes up to the
/// size of their buffer, contract §5.4), is ignored.
pub struct Deserializer {
    encodings: Encodings,
    codecs: Codecs,
    reader: Option<Box<apache_avro::Schema>>,
    writers: Mutex<HashMap<u32, Arc<apache_avro::Schema>>>,
}

impl Deserializer {
    /// Reads with each event's own schema.
    pub fn new(registry: Arc<dyn SchemaRegistry>, group: GroupId) -> Self {
        Self {
            encodings: Encodings::new(registry, group),
            codecs: Codecs::default(),
            reader: None,
            writers: Mutex::default(),
        }
    }

    /// Knows these codecs instead of none and gzip.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Resolves Avro events to this schema.
    pub fn reader_schema(mut self, schema: &SchemaInfo) -> CodecResult<Self> {
        self.reader = Some(Box::new(parse_avro(schema)?));
        Ok(self)
    }

    /// Reads an event as a `serde` type.
    pub async fn deserialize<T: DeserializeOwned>(&self, event: &[u8]) -> CodecResult<T> {
        let (encoding, payload) = self.payload(event).await?;
        match encoding.schema.format {
            Format::Json => {
                let text = trim_zeros(&payload);
                serde_json::from_slice(text).map_err(|e| mismatch(&encoding, &e))
            }
            Format::Avro => {
                let value = self.avro(&encoding, &payload)?;
                apache_avro::from_value(&value).map_err(|e| mismatch(&encoding, &e))
            }
            ref other => Err(CodecError::Schema(format!("reading {other} is not supported yet"))),
        }
    }

    /// Reads an event as a dynamic Avro value.
    pub async fn deserialize_avro(&self, event: &[u8]) -> CodecResult<AvroValue> {
        let (encoding, payload) = self.payload(event).await?;
        self.avro(&encoding, &payload)
    }

    async fn payload(&self, event: &[u8]) -> CodecResult<(Arc<EncodingInfo>, Vec<u8>)> {
        let (id, payload) = header::split(event)?;
        let encoding = self.encodings.encoding(id).await?;
        let payload = self.codecs.decode(payload, &encoding.codec)?;
        Ok((encoding, payload))
    }

    fn avro(&self, encoding: &EncodingInfo, payload: &[u8]) -> CodecResult<AvroValue> {
        let writer = self.writer(encoding)?;
        let reader = GenericDatumReader::builder(&writer).maybe_reader_schema(self.reader.as_deref()).build();
        let reader = reader.map_err(|e| mismatch(encoding, &e))?;
        reader.read_value(&mut &payload[..]).map_err(|e| mismatch(encoding, &e))
    }

    fn writer(&self, encoding: &EncodingInfo) -> CodecResult<Arc<apache_avro::Schema>> {
        if encoding.schema.format != Format::Avro {
            return Err(CodecError::Schema(format!("schema {} is not Avro", encoding.version.type_name)));
        }
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = writers.get(&encoding.version.id) {
            return Ok(Arc::clone(known));
        }
        let parsed = Arc::new(parse_avro(&encoding.schema)?);
        writers.insert(encoding.version.id, Arc::clone(&parsed));
        Ok(parsed)
    }
}

fn mismatch(encoding: &EncodingInfo, why: &dyn std::fmt::Display) -> CodecError {
    CodecError::Payload { type_name: encoding.version.type_name.clone(), why: why.to_string() }
}

/// A payload without the zero bytes behind it.
pub(crate) fn trim_zeros(payload: &[u8]) -> &[u8] {
    let end = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    payload.get(..end).unwrap_or_default()
}
