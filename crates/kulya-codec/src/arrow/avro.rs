//! Decodes Avro events to record batches, by `arrow-avro`: one decoder for each writer schema, all with the
//! columns of the reader schema.

use super::{BATCH_BYTES, BATCH_ROWS};
use crate::codec::Codecs;
use crate::schema::AvroWriterSchema;
use crate::{CodecError, CodecResult, EncodingCache, SchemaRegistry, header};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use kulya_schema::{EncodingInfo, Format, GroupId, SchemaInfo};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The prefix that `arrow-avro` expects before a datum with a numeric schema id: a zero byte and the id, here
/// always 0.
///
/// It is appended to each datum, for the next one: the library decodes a datum only when bytes follow the
/// prefix. Otherwise it would decode a datum of no bytes (a record of nulls), or a truncated one, together
/// with the next event.
const PREFIX: [u8; 5] = [0; 5];
/// The number of values after which a batch is complete: the values of an array of nulls take no bytes.
const BATCH_VALUES: usize = 4_000_000;

/// Decodes the events of one Avro group to record batches.
pub struct AvroBatchDecoder {
    encodings: EncodingCache,
    codecs: Codecs,
    reader: Value,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    /// Decoders by the id of the writer's schema.
    decoders: HashMap<u32, WriterDecoder>,
    /// The decoder with rows of an incomplete batch.
    current: Option<u32>,
    completed: Vec<RecordBatch>,
}

struct WriterDecoder {
    decoder: Decoder,
    writer: AvroWriterSchema,
    /// The encoded union index of the record, when the root is a union of null and a record.
    union_index: Option<u8>,
    /// The datums of rows in the incomplete batch, each with the prefix of the next.
    pending: Vec<Vec<u8>>,
    bytes: usize,
    values: usize,
}

impl AvroBatchDecoder {
    /// Creates a decoder of the events of `group`, resolved to the schema `reader`, with the columns of
    /// `projection` if it is given.
    ///
    /// # Errors
    /// `Schema` when the schema is not Avro, or its root is not a record.
    pub fn new(
        registry: impl Into<Arc<dyn SchemaRegistry>>,
        group: GroupId,
        reader: &SchemaInfo,
        projection: Option<Vec<usize>>,
    ) -> CodecResult<Self> {
        let (reader, _) = row_schema(reader)?;
        let schema = decoder(&reader, &reader, projection.clone())?.schema();
        Ok(Self {
            encodings: EncodingCache::new(registry, group),
            codecs: Codecs::default(),
            reader,
            projection,
            schema: without_dictionaries(&schema),
            decoders: HashMap::new(),
            current: None,
            completed: Vec::new(),
        })
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Decodes an event. After an error the decoder continues without the event.
    ///
    /// # Errors
    /// `Header` for bytes that are not an event; `Registry` when the encoding id cannot be resolved; `Codec`
    /// or `Key` when the payload cannot be decompressed or decrypted; `Schema` when the writer's schema
    /// cannot be resolved to the reader's; `Payload` when the payload does not match the schema.
    pub async fn push(&mut self, event: &[u8]) -> CodecResult<()> {
        let (id, payload) = header::split(event)?;
        let encoding = self.encodings.encoding(id).await?;
        let decoded;
        let payload = if encoding.codec.name.is_empty() {
            payload
        } else {
            decoded = self.codecs.decode(payload, &encoding.codec)?;
            &decoded
        };
        let writer = encoding.version.id;
        if self.current.is_some_and(|current| current != writer) {
            self.finish()?;
        }
        if !self.decoders.contains_key(&writer) {
            let decoder = WriterDecoder::new(&encoding, &self.reader, self.projection.clone())?;
            self.decoders.insert(writer, decoder);
        }
        self.current = Some(writer);
        let Some(decoder) = self.decoders.get_mut(&writer) else { return Ok(()) };
        let invalid =
            |reason: String| CodecError::Payload { type_name: encoding.version.type_name.clone(), reason };
        // checked first, so that the decoder sees no invalid datum
        let (row, values) = decoder.row(payload).map_err(invalid)?;
        if let Err(reason) = decoder.push(row, values) {
            // the failed datum may have left values in some columns: the rows before it are decoded again
            let pending = std::mem::take(&mut decoder.pending);
            self.restore(writer, &encoding, pending)?;
            return Err(invalid(reason));
        }
        if decoder.is_full() {
            self.finish()?;
        }
        Ok(())
    }

    /// Replaces a decoder that failed, and completes a batch of the rows that it had, so that no row is
    /// decoded more than twice.
    fn restore(&mut self, writer: u32, encoding: &EncodingInfo, pending: Vec<Vec<u8>>) -> CodecResult<()> {
        let mut decoder = WriterDecoder::new(encoding, &self.reader, self.projection.clone())?;
        for row in pending {
            decoder
                .push(row, 0)
                .map_err(|reason| CodecError::Schema(format!("decoding Avro rows failed: {reason}")))?;
        }
        self.decoders.insert(writer, decoder);
        self.finish()
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
        let Some(decoder) = self.current.take().and_then(|current| self.decoders.get_mut(&current)) else {
            return Ok(());
        };
        (decoder.bytes, decoder.values) = (0, 0);
        decoder.pending.clear();
        let flushed = decoder
            .decoder
            .flush()
            .map_err(|e| CodecError::Schema(format!("decoding Avro rows failed: {e}")))?;
        if let Some(batch) = flushed {
            self.completed.push(cast_batch(&batch, &self.schema)?);
        }
        Ok(())
    }
}

impl WriterDecoder {
    fn new(encoding: &EncodingInfo, reader: &Value, projection: Option<Vec<usize>>) -> CodecResult<Self> {
        let (writer, union_index) = row_schema(&encoding.schema)?;
        // record names are not compared (contract §3.4), so the reader gets the writer's
        let mut reader = reader.clone();
        if let (Value::Object(reader), Value::Object(writer)) = (&mut reader, &writer) {
            for part in ["name", "namespace"] {
                match writer.get(part) {
                    Some(name) => reader.insert(part.to_owned(), name.clone()),
                    None => reader.shift_remove(part),
                };
            }
        }
        let mut decoder = decoder(&writer, &reader, projection)?;
        let failed = |e| CodecError::Schema(format!("Avro schema cannot be decoded to rows: {e}"));
        decoder.decode(&PREFIX).map_err(failed)?;
        let writer = AvroWriterSchema::new(&encoding.schema)?;
        Ok(Self { decoder, writer, union_index, pending: Vec::new(), bytes: 0, values: 0 })
    }

