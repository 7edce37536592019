//! Avro events to batches, by `arrow-avro`: one decoder for each schema that events were written with, all giving the
//! reader schema's columns.

use super::{BATCH_BYTES, BATCH_ROWS};
use crate::codec::Codecs;
use crate::schema::AvroWriter;
use crate::{CodecError, CodecResult, Encodings, SchemaRegistry, header};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use kulya_schema::{EncodingInfo, Format, GroupId, SchemaInfo};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What `arrow-avro` expects before a datum when schemas go by number: a zero byte and the number. Ours is always 0.
///
/// Here it stands behind each datum, for the next: the library decodes a datum only when bytes follow its prefix, and one of
/// no bytes (a record of nulls) it would decode with the next event, as would one that was cut off.
const PREFIX: [u8; 5] = [0; 5];
/// Values after which a batch is whole: those of an array of nulls take no bytes.
const BATCH_VALUES: usize = 4_000_000;

/// Decodes the events of one group into batches.
pub struct AvroBatches {
    encodings: Encodings,
    codecs: Codecs,
    reader: Value,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    /// By the id of the writer's schema.
    decoders: HashMap<u32, WriterDecoder>,
    /// The decoder that holds rows of no finished batch.
    current: Option<u32>,
    ready: Vec<RecordBatch>,
}

struct WriterDecoder {
    decoder: Decoder,
    writer: AvroWriter,
    /// For a root union of null and a record: the bytes that choose the record.
    branch: Option<u8>,
    /// The datums of rows that are in no batch yet, each with the next one's prefix.
    held: Vec<Vec<u8>>,
    bytes: usize,
    values: usize,
}

impl AvroBatches {
    /// Events of `group`, read as `reader` says, only the columns of `projection` if it is given.
    pub fn new(
        registry: Arc<dyn SchemaRegistry>,
        group: GroupId,
        reader: &SchemaInfo,
        projection: Option<Vec<usize>>,
    ) -> CodecResult<Self> {
        let (reader, _) = record_of(reader)?;
        let schema = decoder(&reader, &reader, projection.clone())?.schema();
        Ok(Self {
            encodings: Encodings::new(registry, group),
            codecs: Codecs::default(),
            reader,
            projection,
            schema: readable(&schema),
            decoders: HashMap::new(),
            current: None,
            ready: Vec::new(),
        })
    }

    /// Knows these codecs instead of those without a key.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Adds an event. On an error it is left out, and all others stay as they are.
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
            let made = WriterDecoder::new(&encoding, &self.reader, self.projection.clone())?;
            self.decoders.insert(writer, made);
        }
        self.current = Some(writer);
        let Some(decoder) = self.decoders.get_mut(&writer) else { return Ok(()) };
        let wrong = |why: String| CodecError::Payload { type_name: encoding.version.type_name.clone(), why };
        // what is no event never comes to the decoder
        let (row, values) = decoder.row(payload).map_err(wrong)?;
        if let Err(why) = decoder.push(row, values) {
            // a datum that failed half way has left values in some columns: the rows before it are decoded anew
            let held = std::mem::take(&mut decoder.held);
            self.restore(writer, &encoding, held)?;
            return Err(wrong(why));
        }
        if decoder.is_full() {
            self.finish()?;
        }
        Ok(())
    }

    /// Makes a new decoder in the place of one that failed, and a batch of the rows that that one held, so that none is decoded
    /// more than twice.
    fn restore(&mut self, writer: u32, encoding: &EncodingInfo, held: Vec<Vec<u8>>) -> CodecResult<()> {
        let mut made = WriterDecoder::new(encoding, &self.reader, self.projection.clone())?;
        for row in held {
            made.push(row, 0)
                .map_err(|why| CodecError::Schema(format!("Avro rows cannot be read: {why}")))?;
        }
        self.decoders.insert(writer, made);
        self.finish()
    }

    /// The batches that are whole; with `all`, also what is left.
    pub fn take(&mut self, all: bool) -> CodecResult<Vec<RecordBatch>> {
        if all {
            self.finish()?;
        }
        Ok(std::mem::take(&mut self.ready))
    }

    fn finish(&mut self) -> CodecResult<()> {
        let Some(decoder) = self.current.take().and_then(|current| self.decoders.get_mut(&current)) else {
            return Ok(());
        };
        (decoder.bytes, decoder.values) = (0, 0);
        decoder.held.clear();
        let flushed = decoder
            .decoder
            .flush()
            .map_err(|e| CodecError::Schema(format!("Avro rows cannot be read: {e}")))?;
        if let Some(batch) = flushed {
            self.ready.push(to_readable(&batch, &self.schema)?);
        }
        Ok(())
    }
}

