//! Rows of the payloads of one writer's schema, by [`FlatDecoder`] or `arrow-avro`.
//!
//! The library takes a datum for complete when it has read as much as the schema wants, and a decoder that
//! has failed within a row is of no more use. So each payload is measured first, and the datums of a batch
//! are kept until it is complete, to decode them again after a failure. From then on each datum of that
//! writer is tried in a decoder of its own first.

use super::flat_decoder::FlatDecoder;
use super::reader_schema::{has_nulls_within, reads_bytes_as_text, row_schema, with_name_of};
use crate::arrow::BATCH_ROWS;
use crate::schema::AvroWriterSchema;
use crate::{CodecError, CodecResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use kulya_schema::SchemaInfo;
use kulya_schema::avro::DatumSize;
use serde_json::Value;
use std::sync::Arc;

/// The prefix that `arrow-avro` expects before a datum with a numeric schema id: a zero byte and the id, here
/// always 0.
const PREFIX: [u8; 5] = [0; 5];

pub(super) struct WriterDecoder {
    /// The writer's record, the reader's record under the same name, and the positions of the columns.
    schemas: (Value, Value, Option<Vec<usize>>),
    writer: AvroWriterSchema,
    /// The encoded union index of the record, when the root is a union of null and a record.
    union_index: Option<u8>,
    /// Decodes in place of the library, if it can.
    flat: Option<FlatDecoder>,
    /// `None` with `flat`, and for rows without columns.
    decoder: Option<DatumDecoder>,
    /// Tries each datum before `decoder`, after a failure.
    trial: Option<DatumDecoder>,
    /// The datums of the incomplete batch, one after the other, and the end of each; empty with `trial`.
    kept: Vec<u8>,
    ends: Vec<usize>,
    rows: usize,
}

impl WriterDecoder {
    /// Creates a decoder of the columns that `schema` has in the reader's schema.
    pub(super) fn new(
        schema: &SchemaInfo,
        reader: &Value,
        projection: Option<Vec<usize>>,
        columns: &SchemaRef,
    ) -> CodecResult<Self> {
        let (writer, _) = row_schema(schema)?;
        let flat = FlatDecoder::new(&writer, reader, projection.as_deref(), columns);
        Self::with(flat, schema, reader, projection)
    }

    /// Creates a decoder of rows by `flat`, or by the library without it.
    pub(super) fn with(
        flat: Option<FlatDecoder>,
        schema: &SchemaInfo,
        reader: &Value,
        projection: Option<Vec<usize>>,
    ) -> CodecResult<Self> {
        let (writer, union_index) = row_schema(schema)?;
        let reader = with_name_of(reader, &writer);
        let reads_bytes_as_text = reads_bytes_as_text(&reader, &writer);
        let schemas = (writer, reader, projection);
        let needs_decoder = flat.is_none() && schemas.2.as_ref().is_none_or(|columns| !columns.is_empty());
        // also without need, since the library finds schemas that cannot be resolved
        let decoder = DatumDecoder::new(&schemas)?;
        // what the library finds only when it completes a batch
        let needs_trial = reads_bytes_as_text || has_nulls_within(decoder.0.schema().fields());
        Ok(Self {
            writer: AvroWriterSchema::new(schema)?,
            union_index,
            flat,
            decoder: needs_decoder.then_some(decoder),
            trial: if needs_decoder && needs_trial { Some(DatumDecoder::new(&schemas)?) } else { None },
            schemas,
            kept: Vec::new(),
            ends: Vec::new(),
            rows: 0,
        })
    }

    /// Decodes a payload as one row. After an error there is no row of it.
    pub(super) fn push(&mut self, payload: &[u8]) -> Result<DatumSize, String> {
        if let Some(flat) = &mut self.flat {
            let datum = match self.union_index {
                None => Some(payload),
                Some(index) => payload.strip_prefix(&[index]),
            };
            if let Some(Ok(bytes)) = datum.map(|datum| flat.push(datum)) {
                self.rows += 1;
                return Ok(DatumSize { bytes, values: 1 });
            }
        }
        let (datum, values) = self.writer.datum(payload)?;
        let datum = match self.union_index {
            None => datum,
            Some(index) => datum.strip_prefix(&[index]).ok_or("it is null and not a record")?,
        };
        if self.flat.is_some() {
            return Err("a value of it is beyond the range of its column".to_owned());
        }
        if let Some(trial) = &mut self.trial
            && let Err(reason) = trial.push(datum).and_then(|()| trial.flush().map(|_| ()))
        {
            *trial = DatumDecoder::new(&self.schemas).map_err(|e| e.to_string())?;
            return Err(reason);
        }
        if let Some(decoder) = &mut self.decoder {
            if let Err(reason) = decoder.push(datum) {
                self.restore()?;
                return Err(reason);
            }
            if self.trial.is_none() {
                self.kept.extend_from_slice(datum);
                self.ends.push(self.kept.len());
            }
        }
        self.rows += 1;
        Ok(DatumSize { bytes: datum.len(), values })
    }

    /// Replaces a decoder that failed within a row, which may have left values of it in some columns.
    fn restore(&mut self) -> Result<(), String> {
        let new = || DatumDecoder::new(&self.schemas).map_err(|e| e.to_string());
        let mut decoder = new()?;
        let mut start = 0;
        for end in self.ends.drain(..) {
            decoder.push(self.kept.get(start..end).unwrap_or_default())?;
            start = end;
        }
        self.kept.clear();
        self.trial = Some(new()?);
        self.decoder = Some(decoder);
        Ok(())
    }

    /// Returns the rows since the last call; `None` if there are none.
    pub(super) fn flush(&mut self) -> CodecResult<Option<RecordBatch>> {
        self.kept.clear();
        self.ends.clear();
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let failed = |reason| CodecError::Schema(format!("decoding Avro rows failed: {reason}"));
        if let Some(flat) = &mut self.flat {
            return flat.flush().map(Some).map_err(failed);
        }
        match &mut self.decoder {
            Some(decoder) => decoder.flush().map_err(failed),
            None => {
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
                    .map(Some)
                    .map_err(|e| failed(e.to_string()))
            }
        }
    }
}

/// The library's decoder, for one datum at a time.
struct DatumDecoder(Decoder);

impl DatumDecoder {
    fn new((writer, reader, projection): &(Value, Value, Option<Vec<usize>>)) -> CodecResult<Self> {
        let mut decoder = build_decoder(writer, reader, projection.clone())?;
        decoder.decode(&PREFIX).map_err(unreadable)?;
        Ok(Self(decoder))
    }

    /// Decodes a datum. After an error the decoder cannot be used.
    fn push(&mut self, datum: &[u8]) -> Result<(), String> {
        let capacity = self.0.capacity();
        let mut consumed = 0;
        if !datum.is_empty() {
            consumed = self.0.decode(datum).map_err(|e| e.to_string())?;
        }
        if consumed != datum.len() {
            return Err(format!("only {consumed} of its {} bytes were read", datum.len()));
        }
        // the library decodes a datum of no bytes (a record of nulls) when bytes follow it
        let prefix = self.0.decode(&PREFIX).map_err(|e| e.to_string())?;
        if prefix != PREFIX.len() || self.0.capacity() + 1 != capacity {
            return Err("it was not read as one record".to_owned());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, String> {
        self.0.flush().map_err(|e| e.to_string())
    }
}

/// Builds the library's decoder of datums behind [`PREFIX`].
pub(super) fn build_decoder(
    writer: &Value,
    reader: &Value,
    projection: Option<Vec<usize>>,
) -> CodecResult<Decoder> {
    let mut schemas = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    schemas.set(Fingerprint::Id(0), AvroSchema::new(writer.to_string())).map_err(unreadable)?;
    let mut builder = ReaderBuilder::new()
        .with_writer_schema_store(schemas)
        .with_active_fingerprint(Fingerprint::Id(0))
        .with_reader_schema(AvroSchema::new(reader.to_string()))
        // one more than a batch has, so that the library never completes a batch within a call
        .with_batch_size(BATCH_ROWS + 1);
    if let Some(projection) = projection {
        builder = builder.with_projection(projection);
    }
    builder.build_decoder().map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> CodecError {
    CodecError::Schema(format!("Avro schema cannot be decoded to rows: {error}"))
}
