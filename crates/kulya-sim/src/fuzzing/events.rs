//! Fuzz entry points for readers of events: headers, payloads of every codec, descriptor sets and their
//! messages, changes in Debezium's envelopes.

use kulya_codec::arrow::{
    AvroChangePayloads, AvroPayloads, BatchDecoder, ChangeLogFormat, ChangeLogRows, CurrentRows,
    DecodedBatch, FlinkJsonOptions, JsonRows, PlainDecoder, RowIdentity, RowState, arrow_schema, columns,
    flink_columns, metadata_columns, primary_key,
};
use kulya_codec::codec::{
    Codec, Encrypted, Gzip, KEY_BYTES, Key, Keyring, Lz4, MAX_DECODED_BYTES, NONCE_BYTES, NoCodec, Snappy,
    Zstd,
};
use kulya_codec::header;
use kulya_codec::protobuf::{DynamicMessage, Message, message_descriptor};
use kulya_schema::{Format, SchemaInfo};
use std::sync::Arc;

/// Parses an event's header; a parsed one is encoded to the same bytes.
pub fn header(bytes: &[u8]) {
    if let Ok((id, payload)) = header::split(bytes) {
        assert_eq!([&header::encode(id)[..], payload].concat(), bytes);
    }
}

/// Decodes a payload with the codec that the first byte selects, then checks the round trip of the bytes,
/// also with the trailing zero bytes of a Java writer.
pub fn codec(bytes: &[u8]) {
    let Some((selector, payload)) = bytes.split_first() else { return };
    let keys = Arc::new(Keyring::new("key", Key::new([7; KEY_BYTES])));
    let encrypted = Encrypted::new(Snappy, keys, Arc::new(|| [5; NONCE_BYTES]));
    let codecs: [&dyn Codec; 6] = [&NoCodec, &Gzip, &Snappy, &Lz4, &Zstd, &encrypted];
    let Some(codec) = codecs.get(usize::from(*selector) % codecs.len()) else { return };
    let codec_type = codec.codec_type();
    if let Ok(decoded) = codec.decode(payload, &codec_type) {
        assert!(decoded.len() <= MAX_DECODED_BYTES);
    }
    let mut encoded = codec.encode(payload).expect("a small payload can be encoded");
    assert_eq!(codec.decode(&encoded, &codec_type).expect("an encoded payload is decoded"), payload);
    if [Gzip::NAME, Snappy::NAME, Lz4::NAME, Zstd::NAME].contains(&&*codec_type.name) {
        encoded.extend_from_slice(&[0; 9]);
        assert_eq!(codec.decode(&encoded, &codec_type).expect("trailing zero bytes are ignored"), payload);
    }
}

/// Parses a descriptor set, with its length in two bytes before it, and decodes the rest as its first message
/// type.
pub fn protobuf(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (set, payload) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let Ok(schema) = kulya_schema::canonicalize(SchemaInfo::new("", Format::Protobuf, set)) else { return };
    let Ok(descriptor) = message_descriptor(&schema.schema) else { return };
    let Ok(message_descriptor) = DynamicMessage::decode(descriptor.clone(), payload) else { return };
    let written = message_descriptor.encode_to_vec();
    let again =
        DynamicMessage::decode(descriptor, &written[..]).expect("an encoded message_descriptor is decoded");
    assert_eq!(again.encoded_len(), written.len());
}

/// Number of events that are read of a changelog.
const MAX_CHANGES: usize = 256;

