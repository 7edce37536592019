//! Fuzz entry points for decoders and encoders of rows: many events at a time are decoded as if each were
//! alone, and decoded rows are encoded.

use kulya_codec::CodecResult;
use kulya_codec::arrow::{
    AvroEncoder, AvroPayloads, BatchDecoder, BatchEncoder, Column, ColumnType, CsvEncoder, CsvOptions,
    CsvPayloads, DecodedBatch, JsonEncoder, JsonOptions, PayloadDecoder, PlainDecoder, ProtobufEncoder,
    ProtobufOptions, ProtobufPayloads, RawOptions, RawPayloads, arrow_schema,
};
use kulya_codec::bytes::Bytes;
use kulya_schema::{Format, SchemaInfo};

/// Decodes Avro events: the schema, with its length in two bytes before it, then events, each with its length
/// in one byte before it.
pub fn avro_rows(bytes: &[u8]) {
    let Some((schema, events)) = schema_and_events(bytes) else { return };
    let schema = SchemaInfo::new("", Format::Avro, schema);
    let Ok(schema) = kulya_schema::canonicalize(schema).map(|canonical| canonical.schema) else { return };
    let new = || PlainDecoder::new(AvroPayloads::new(&schema, None)?, schema.clone());
    let Some(batch) = decode(new, &events) else { return };
    if let Ok(mut encoder) = AvroEncoder::new(&schema)
        && let Ok(encoded) = encoder.encode(&batch.rows, None)
    {
        let again = decode(new, &encoded).expect("encoded rows are decoded");
        assert_eq!(again.rows.num_rows(), batch.rows.num_rows());
    }
    let _ = JsonEncoder::new(JsonOptions::default()).encode(&batch.rows, None);
}

/// Decodes Protobuf events, in the form of [`avro_rows`], as their first message.
pub fn protobuf_rows(bytes: &[u8]) {
    let Some((set, events)) = schema_and_events(bytes) else { return };
    let schema = SchemaInfo::new("", Format::Protobuf, set);
    let Ok(schema) = kulya_schema::canonicalize(schema).map(|canonical| canonical.schema) else { return };
    let new = || {
        let payloads = ProtobufPayloads::of_message(&schema, ProtobufOptions::default())?;
        PlainDecoder::new(payloads, schema.clone())
    };
    let Some(batch) = decode(new, &events) else { return };
    let table = batch.rows.schema();
    let mut encoder = ProtobufEncoder::new(&schema, &table, ProtobufOptions::default())
        .expect("a decoded message has fields for its columns");
    if let Ok(encoded) = encoder.encode(&batch.rows, None) {
        let again = decode(new, &encoded).expect("encoded rows are decoded");
        assert_eq!(again.rows.num_rows(), batch.rows.num_rows());
    }
}

/// Decodes events, each with its length in one byte before it, as lines with the options of the first byte,
/// and as raw texts.
pub fn csv_rows(bytes: &[u8]) {
    let Some((selector, rest)) = bytes.split_first() else { return };
    let options = CsvOptions {
        quote: (selector & 1 == 0).then_some(b'"'),
        escape: (selector & 2 != 0).then_some(b'\\'),
        null_literal: (selector & 4 != 0).then(|| "n/a".to_owned()),
        allow_comments: selector & 8 != 0,
        ignore_parse_errors: selector & 16 != 0,
        ..CsvOptions::default()
    };
    let kinds = [
        ColumnType::Text,
        ColumnType::Decimal { precision: 9, scale: 2 },
        ColumnType::TimestampText,
        ColumnType::List(Box::new(ColumnType::Int32)),
    ];
    let column = |(at, kind): (usize, ColumnType)| Column { name: format!("c{at}"), nullable: true, kind };
    let columns: Vec<Column> = kinds.into_iter().enumerate().map(column).collect();
    let new = || {
        let payloads = CsvPayloads::new(arrow_schema(&columns), None, options.clone())?;
        Ok(PlainDecoder::without_schema(payloads, "csv"))
    };
    let events = events(rest);
    if let Some(batch) = decode(new, &events) {
        let _ = CsvEncoder::new(options.clone()).encode(&batch.rows, None);
    }
    let text = columns.first().cloned().into_iter().collect::<Vec<_>>();
    let new = || {
        let payloads = RawPayloads::new(arrow_schema(&text), true, RawOptions::default())?;
        Ok(PlainDecoder::without_schema(payloads, "raw"))
    };
    let batch = decode(new, &events);
    assert_eq!(batch.map_or(0, |batch| batch.rows.num_rows()), events.len(), "any bytes are a text");
}

fn schema_and_events(bytes: &[u8]) -> Option<(&[u8], Vec<Bytes>)> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (schema, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    Some((schema, events(rest)))
}

fn events(mut rest: &[u8]) -> Vec<Bytes> {
    let mut events = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let (event, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        events.push(Bytes::copy_from_slice(event));
        rest = tail;
    }
    events
}

/// Decodes events together, and checks that each alone gives the same. `None` without rows.
fn decode<P: PayloadDecoder>(
    new: impl Fn() -> CodecResult<PlainDecoder<P>>,
    events: &[Bytes],
) -> Option<DecodedBatch> {
    let mut together = new().ok()?;
    let events: Vec<&[u8]> = events.iter().map(Bytes::as_ref).collect();
    let (mut at, mut alone_rows) = (0, 0);
    while let Some(rest) = events.get(at..).filter(|rest| !rest.is_empty()) {
        let decoded = together.decode(rest, at as u64);
        assert!(decoded.count > 0 || decoded.failed.is_some(), "few events do not fill a batch");
        for (count, event) in rest.iter().take(decoded.count + 1).enumerate() {
            let mut alone = new().ok()?;
            let is_failed = alone.decode(std::slice::from_ref(event), 0).failed.is_some();
            if count < decoded.count {
                assert!(!is_failed, "an event that is decoded with others is decoded alone");
                alone_rows += rows(&mut alone);
            } else {
                assert!(is_failed, "an event that fails with others fails alone");
            }
        }
        at += decoded.count + usize::from(decoded.failed.is_some());
    }
    let batch = together.flush().expect("decoded rows are a batch");
    assert_eq!(batch.as_ref().map_or(0, |batch| batch.rows.num_rows()), alone_rows);
    batch
}

fn rows(decoder: &mut impl BatchDecoder) -> usize {
    decoder.flush().expect("decoded rows are a batch").map_or(0, |batch| batch.rows.num_rows())
}
