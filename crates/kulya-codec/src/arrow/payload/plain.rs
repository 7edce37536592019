//! Decoding of events that are payloads of one schema, without a header.

use super::{EventNumbers, PayloadDecoder};
use crate::arrow::{BatchDecoder, Decoded, DecodedBatch};
use crate::{CodecError, CodecResult};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use kulya_schema::{CodecType, EncodingInfo, Format, SchemaInfo, VersionInfo, canonicalize};

/// Decodes events without a header, all written with one schema and no codec: Flink's formats `avro`,
/// `protobuf`, `csv` and `raw`.
pub struct PlainDecoder<P> {
    payloads: P,
    encoding: EncodingInfo,
    events: EventNumbers,
}

impl<P: PayloadDecoder> PlainDecoder<P> {
    /// Creates a decoder of events that were written with this schema.
    ///
    /// # Errors
    /// `Schema` for an invalid schema.
    pub fn new(payloads: P, writer: SchemaInfo) -> CodecResult<Self> {
        let schema = canonicalize(writer).map_err(|e| CodecError::Schema(e.to_string()))?.schema;
        Ok(Self::of(payloads, schema))
    }

    /// Creates a decoder of events of a format without schemas, which `name` is.
    pub fn without_schema(payloads: P, name: &str) -> Self {
        Self::of(payloads, SchemaInfo::new(name, Format::Custom(name.to_owned()), ""))
    }

    fn of(payloads: P, schema: SchemaInfo) -> Self {
        let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
        let version = VersionInfo { type_name, format, version: 0, id: 0 };
        let encoding = EncodingInfo { schema, version, codec: CodecType::default() };
        Self { payloads, encoding, events: EventNumbers::default() }
    }

    /// Returns the numbers of events with the batches.
    #[must_use]
    pub fn with_event_numbers(mut self) -> Self {
        self.events.0 = Some(Vec::new());
        self
    }
}

#[async_trait]
impl<P: PayloadDecoder> BatchDecoder for PlainDecoder<P> {
    fn schema(&self) -> SchemaRef {
        self.payloads.schema()
    }

    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded {
        let is_full = |decoder: &Self| decoder.payloads.is_full();
        Decoded::one_by_one(self, (events, number), is_full, |decoder, event, number| {
            let rows = decoder.payloads.decode(event, &decoder.encoding)?;
            decoder.events.extend(number, rows);
            Ok(())
        })
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        self.events.flush(&mut self.payloads)
    }
}
