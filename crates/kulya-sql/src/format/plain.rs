//! Formats without a header, whose events have the table's own schema.

use super::change_log::ChangeLog;
use super::protobuf::Protobuf;
use super::registry::projected;
use super::{FormatLibrary, RowFormat, WantedRows, json_reading, json_writing, no_columns};
use crate::options::{FormatName, FormatOptions, Options, known_formats};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    AvroEncoder, AvroPayloads, BatchDecoder, BatchEncoder, Charset, CsvEncoder, CsvOptions, CsvPayloads,
    FLINK_RECORD_NAME, JsonEncoder, JsonRows, PlainDecoder, RawEncoder, RawOptions, RawPayloads,
    TimestampMapping, avro_schema, flink_columns,
};
use kulya_schema::{Format, SchemaInfo};
use std::sync::Arc;

/// Returns a format by its name: one of Flink's, or one that the program has added.
///
/// # Errors
/// `InvalidOption` for an unknown one, and `TypeMismatch` for columns that the format does not have.
pub(crate) fn plain_format(
    format: &FormatOptions,
    library: &FormatLibrary,
    schema: SchemaRef,
    is_keyed: bool,
) -> SqlResult<Arc<dyn RowFormat>> {
    let name = match &format.name {
        FormatName::Known(name) => *name,
        FormatName::Other { name, given } => {
            return library.create(name, given, (schema, is_keyed), &known_formats());
        }
    };
    if let Some(changes) = ChangeLog::find(format, Arc::clone(&schema), is_keyed)? {
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        changes.decoder(&WantedRows { columns: &all, ..WantedRows::default() }).map_err(no_columns)?;
        return Ok(Arc::new(changes));
    }
    Ok(match name {
        "json" => {
            JsonRows::flink(&flink_columns(&schema), json_reading(&format.options)).map_err(no_columns)?;
            Arc::new(Json { schema, options: format.options.clone() })
        }
        "avro" => Arc::new(Avro::new(schema, &format.options).map_err(no_columns)?),
        "csv" => {
            let options = csv_options(&format.options)?;
            CsvPayloads::new(Arc::clone(&schema), None, options.clone()).map_err(no_columns)?;
            Arc::new(Csv { schema, options })
        }
        "raw" => {
            let options = raw_options(&format.options)?;
            RawPayloads::new(Arc::clone(&schema), true, options).map_err(no_columns)?;
            Arc::new(Raw { schema, options })
        }
        "protobuf" => Arc::new(Protobuf::new(schema, &format.options)?),
        other => return Err(SqlError::not_supported(format!("format {other}"))),
    })
}

#[derive(Debug)]
struct Json {
    schema: SchemaRef,
    options: Options,
}

#[async_trait]
impl RowFormat for Json {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let columns = flink_columns(&*projected(&self.schema, wanted.columns)?);
        let rows = JsonRows::flink(&columns, json_reading(&self.options))?;
        Ok(Box::new(if wanted.event_numbers { rows.with_event_numbers() } else { rows }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        Ok(Box::new(JsonEncoder::new(json_writing(&self.options))))
    }
}

#[derive(Debug)]
struct Avro {
    schema: SchemaRef,
    writer: SchemaInfo,
}

impl Avro {
    fn new(schema: SchemaRef, options: &Options) -> CodecResult<Self> {
        let text = avro_schema(schema.fields(), FLINK_RECORD_NAME, timestamp_mapping(options))?;
        let writer = SchemaInfo::new(FLINK_RECORD_NAME, Format::Avro, text);
        AvroPayloads::new(&writer, None)?.columns(Arc::clone(&schema))?;
        Ok(Self { schema, writer })
    }
}

/// Returns how timestamps are mapped to Avro's types.
pub(crate) fn timestamp_mapping(options: &Options) -> TimestampMapping {
    match options.get("timestamp_mapping.legacy") {
        Some("false") => TimestampMapping::Exact,
        _ => TimestampMapping::Legacy,
    }
}

#[async_trait]
impl RowFormat for Avro {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let payloads = AvroPayloads::new(&self.writer, Some(wanted.columns.to_vec()))?;
        let payloads = payloads.columns(projected(&self.schema, wanted.columns)?)?;
        let decoder = PlainDecoder::new(payloads, self.writer.clone())?;
        Ok(Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        Ok(Box::new(AvroEncoder::new(&self.writer)?))
    }
}

#[derive(Debug)]
struct Csv {
    schema: SchemaRef,
    options: CsvOptions,
}

fn csv_options(options: &Options) -> SqlResult<CsvOptions> {
    let character = |key: &str| {
        let Some(text) = options.get(key) else { return Ok(None) };
        let byte = text.chars().next().and_then(|c| u8::try_from(u32::from(c)).ok()).filter(u8::is_ascii);
        byte.map(Some).ok_or_else(|| {
            let what = format!("option 'csv.{key}' = '{text}' is invalid: use an ASCII character");
            SqlError::new(SqlErrorKind::InvalidOption, what)
        })
    };
    Ok(CsvOptions {
        field_delimiter: character("field-delimiter")?.unwrap_or(b','),
        quote: character("quote-character")?.filter(|_| !options.is_true("disable-quote-character")),
        escape: character("escape-character")?,
        array_element_delimiter: options.get("array-element-delimiter").unwrap_or_default().to_owned(),
        null_literal: options.get("null-literal").map(str::to_owned),
        allow_comments: options.is_true("allow-comments"),
        ignore_parse_errors: options.is_true("ignore-parse-errors"),
        plain_decimals: !options.is_true("write-bigdecimal-in-scientific-notation"),
    })
}

#[async_trait]
impl RowFormat for Csv {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let (schema, columns) = (Arc::clone(&self.schema), Some(wanted.columns.to_vec()));
        let decoder =
            PlainDecoder::without_schema(CsvPayloads::new(schema, columns, self.options.clone())?, "csv");
        Ok(Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        Ok(Box::new(CsvEncoder::new(self.options.clone())))
    }
}

#[derive(Debug)]
struct Raw {
    schema: SchemaRef,
    options: RawOptions,
}

fn raw_options(options: &Options) -> SqlResult<RawOptions> {
    let name = options.get("charset").unwrap_or("UTF-8");
    let charset = Charset::from_name(name).ok_or_else(|| {
        let what =
            format!("option 'raw.charset' = '{name}' is invalid: use UTF-8, US-ASCII, ISO-8859-1 or UTF-16");
        SqlError::new(SqlErrorKind::InvalidOption, what)
    })?;
    Ok(RawOptions { charset, is_little_endian: options.get("endianness") == Some("little-endian") })
}

#[async_trait]
impl RowFormat for Raw {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let payloads = RawPayloads::new(Arc::clone(&self.schema), !wanted.columns.is_empty(), self.options)?;
        let decoder = PlainDecoder::without_schema(payloads, "raw");
        Ok(Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        Ok(Box::new(RawEncoder::new(self.options)))
    }
}
