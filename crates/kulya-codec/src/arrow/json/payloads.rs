//! JSON payloads behind a header.

use super::JsonRows;
use crate::arrow::batch_decoder::BatchDecoder;
use crate::arrow::payload::{PayloadDecoder, PayloadRows};
use crate::{CodecError, CodecResult};
use arrow::datatypes::SchemaRef;
use kulya_schema::{EncodingInfo, Format};
use std::sync::Arc;

impl PayloadDecoder for JsonRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize> {
        let format = &encoding.schema.format;
        if *format != Format::Json {
            let what = format!("the event has format {format}, but the table has format Json");
            return Err(CodecError::Schema(what));
        }
        let before = self.rows;
        self.push(payload, 0).map_err(|error| match error {
            CodecError::Payload { reason, .. } => {
                CodecError::Payload { type_name: format!("JSON {}", encoding.version.type_name), reason }
            }
            other => other,
        })?;
        Ok(self.rows - before)
    }

    fn is_full(&self) -> bool {
        JsonRows::is_full(self)
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        let batch = BatchDecoder::flush(self)?;
        Ok(batch.map(|batch| PayloadRows { rows: batch.rows, kinds: batch.kinds, clears: batch.clears }))
    }
}