/// Reads a changelog: the table's JSON schema in the first line, an event with Debezium's envelope in each
/// further one. The rows are converted to a batch.
pub fn envelope(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let schema = SchemaInfo::new("t", Format::Json, lines.next().unwrap_or_default());
    let Ok(columns) = columns(&schema) else { return };
    let Ok(mut current) = CurrentRows::new(&columns, &primary_key(&schema).unwrap_or_default(), None) else {
        return;
    };
    let mut changes = 0;
    for event in lines.take(MAX_CHANGES) {
        match current.apply(event) {
            Ok(()) => changes += 1,
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
    let batches = current.into_batches().expect("what was applied is a batch");
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert!(rows <= changes, "{rows} rows of {changes} changes");
    assert!(batches.iter().all(|batch| batch.num_columns() == columns.len()));
}

/// Reads JSON events: the table's JSON schema in the first line, an event in each further one. They are
/// read as rows of a schema-derived table, of a Flink table with the same types, and of one that ignores
/// errors.
pub fn json_rows(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let schema = SchemaInfo::new("t", Format::Json, lines.next().unwrap_or_default());
    let Ok(columns) = columns(&schema) else { return };
    let flink = flink_columns(&arrow_schema(&columns));
    let options = FlinkJsonOptions::default();
    let ignoring = FlinkJsonOptions { ignore_parse_errors: true, ..options };
    let decoders = [
        JsonRows::new(&columns),
        JsonRows::new(&[]),
        JsonRows::flink(&flink, options),
        JsonRows::flink(&flink, ignoring),
    ];
    let mut decoders = decoders.map(|decoder| decoder.expect("columns of JSON schemas have types of JSON"));
    for event in lines.take(MAX_CHANGES) {
        let [derived, count_only, _, ignoring] = decoders.each_mut().map(|rows| rows.push(event, 0).is_ok());
        assert!(count_only || !derived, "whether an event is JSON does not depend on the columns");
        assert!(ignoring);
    }
    for mut rows in decoders {
        let schema = rows.schema();
        if let Some(batch) = rows.flush().expect("what was decoded is a batch") {
            assert_eq!(batch.rows.schema(), schema);
        }
    }
}

/// Reads a change log with the format that the first byte selects, an event in each line, with all metadata:
/// as rows of all kinds, and as those that are left of each key. With the second bit the events are Avro.
pub fn change_log(bytes: &[u8]) {
    let Some((selector, events)) = bytes.split_first() else { return };
    if selector & 0x40 != 0 {
        return avro_changes(events);
    }
    let formats = [
        ChangeLogFormat::DebeziumJson { schema_include: false },
        ChangeLogFormat::DebeziumJson { schema_include: true },
        ChangeLogFormat::CanalJson,
        ChangeLogFormat::MaxwellJson,
    ];
    let Some(format) = formats.get(usize::from(*selector) % formats.len()) else { return };
    let table = r#"{"properties":{"id":{"type":"integer"},"name":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}}}}"#;
    let columns = columns(&SchemaInfo::json("t", table)).expect("the schema has columns");
    let metadata = metadata_columns(*format);
    let keys: Vec<&str> = metadata.iter().map(|field| field.name().as_str()).collect();
    let ignore_parse_errors = selector & 0x80 != 0;
    let options = FlinkJsonOptions { ignore_parse_errors, ..FlinkJsonOptions::default() };
    let rows = ChangeLogRows::new(*format, &columns, &keys, options);
    let mut rows = rows.expect("the format has this metadata");
    let keyed = ChangeLogRows::new(*format, &columns, &[], options);
    let keyed = keyed.and_then(|rows| rows.with_key(&columns, &[0], true));
    let mut keyed = keyed.expect("the first column is there");
    for event in events.split(|byte| *byte == b'\n').take(MAX_CHANGES) {
        assert!(rows.push(event, 0).is_ok() || !ignore_parse_errors);
        assert!(keyed.push(event, 0).is_ok() || !ignore_parse_errors);
    }
    if let Some(batch) = rows.flush().expect("what was decoded is a batch") {
        assert_eq!(batch.kinds.map_or(0, |kinds| kinds.len()), batch.rows.num_rows());
    }
    left_rows(&mut keyed);
}

/// Applies the changes of a decoder with a key in the first column.
fn left_rows(decoder: &mut dyn BatchDecoder) {
    let schema = decoder.schema();
    let changes = decoder.flush().expect("what was decoded is a batch");
    let Some(DecodedBatch { rows, kinds, .. }) = changes else { return };
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let mut state = RowState::new(&schema, RowIdentity::Key(&[0]), &all).expect("columns of a change log");
    state.apply(&rows, kinds.as_deref()).expect("a batch of the schema");
    let left = state.into_batches().expect("what was stored is read back");
    assert!(left.iter().map(|batch| batch.num_rows()).sum::<usize>() <= rows.num_rows());
}

/// Reads change events in Avro, one in each line.
fn avro_changes(events: &[u8]) {
    const ROW: &str = r#"{"type":"record","name":"Row","fields":[{"name":"id","type":["null","long"],"default":null},{"name":"name","type":["null","string"],"default":null},{"name":"tags","type":{"type":"array","items":"string"}}]}"#;
    let envelope = format!(
        r#"{{"type":"record","name":"E","fields":[{{"name":"before","type":["null",{ROW}]}},{{"name":"after","type":["null","Row"]}},{{"name":"op","type":"string"}}]}}"#
    );
    let rows = AvroPayloads::new(&SchemaInfo::avro(ROW), None).expect("a record");
    let changes = AvroChangePayloads::new(rows).with_key(true);
    let mut decoder = PlainDecoder::new(changes, SchemaInfo::avro(&*envelope)).expect("an envelope");
    for event in events.split(|byte| *byte == b'\n').take(MAX_CHANGES) {
        assert!(decoder.decode(&[event], 0).count <= 1);
    }
    left_rows(&mut decoder);
}
