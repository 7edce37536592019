//! Rows of Avro payloads with any writers' schemas, resolved to one reader schema.

use super::reader_schema::{row_schema, without_dictionaries};
use super::writer_decoder::{WriterDecoder, build_decoder};
use crate::arrow::payload::{PayloadDecoder, PayloadRows};
use crate::arrow::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{can_cast_types, cast, interleave_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use kulya_schema::{EncodingInfo, SchemaInfo};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The number of values after which a batch is complete: the values of an array of nulls take no bytes.
const BATCH_VALUES: usize = 4_000_000;

/// Decodes Avro payloads. A payload may end with the zero bytes of a Java writer's buffer (contract §5.4); a
/// root union of null and a record is read as the record.
pub struct AvroPayloads {
    reader: Value,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    /// The schema of the columns before they are converted to those of a table.
    decoded: SchemaRef,
    /// Indexes into `decoders` by the id of the writer's schema, or why its payloads cannot be read.
    writers: HashMap<u32, Result<usize, String>>,
    decoders: Vec<WriterDecoder>,
    /// The writer's schema of the last payload, and the index of its decoder.
    current: Option<(u32, usize)>,
    /// The decoder of each row of the batch.
    order: Vec<usize>,
    bytes: usize,
    values: usize,
}

impl AvroPayloads {
    /// Creates a decoder with the columns of the schema `reader`; with `projection`, only those at these
    /// positions. Without columns it counts rows.
    ///
    /// # Errors
    /// `Schema` when the schema is not Avro, or its root is not a record.
    pub fn new(reader: &SchemaInfo, projection: Option<Vec<usize>>) -> CodecResult<Self> {
        let (reader, _) = row_schema(reader)?;
        let schema = match &projection {
            Some(columns) if columns.is_empty() => Schema::empty(),
            _ => without_dictionaries(&build_decoder(&reader, &reader, projection.clone())?.schema()),
        };
        let schema = Arc::new(schema);
        Ok(Self {
            reader,
            projection,
            decoded: Arc::clone(&schema),
            schema,
            writers: HashMap::new(),
            decoders: Vec::new(),
            current: None,
            order: Vec::new(),
            bytes: 0,
            values: 0,
        })
    }

    /// Converts the columns to the types of a table, by position: Avro has fewer types than SQL. Numbers that
    /// do not fit become null.
    ///
    /// # Errors
    /// `Schema` when a column cannot be converted; the text names it.
    pub fn columns(mut self, table: SchemaRef) -> CodecResult<Self> {
        if table.fields().len() != self.schema.fields().len() {
            let (ours, given) = (self.schema.fields().len(), table.fields().len());
            return Err(CodecError::Schema(format!(
                "the table has {given} columns, but its Avro schema has {ours}"
            )));
        }
        for (from, to) in self.schema.fields().iter().zip(table.fields()) {
            if from.data_type() != to.data_type() && !can_cast_types(from.data_type(), to.data_type()) {
                let (name, from, to) = (to.name(), from.data_type(), to.data_type());
                return Err(CodecError::Schema(format!(
                    "column {name}: Avro values of type {from} cannot be read as {to}"
                )));
            }
        }
        self.schema = table;
        Ok(self)
    }

    /// Returns the index of the decoder for a writer's schema.
    fn writer(&mut self, encoding: &EncodingInfo) -> CodecResult<usize> {
        let id = encoding.version.id;
        if let Some((current, index)) = self.current
            && current == id
        {
            return Ok(index);
        }
        let known = self.writers.entry(id).or_insert_with(|| {
            let projection = self.projection.clone();
            let decoder = WriterDecoder::new(&encoding.schema, &self.reader, projection, &self.decoded);
            let decoder = decoder.map_err(|error| error.to_string())?;
            self.decoders.push(decoder);
            Ok(self.decoders.len() - 1)
        });
        let index = known.clone().map_err(CodecError::Schema)?;
        self.current = Some((id, index));
        Ok(index)
    }
}

impl PayloadDecoder for AvroPayloads {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize> {
        let index = self.writer(encoding)?;
        let Some(decoder) = self.decoders.get_mut(index) else { return Ok(0) };
        let size = decoder.push(payload).map_err(|reason| CodecError::Payload {
            type_name: encoding.version.type_name.clone(),
            reason,
        })?;
        self.bytes += size.bytes;
        self.values += size.values;
        self.order.push(index);
        Ok(1)
    }

    fn is_full(&self) -> bool {
        self.order.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.values >= BATCH_VALUES
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        (self.bytes, self.values) = (0, 0);
        let order = std::mem::take(&mut self.order);
        if order.is_empty() {
            return Ok(None);
        }
        let mut batches = Vec::new();
        // positions in `batches` by the index of the decoder
        let mut positions = vec![0; self.decoders.len()];
        for (decoder, position) in self.decoders.iter_mut().zip(&mut positions) {
            if let Some(batch) = decoder.flush()? {
                *position = batches.len();
                batches.push(cast_batch(&batch, &self.schema)?);
            }
        }
        let rows = match batches.as_slice() {
            [_] => batches.pop(),
            several => {
                let mut next = vec![0; several.len()];
                let index = |decoder: &usize| {
                    let position = *positions.get(*decoder)?;
                    let row = next.get_mut(position)?;
                    *row += 1;
                    Some((position, *row - 1))
                };
                let rows: Vec<(usize, usize)> = order.iter().filter_map(index).collect();
                Some(interleave(&several.iter().collect::<Vec<_>>(), &rows)?)
            }
        };
        Ok(rows.map(|rows| PayloadRows { rows, kinds: None, clears: false }))
    }
}

fn interleave(batches: &[&RecordBatch], rows: &[(usize, usize)]) -> CodecResult<RecordBatch> {
    let failed = |e| CodecError::Schema(format!("combining Avro rows failed: {e}"));
    let Some(first) = batches.first() else { return Err(failed("there are no batches".to_owned())) };
    if first.num_columns() == 0 {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(first.schema(), Vec::new(), &options);
        return batch.map_err(|e| failed(e.to_string()));
    }
    interleave_record_batch(batches, rows).map_err(|e| failed(e.to_string()))
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
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}
