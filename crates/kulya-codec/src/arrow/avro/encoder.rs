//! Rows as Avro datums, by `arrow-avro`.

use super::reader_schema::row_schema;
use super::writer_decoder::build_decoder;
use crate::arrow::encoder::unwritable;
use crate::arrow::{BatchEncoder, ChangeForm, RowKind};
use crate::{CodecError, CodecResult};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, make_array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::schema::{AVRO_ENUM_SYMBOLS_METADATA_KEY, SCHEMA_METADATA_KEY};
use arrow_avro::writer::format::AvroBinaryFormat;
use arrow_avro::writer::{Encoder, WriterBuilder};
use bytes::Bytes;
use kulya_schema::SchemaInfo;
use std::sync::Arc;

/// Encodes rows as Avro datums of one schema, without a header. Columns are matched by position, and
/// converted to the schema's types.
pub struct AvroEncoder {
    encoder: Encoder,
    schema: SchemaRef,
    /// The encoded union index of the record, when the root is a union of null and a record.
    union_index: Option<u8>,
}

impl AvroEncoder {
    /// Creates an encoder for a schema whose root is a record, or a union of null and a record.
    ///
    /// # Errors
    /// `Schema` when the schema is not Avro, or has types that cannot be written.
    pub fn new(schema: &SchemaInfo) -> CodecResult<Self> {
        let (record, union_index) = row_schema(schema)?;
        let failed = |e: &dyn std::fmt::Display| {
            CodecError::Schema(format!("Avro schema {} cannot be written: {e}", schema.type_name))
        };
        let decoded = build_decoder(&record, &record, None)?.schema();
        for field in decoded.fields() {
            if !matches!(field.data_type(), DataType::Dictionary(..)) && has_enum(field.data_type()) {
                return Err(failed(&format_args!("column {} has an enum within it", field.name())));
            }
        }
        let metadata = [(SCHEMA_METADATA_KEY.to_owned(), record.to_string())].into();
        let schema = Schema::new_with_metadata(decoded.fields().clone(), metadata);
        let builder = WriterBuilder::new(schema.clone());
        let encoder = builder.build_encoder::<AvroBinaryFormat>().map_err(|e| failed(&e))?;
        Ok(Self { encoder, schema: Arc::new(schema), union_index })
    }

    /// Returns the schema that rows are converted to.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn write(&mut self, rows: &RecordBatch) -> CodecResult<Vec<Bytes>> {
        let converted = convert(rows, &self.schema)?;
        self.encoder.encode(&converted).map_err(|e| unwritable("Avro", e))?;
        let encoded = self.encoder.flush();
        let payload = |row: Bytes| match self.union_index {
            Some(index) => [&[index], &row[..]].concat().into(),
            None => row,
        };
        Ok(encoded.iter().map(payload).collect())
    }
}

impl BatchEncoder for AvroEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        crate::arrow::encoder::only_inserted("Avro", kinds)?;
        self.write(rows)
    }
}

/// Encodes changes of rows as Debezium's envelopes in Avro: a record with the fields `before`, `after` and
/// `op`, and others that may be null.
pub struct AvroChangeEncoder {
    envelopes: AvroEncoder,
    form: ChangeForm,
}

impl AvroChangeEncoder {
    /// Creates an encoder for the schema of an envelope.
    ///
    /// # Errors
    /// `Schema` when the schema is not that of an envelope, or has types that cannot be written.
    pub fn new(schema: &SchemaInfo, form: ChangeForm) -> CodecResult<Self> {
        let envelopes = AvroEncoder::new(schema)?;
        let refused = |reason: String| {
            CodecError::Schema(format!(
                "Avro schema {} is no envelope of changes: {reason}",
                schema.type_name
            ))
        };
        for name in ["before", "after", "op"] {
            if envelopes.schema.field_with_name(name).is_err() {
                return Err(refused(format!("it has no field {name}")));
            }
        }
        for field in envelopes.schema.fields() {
            let name = field.name().as_str();
            let is_row = matches!(name, "before" | "after");
            if is_row && !matches!(field.data_type(), DataType::Struct(_)) {
                return Err(refused(format!("field {name} is not a record")));
            }
            if (is_row || name != "op") && !field.is_nullable() {
                return Err(refused(format!("field {name} must not be null, but rows have no value for it")));
            }
        }
        Ok(Self { envelopes, form })
    }
}

