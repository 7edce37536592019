//! Decoding of events with the five-byte header: the registry knows the writer's schema and the codec of each
//! encoding id.

use super::{EventNumbers, PayloadDecoder};
use crate::arrow::{BatchDecoder, Decoded, DecodedBatch};
use crate::codec::Codecs;
use crate::{
    CodecError, CodecResult, EncodingCache, RegistryError, RegistryErrorKind, SchemaRegistry, header,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use kulya_schema::{EncodingId, EncodingInfo, GroupId};
use std::collections::HashMap;
use std::sync::Arc;

/// Decodes the events of one group: Flink's format `pravega-registry`, with the decoder of the group's
/// format.
pub struct RegistryDecoder<P> {
    encodings: EncodingCache,
    codecs: Codecs,
    /// The encodings that events had; at most as many as the group has.
    resolved: HashMap<EncodingId, Arc<EncodingInfo>>,
    /// The ids without an encoding, in the events that were prepared last.
    missing: HashMap<EncodingId, RegistryError>,
    /// The encoding of the last event.
    last: Option<(EncodingId, Arc<EncodingInfo>)>,
    payloads: P,
    events: EventNumbers,
}

impl<P: PayloadDecoder> RegistryDecoder<P> {
    /// Creates a decoder of the events of `group`.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>, group: GroupId, payloads: P) -> Self {
        Self {
            encodings: EncodingCache::new(registry, group),
            codecs: Codecs::default(),
            resolved: HashMap::new(),
            missing: HashMap::new(),
            last: None,
            payloads,
            events: EventNumbers::default(),
        }
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Returns the numbers of events with the batches.
    #[must_use]
    pub fn with_event_numbers(mut self) -> Self {
        self.events.0 = Some(Vec::new());
        self
    }

    fn event(&mut self, event: &[u8]) -> CodecResult<usize> {
        let (id, payload) = header::split(event)?;
        let encoding = match &self.last {
            Some((last, encoding)) if *last == id => encoding,
            _ => {
                let encoding = self.resolved.get(&id).ok_or_else(|| self.unresolved(id))?;
                &self.last.insert((id, Arc::clone(encoding))).1
            }
        };
        if encoding.codec.name.is_empty() {
            return self.payloads.decode(payload, encoding);
        }
        let payload = self.codecs.decode(payload, &encoding.codec)?;
        self.payloads.decode(&payload, encoding)
    }

    fn unresolved(&self, id: EncodingId) -> CodecError {
        let error = self.missing.get(&id).cloned();
        error
            .unwrap_or_else(|| {
                RegistryError::new(RegistryErrorKind::Failed, format!("encoding {} was not resolved", id.0))
            })
            .into()
    }
}

#[async_trait]
impl<P: PayloadDecoder> BatchDecoder for RegistryDecoder<P> {
    fn schema(&self) -> SchemaRef {
        self.payloads.schema()
    }

    async fn prepare(&mut self, events: &[&[u8]]) -> CodecResult<()> {
        // an id without an encoding may get one later
        self.missing.clear();
        let mut last = None;
        for event in events {
            let Ok((id, _)) = header::split(event) else { continue };
            if last == Some(id) || self.resolved.contains_key(&id) || self.missing.contains_key(&id) {
                last = Some(id);
                continue;
            }
            match self.encodings.encoding(id).await {
                Ok(encoding) => {
                    self.resolved.insert(id, encoding);
                }
                Err(error) if error.kind() == RegistryErrorKind::NotFound => {
                    self.missing.insert(id, error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded {
        let is_full = |decoder: &Self| decoder.payloads.is_full();
        Decoded::one_by_one(self, (events, number), is_full, |decoder, event, number| {
            let rows = decoder.event(event)?;
            decoder.events.extend(number, rows);
            Ok(())
        })
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        self.events.flush(&mut self.payloads)
    }
}