impl WriterDecoder {
    fn new(encoding: &EncodingInfo, reader: &Value, projection: Option<Vec<usize>>) -> CodecResult<Self> {
        let (writer, branch) = record_of(&encoding.schema)?;
        // record names are not compared (contract §3.4): the reader takes the writer's
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
        let failed = |e| CodecError::Schema(format!("Avro schema cannot be read as rows: {e}"));
        decoder.decode(&PREFIX).map_err(failed)?;
        let writer = AvroWriter::new(&encoding.schema)?;
        Ok(Self { decoder, writer, branch, held: Vec::new(), bytes: 0, values: 0 })
    }

    /// The row that a payload is, with the next one's prefix, and how many values it holds.
    fn row(&self, payload: &[u8]) -> Result<(Vec<u8>, usize), String> {
        let (datum, values) = self.writer.datum(payload)?;
        let datum = match self.branch {
            None => datum,
            Some(branch) => datum.strip_prefix(&[branch]).ok_or("it is null, and no row")?,
        };
        Ok(([datum, &PREFIX].concat(), values))
    }

    fn push(&mut self, row: Vec<u8>, values: usize) -> Result<(), String> {
        let consumed = self.decoder.decode(&row).map_err(|e| e.to_string())?;
        if consumed != row.len() {
            let (read, all) = (consumed.min(row.len() - PREFIX.len()), row.len() - PREFIX.len());
            return Err(format!("{read} of its {all} bytes were read"));
        }
        self.bytes += row.len();
        self.values += values;
        self.held.push(row);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.held.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.values >= BATCH_VALUES
    }
}

/// The schema of the rows: a record, or the record of a union with null, with the byte that chooses it.
fn record_of(schema: &SchemaInfo) -> CodecResult<(Value, Option<u8>)> {
    let no_rows =
        |why: &str| CodecError::Schema(format!("Avro schema {} makes no table: {why}", schema.type_name));
    if schema.format != Format::Avro {
        return Err(no_rows("it is not Avro"));
    }
    let parsed: Value = serde_json::from_slice(&schema.data).map_err(|e| no_rows(&e.to_string()))?;
    let is_record = |value: &Value| value.get("type").and_then(Value::as_str) == Some("record");
    match &parsed {
        Value::Object(_) if is_record(&parsed) => Ok((parsed, None)),
        Value::Array(members) if members.len() == 2 => {
            let place =
                members.iter().position(is_record).ok_or_else(|| no_rows("its root is not a record"))?;
            let record = members.get(place).cloned().unwrap_or_default();
            Ok((record, Some(if place == 0 { 0 } else { 2 })))
        }
        _ => Err(no_rows("its root is not a record")),
    }
}

fn decoder(writer: &Value, reader: &Value, projection: Option<Vec<usize>>) -> CodecResult<Decoder> {
    let failed =
        |e: arrow::error::ArrowError| CodecError::Schema(format!("Avro schema cannot be read as rows: {e}"));
    let mut schemas = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    schemas.set(Fingerprint::Id(0), AvroSchema::new(writer.to_string())).map_err(failed)?;
    let mut builder = ReaderBuilder::new()
        .with_writer_schema_store(schemas)
        .with_active_fingerprint(Fingerprint::Id(0))
        .with_reader_schema(AvroSchema::new(reader.to_string()))
        // one more than we ask for, so that a batch is never full in the middle of a call
        .with_batch_size(BATCH_ROWS + 1);
    if let Some(projection) = projection {
        builder = builder.with_projection(projection);
    }
    builder.build_decoder().map_err(failed)
}

/// The same columns in types that SQL shows: enums are text.
fn readable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, values) => {
            Field::new(field.name(), values.as_ref().clone(), field.is_nullable())
        }
        plain => Field::new(field.name(), plain.clone(), field.is_nullable()),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn to_readable(batch: &RecordBatch, schema: &SchemaRef) -> CodecResult<RecordBatch> {
    let failed = |e: arrow::error::ArrowError| CodecError::Schema(format!("Avro rows cannot be shown: {e}"));
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
