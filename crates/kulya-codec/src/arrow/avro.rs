//! Avro events to batches, by `arrow-avro`: one decoder for each schema that events were written with, all giving the
//! reader schema's columns.

use super::BATCH_ROWS;
use crate::codec::Codecs;
use crate::deserializer::trim_zeros;
use crate::schema::parse_avro;
use crate::{CodecError, CodecResult, Encodings, SchemaRegistry, header};
use apache_avro::reader::datum::GenericDatumReader;
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
const FRAME: [u8; 5] = [0; 5];

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
    schema: apache_avro::Schema,
    /// For a root union of null and a record: the bytes that choose the record.
    branch: Option<u8>,
    rows: usize,
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

    /// Adds an event. On an error the rows since the last whole batch are gone with it.
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
        if let Err(error) = decoder.push(payload, &encoding) {
            // a datum that failed half way has left values in some columns: none of this decoder's rows can be used
            self.decoders.remove(&writer);
            self.current = None;
            return Err(error);
        }
        if decoder.rows == BATCH_ROWS {
            self.finish()?;
        }
        Ok(())
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
        decoder.rows = 0;
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
        Ok(Self {
            decoder: decoder(&writer, &reader, projection)?,
            schema: parse_avro(&encoding.schema)?,
            branch,
            rows: 0,
        })
    }

    fn push(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<()> {
        let wrong = |why: String| CodecError::Payload { type_name: encoding.version.type_name.clone(), why };
        let datum = self.datum(payload).map_err(wrong)?;
        let datum = match self.branch {
            None => datum,
            Some(branch) => {
                datum.strip_prefix(&[branch]).ok_or_else(|| wrong("it is null, and no row".into()))?
            }
        };
        let framed = [&FRAME, datum].concat();
        let consumed = self.decoder.decode(&framed).map_err(|e| wrong(e.to_string()))?;
        if consumed != framed.len() {
            return Err(wrong(format!(
                "{} bytes were expected, there are {}",
                consumed.max(5) - 5,
                datum.len()
            )));
        }
        self.rows += 1;
        Ok(())
    }

    /// The datum without zero bytes that a Java writer's buffer left behind it (contract §5.4). Only where the last
    /// byte is zero does the datum's own length have to be found.
    fn datum<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], String> {
        if payload.last() != Some(&0) {
            return Ok(payload);
        }
        let reader = GenericDatumReader::builder(&self.schema).build().map_err(|e| e.to_string())?;
        let mut rest = payload;
        reader.read_value(&mut rest).map_err(|e| e.to_string())?;
        if !trim_zeros(rest).is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        Ok(payload.get(..payload.len() - rest.len()).unwrap_or_default())
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
