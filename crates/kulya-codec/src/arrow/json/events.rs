//! Events of a JSON group with a header: the encoding id resolves to the codec of the payload.

use super::JsonRows;
use crate::arrow::batch_decoder::BatchDecoder;
use crate::arrow::column::{Column, arrow_schema};
use crate::codec::Codecs;
use crate::{CodecError, CodecResult, EncodingCache, SchemaRegistry, header};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_schema::{Format, GroupId};
use std::sync::Arc;

/// Decodes the events of one JSON group to record batches.
pub struct JsonBatchDecoder {
    encodings: EncodingCache,
    codecs: Codecs,
    columns: Vec<Column>,
    rows: Option<JsonRows>,
    completed: Vec<RecordBatch>,
}

impl JsonBatchDecoder {
    /// Creates a decoder of the events of `group` with the members in `columns`; other members are ignored.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>, group: GroupId, columns: Vec<Column>) -> Self {
        let encodings = EncodingCache::new(registry, group);
        Self { encodings, codecs: Codecs::default(), columns, rows: None, completed: Vec::new() }
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        arrow_schema(&self.columns)
    }

    /// Decodes an event; a top-level array of objects is several rows. After an error the decoder continues
    /// without the event.
    ///
    /// # Errors
    /// `Header` for bytes that are not an event; `Registry` when the encoding id cannot be resolved; `Codec`
    /// or `Key` when the payload cannot be decompressed or decrypted; `Schema` when the event is not JSON;
    /// `Payload` when a value does not match its column.
    pub async fn push(&mut self, event: &[u8]) -> CodecResult<()> {
        let (id, payload) = header::split(event)?;
        let encoding = self.encodings.encoding(id).await?;
        if encoding.schema.format != Format::Json {
            let format = &encoding.schema.format;
            return Err(CodecError::Schema(format!(
                "the event has format {format}, but the table has format Json"
            )));
        }
        let decoded;
        let payload = if encoding.codec.name.is_empty() {
            payload
        } else {
            decoded = self.codecs.decode(payload, &encoding.codec)?;
            &decoded
        };
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => self.rows.insert(JsonRows::new(&self.columns)?),
        };
        rows.push(payload, 0).map_err(|error| match error {
            CodecError::Payload { reason, .. } => {
                CodecError::Payload { type_name: format!("JSON {}", encoding.version.type_name), reason }
            }
            other => other,
        })?;
        if rows.is_full() {
            self.finish()?;
        }
        Ok(())
    }

    /// Takes the completed batches; with `all`, also the rows of the incomplete one.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    pub fn take(&mut self, all: bool) -> CodecResult<Vec<RecordBatch>> {
        if all {
            self.finish()?;
        }
        Ok(std::mem::take(&mut self.completed))
    }

    fn finish(&mut self) -> CodecResult<()> {
        if let Some(rows) = &mut self.rows {
            self.completed.extend(rows.flush()?.map(|batch| batch.rows));
        }
        Ok(())
    }
}
