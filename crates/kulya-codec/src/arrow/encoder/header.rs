//! The five-byte header and the codec around encoded rows.

use crate::arrow::{BatchEncoder, RowKind};
use crate::codec::{Codec, MAX_DECODED_BYTES};
use crate::{CodecError, CodecResult, header};
use arrow::array::RecordBatch;
use bytes::Bytes;
use kulya_schema::EncodingId;
use std::sync::Arc;

/// Encodes rows as events of a registry's group: a payload of the format behind the header. Nothing follows
/// the payload.
pub struct HeaderEncoder<E> {
    payloads: E,
    id: EncodingId,
    codec: Option<Arc<dyn Codec>>,
}

impl<E: BatchEncoder> HeaderEncoder<E> {
    /// Creates an encoder of payloads with the encoding `id`, which must be that of the schema and `codec`.
    pub fn new(payloads: E, id: EncodingId, codec: Option<Arc<dyn Codec>>) -> Self {
        Self { payloads, id, codec }
    }
}

impl<E: BatchEncoder> BatchEncoder for HeaderEncoder<E> {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        let header = header::encode(self.id);
        let event = |payload: Bytes| {
            if payload.len() > MAX_DECODED_BYTES {
                let size = payload.len();
                return Err(CodecError::Codec(format!(
                    "a row of {size} bytes is larger than {MAX_DECODED_BYTES} bytes, the limit of readers"
                )));
            }
            Ok(match &self.codec {
                Some(codec) => [&header[..], &codec.encode(&payload)?].concat().into(),
                None => [&header[..], &payload].concat().into(),
            })
        };
        self.payloads.encode(rows, kinds)?.into_iter().map(event).collect()
    }
}
