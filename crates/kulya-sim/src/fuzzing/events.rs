//! Fuzz entry points for readers of events: headers, payloads of every codec, descriptor sets and their
//! messages, changes in Debezium's envelopes.

use kulya_codec::arrow::{Column, CurrentRows, columns, primary_key, rows_to_batch};
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
    let mut current = CurrentRows::new(primary_key(&schema).unwrap_or_default());
    let mut changes = 0;
    for event in lines.take(MAX_CHANGES) {
        match current.apply(event) {
            Ok(()) => changes += 1,
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
    let rows = current.into_rows();
    assert!(rows.len() <= changes, "{} rows of {changes} changes", rows.len());
    let Ok(columns) = columns(&schema) else { return };
    let columns: Vec<Column> = columns.into_iter().map(|c| Column { nullable: true, ..c }).collect();
    if let Ok(batch) = rows_to_batch(&columns, &rows) {
        assert_eq!((batch.num_rows(), batch.num_columns()), (rows.len(), columns.len()));
    }
}
