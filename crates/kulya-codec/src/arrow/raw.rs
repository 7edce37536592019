//! Events that are the value of one column, with the options of Flink's format `raw`.

use super::column_buffer::{ColumnBuffer, Scalar};
use super::encoder::{Member, Values, only_inserted, unwritable};
use super::payload::{PayloadDecoder, PayloadRows};
use super::{BATCH_BYTES, BATCH_ROWS, BatchEncoder, RowKind};
use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use kulya_schema::EncodingInfo;
use std::borrow::Cow;

/// The options of raw values. The default is Flink's.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawOptions {
    /// `charset`.
    pub charset: Charset,
    /// `endianness` is `little-endian`.
    pub is_little_endian: bool,
}

/// The character sets of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// `UTF-8`.
    #[default]
    Utf8,
    /// `US-ASCII`.
    Ascii,
    /// `ISO-8859-1`.
    Latin1,
    /// `UTF-16BE`; `UTF-16` without a byte order mark is the same.
    Utf16BigEndian,
    /// `UTF-16LE`.
    Utf16LittleEndian,
}

impl Charset {
    /// Returns the character set of a name, as Java has it; `None` for others.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Self::Utf8,
            "US-ASCII" | "ASCII" => Self::Ascii,
            "ISO-8859-1" | "LATIN1" => Self::Latin1,
            "UTF-16BE" | "UTF-16" => Self::Utf16BigEndian,
            "UTF-16LE" => Self::Utf16LittleEndian,
            _ => return None,
        })
    }

    /// Decodes a text. As in Java, what is no character becomes U+FFFD.
    fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let utf16 = |unit: fn([u8; 2]) -> u16| {
            let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
            let rest = (bytes.len() % 2 == 1).then_some('\u{fffd}');
            let text =
                char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).chain(rest).collect::<String>();
            Cow::Owned(text)
        };
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Ascii => {
                bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{fffd}' }).collect()
            }
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Utf16BigEndian => utf16(u16::from_be_bytes),
            Self::Utf16LittleEndian => utf16(u16::from_le_bytes),
        }
    }

    /// Encodes a text; characters that the set lacks become `?`, as in Java.
    fn encode(self, text: &str) -> Vec<u8> {
        let single = |limit: u32| {
            text.chars().map(|c| if u32::from(c) < limit { c as u8 } else { b'?' }).collect::<Vec<u8>>()
        };
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => single(128),
            Self::Latin1 => single(256),
            Self::Utf16BigEndian => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16LittleEndian => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
    }
}

/// Decodes payloads that are the value of one column: a boolean of one byte, a number of its own size, a text
/// or bytes.
pub struct RawPayloads {
    schema: SchemaRef,
    columns: Vec<ColumnBuffer>,
    options: RawOptions,
    rows: usize,
    bytes: usize,
    /// Without columns, rows are only counted.
    data_type: DataType,
}

impl RawPayloads {
    /// Creates a decoder for a table of one column; without `is_wanted`, it checks and counts rows.
    ///
    /// # Errors
    /// `Schema` when there is not one column, or of another type.
    pub fn new(table: SchemaRef, is_wanted: bool, options: RawOptions) -> CodecResult<Self> {
        let refused =
            |e: String| CodecError::Schema(format!("the table cannot be read in the raw format: {e}"));
        let [field] = &table.fields()[..] else {
            return Err(refused(format!(
                "it has {} columns, but an event is one value",
                table.fields().len()
            )));
        };
        let data_type = field.data_type().clone();
        if size(&data_type).is_none() && !matches!(data_type, DataType::Utf8 | DataType::Binary) {
            return Err(refused(format!("column {} is {data_type}", field.name())));
        }
        let schema = table.project(if is_wanted { &[0] } else { &[] }).map_err(|e| refused(e.to_string()))?;
        let columns = ColumnBuffer::all(schema.fields()).map_err(refused)?;
        Ok(Self { schema: schema.into(), columns, options, rows: 0, bytes: 0, data_type })
    }