impl BatchEncoder for AvroChangeEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        let kind = |row| kinds.and_then(|kinds| kinds.get(row).copied()).unwrap_or(RowKind::Insert);
        let operations: Vec<&str> = (0..rows.num_rows()).map(|row| self.form.operation(kind(row))).collect();
        let schema = self.envelopes.schema();
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "op" => Ok(Arc::new(StringArray::from(operations.clone())) as ArrayRef),
            name @ ("before" | "after") => {
                let is_before = name == "before";
                let is_there: Vec<bool> = operations.iter().map(|op| (*op == "d") == is_before).collect();
                row_column(rows, field, NullBuffer::from(is_there))
            }
            _ => Ok(new_null_array(field.data_type(), rows.num_rows())),
        });
        let columns = columns.collect::<CodecResult<Vec<_>>>()?;
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        self.envelopes.write(&batch.map_err(|e| unwritable("Avro", e))?)
    }
}

/// Converts rows to the records of a field, of which some are null.
fn row_column(rows: &RecordBatch, field: &Field, nulls: NullBuffer) -> CodecResult<ArrayRef> {
    let DataType::Struct(fields) = field.data_type() else {
        return Err(unwritable("Avro", format_args!("field {} is not a record", field.name())));
    };
    let converted = convert(rows, &Arc::new(Schema::new(fields.clone())))?;
    let row = StructArray::try_new(fields.clone(), converted.columns().to_vec(), Some(nulls));
    Ok(Arc::new(row.map_err(|e| unwritable("Avro", e))?))
}

/// Converts rows to a schema's types, by position.
fn convert(rows: &RecordBatch, schema: &SchemaRef) -> CodecResult<RecordBatch> {
    if rows.num_columns() != schema.fields().len() {
        let (given, expected) = (rows.num_columns(), schema.fields().len());
        return Err(unwritable(
            "Avro",
            format_args!("it has {given} columns, but the schema has {expected}"),
        ));
    }
    let column = |(column, field): (&ArrayRef, &Arc<Field>)| {
        let failed = |e: &dyn std::fmt::Display| {
            unwritable("Avro", format_args!("column {} cannot be written: {e}", field.name()))
        };
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(failed(&"it must not be null"));
        }
        if let DataType::Dictionary(..) = field.data_type() {
            return symbols(column, field).map_err(|e| failed(&e));
        }
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        cast_column(column, field.data_type()).map_err(|e| failed(&e))
    };
    let columns = rows.columns().iter().zip(schema.fields()).map(column).collect::<CodecResult<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| unwritable("Avro", e))
}

/// Casts a column. What has no time zone is in UTC, and keeps its values then.
fn cast_column(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    match (column.data_type(), to) {
        (DataType::Timestamp(_, None), DataType::Timestamp(unit, Some(zone))) if &**zone == "+00:00" => {
            let values = cast_with_options(column, &DataType::Timestamp(*unit, None), &options)?;
            let data = values.to_data().into_builder().data_type(to.clone()).build()?;
            Ok(make_array(data))
        }
        _ => cast_with_options(column, to, &options),
    }
}

/// Converts texts to the symbols of an enum: the library writes the positions in the dictionary.
fn symbols(column: &ArrayRef, field: &Field) -> Result<ArrayRef, String> {
    let symbols = field.metadata().get(AVRO_ENUM_SYMBOLS_METADATA_KEY).map(String::as_str).unwrap_or("[]");
    let symbols: Vec<String> = serde_json::from_str(symbols).map_err(|e| e.to_string())?;
    let texts = cast(column, &DataType::Utf8).map_err(|e| e.to_string())?;
    let key = |text: Option<&str>| -> Result<Option<i32>, String> {
        let Some(text) = text else { return Ok(None) };
        match symbols.iter().position(|symbol| symbol == text) {
            Some(position) => i32::try_from(position).map(Some).map_err(|e| e.to_string()),
            None => Err(format!("{text:?} is no symbol of its enum")),
        }
    };
    let keys = texts.as_string::<i32>().iter().map(key).collect::<Result<Int32Array, String>>()?;
    let values = Arc::new(StringArray::from(symbols.clone()));
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).map_err(|e| e.to_string())?))
}

fn has_enum(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(items) | DataType::Map(items, _) => has_enum(items.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_enum(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::TimestampMillisecondArray;
    use arrow::datatypes::TimeUnit;

    #[test]
    fn timestamps_without_a_zone_are_in_utc() {
        let millis = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None, Some(-86_400_000)]));
        let column: ArrayRef = millis;
        for zone in ["+00:00", "+02:00"] {
            for unit in [TimeUnit::Millisecond, TimeUnit::Microsecond] {
                let to = DataType::Timestamp(unit, Some(zone.into()));
                let expected = cast(&column, &to).unwrap();
                assert_eq!(&cast_column(&column, &to).unwrap(), &expected, "{to}");
            }
        }
    }
}