    /// Returns the datum of a payload with the prefix of the next one, and the number of values in it.
    fn row(&self, payload: &[u8]) -> Result<(Vec<u8>, usize), String> {
        let (datum, values) = self.writer.datum(payload)?;
        let datum = match self.union_index {
            None => datum,
            Some(index) => datum.strip_prefix(&[index]).ok_or("it is null and not a record")?,
        };
        Ok(([datum, &PREFIX].concat(), values))
    }

    fn push(&mut self, row: Vec<u8>, values: usize) -> Result<(), String> {
        let consumed = self.decoder.decode(&row).map_err(|e| e.to_string())?;
        if consumed != row.len() {
            let (read, all) = (consumed.min(row.len() - PREFIX.len()), row.len() - PREFIX.len());
            return Err(format!("only {read} of its {all} bytes were read"));
        }
        self.bytes += row.len();
        self.values += values;
        self.pending.push(row);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.values >= BATCH_VALUES
    }
}

/// Returns the record schema of the rows: the root, or the record in a root union with null and its encoded
/// union index.
fn row_schema(schema: &SchemaInfo) -> CodecResult<(Value, Option<u8>)> {
    let no_rows = |reason: &str| {
        CodecError::Schema(format!("Avro schema {} cannot be a table: {reason}", schema.type_name))
    };
    if schema.format != Format::Avro {
        return Err(no_rows("it is not Avro"));
    }
    let parsed: Value = serde_json::from_slice(&schema.data).map_err(|e| no_rows(&e.to_string()))?;
    let is_record = |value: &Value| value.get("type").and_then(Value::as_str) == Some("record");
    match &parsed {
        Value::Object(_) if is_record(&parsed) => Ok((parsed, None)),
        Value::Array(members) if members.len() == 2 => {
            let index =
                members.iter().position(is_record).ok_or_else(|| no_rows("its root is not a record"))?;
            let record = members.get(index).cloned().unwrap_or_default();
            Ok((record, Some(if index == 0 { 0 } else { 2 })))
        }
        _ => Err(no_rows("its root is not a record")),
    }
}

fn decoder(writer: &Value, reader: &Value, projection: Option<Vec<usize>>) -> CodecResult<Decoder> {
    let failed = |e: arrow::error::ArrowError| {
        CodecError::Schema(format!("Avro schema cannot be decoded to rows: {e}"))
    };
    let mut schemas = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    schemas.set(Fingerprint::Id(0), AvroSchema::new(writer.to_string())).map_err(failed)?;
    let mut builder = ReaderBuilder::new()
        .with_writer_schema_store(schemas)
        .with_active_fingerprint(Fingerprint::Id(0))
        .with_reader_schema(AvroSchema::new(reader.to_string()))
        // one more than a batch has, so that the library never completes a batch within a call
        .with_batch_size(BATCH_ROWS + 1);
    if let Some(projection) = projection {
        builder = builder.with_projection(projection);
    }
    builder.build_decoder().map_err(failed)
}

/// Replaces dictionaries by their value types: enums become text.
fn without_dictionaries(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, values) => {
            Field::new(field.name(), values.as_ref().clone(), field.is_nullable())
        }
        plain => Field::new(field.name(), plain.clone(), field.is_nullable()),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn cast_batch(batch: &RecordBatch, schema: &SchemaRef) -> CodecResult<RecordBatch> {
    let failed =
        |e: arrow::error::ArrowError| CodecError::Schema(format!("converting Avro rows failed: {e}"));
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() {
            Ok(Arc::clone(column))
        } else {
            cast(column, field.data_type())
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}