    fn decode_value(&mut self, payload: &[u8]) -> Result<(), String> {
        let (data_type, little) = (&self.data_type, self.options.is_little_endian);
        let text;
        let scalar = match data_type {
            DataType::Utf8 => {
                text = self.options.charset.decode(payload);
                Scalar::Text(&text)
            }
            DataType::Binary => Scalar::Bytes(payload),
            _ => number(data_type, payload, little).ok_or_else(|| {
                let size = size(data_type).unwrap_or_default();
                format!("a value of type {data_type} has {size} bytes, but it has {}", payload.len())
            })?,
        };
        self.columns.iter_mut().try_for_each(|column| column.push(scalar))
    }
}

/// Returns the bytes of a number.
fn size(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean | DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 | DataType::Float32 => Some(4),
        DataType::Int64 | DataType::Float64 => Some(8),
        _ => None,
    }
}

fn number(data_type: &DataType, bytes: &[u8], is_little_endian: bool) -> Option<Scalar<'static>> {
    let mut padded = [0; 8];
    let size = size(data_type).filter(|size| *size == bytes.len())?;
    padded.get_mut(8 - size..)?.copy_from_slice(bytes);
    if is_little_endian {
        padded.get_mut(8 - size..)?.reverse();
    }
    let number = u64::from_be_bytes(padded);
    Some(match data_type {
        DataType::Boolean => Scalar::Boolean(number != 0),
        DataType::Int8 => Scalar::Integer(i64::from(number as u8 as i8)),
        DataType::Int16 => Scalar::Integer(i64::from(number as u16 as i16)),
        DataType::Int32 => Scalar::Integer(i64::from(number as u32 as i32)),
        DataType::Int64 => Scalar::Integer(number as i64),
        DataType::Float32 => Scalar::Float(f64::from(f32::from_bits(number as u32))),
        _ => Scalar::Float(f64::from_bits(number)),
    })
}

impl PayloadDecoder for RawPayloads {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn decode(&mut self, payload: &[u8], _: &EncodingInfo) -> CodecResult<usize> {
        self.decode_value(payload)
            .map_err(|reason| CodecError::Payload { type_name: "raw value".to_owned(), reason })?;
        self.rows += 1;
        self.bytes += payload.len();
        Ok(1)
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let batch = ColumnBuffer::finish_all(&mut self.columns, &self.schema, rows)?;
        Ok(Some(PayloadRows { rows: batch, kinds: None, clears: false }))
    }
}

/// Encodes rows of one column as its values. The format has no null.
pub struct RawEncoder {
    options: RawOptions,
}

impl RawEncoder {
    /// Creates an encoder.
    pub fn new(options: RawOptions) -> Self {
        Self { options }
    }

    fn value(&self, column: &Member, data_type: &DataType, row: usize) -> Result<Bytes, String> {
        let failed = |reason: &str| format!("column {}: {reason}", column.name);
        if column.values.is_null(row) {
            return Err(failed("the raw format has no null"));
        }
        let mut bytes = match &column.values {
            Values::Text(values) => return Ok(self.options.charset.encode(values.value(row)).into()),
            Values::Bytes(values) => return Ok(Bytes::copy_from_slice(values.value(row))),
            Values::Boolean(values) => vec![u8::from(values.value(row))],
            Values::Integer(values) => {
                let size = size(data_type).ok_or_else(|| failed("its type cannot be written"))?;
                let number = values.value(row).to_be_bytes();
                number.get(8 - size..).unwrap_or_default().to_vec()
            }
            Values::Float(values) => values.value(row).to_be_bytes().to_vec(),
            Values::Double(values) => values.value(row).to_be_bytes().to_vec(),
            _ => return Err(failed("its type cannot be written")),
        };
        if self.options.is_little_endian {
            bytes.reverse();
        }
        Ok(bytes.into())
    }
}

impl BatchEncoder for RawEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        only_inserted("raw", kinds)?;
        let schema = rows.schema_ref();
        let columns = schema.fields().iter().map(|field| field.name()).zip(rows.columns());
        let members = Member::all(columns).map_err(|e| unwritable("raw", e))?;
        let ([column], [field]) = (&members[..], &schema.fields()[..]) else {
            let count = members.len();
            return Err(unwritable("raw", format_args!("it has {count} columns, but an event is one value")));
        };
        let value = |row| self.value(column, field.data_type(), row).map_err(|e| unwritable("raw", e));
        (0..rows.num_rows()).map(value).collect()
    }
}
