//! Any bytes, where readers of events read bytes from outside: headers, payloads of every codec, descriptor sets and the
//! messages they describe.

use kulya_codec::codec::{
    Codec, Encrypted, Gzip, KEY_BYTES, Key, Keyring, Lz4, MAX_DECODED_BYTES, NONCE_BYTES, NoCodec, Snappy,
    Zstd,
};
use kulya_codec::header;
use kulya_codec::protobuf::{DynamicMessage, Message, message};
use kulya_schema::{Format, SchemaInfo};
use std::sync::Arc;

/// An event's header.
pub fn header(bytes: &[u8]) {
    if let Ok((id, payload)) = header::split(bytes) {
        assert_eq!([&header::header(id)[..], payload].concat(), bytes);
    }
}

/// A payload, and the codec that the first byte chooses: it decodes it or refuses it, and gives back what it encodes, also
/// with a Java writer's zero bytes behind.
pub fn codec(bytes: &[u8]) {
    let Some((choice, payload)) = bytes.split_first() else { return };
    let keys = Arc::new(Keyring::new("key", Key::new([7; KEY_BYTES])));
    let sealed = Encrypted::new(Snappy, keys, Arc::new(|| [5; NONCE_BYTES]));
    let codecs: [&dyn Codec; 6] = [&NoCodec, &Gzip, &Snappy, &Lz4, &Zstd, &sealed];
    let Some(codec) = codecs.get(usize::from(*choice) % codecs.len()) else { return };
    let codec_type = codec.codec_type();
    if let Ok(decoded) = codec.decode(payload, &codec_type) {
        assert!(decoded.len() <= MAX_DECODED_BYTES);
    }
    let mut encoded = codec.encode(payload).expect("a small payload can be encoded");
    assert_eq!(codec.decode(&encoded, &codec_type).expect("what was encoded can be decoded"), payload);
    if [Gzip::NAME, Snappy::NAME, Lz4::NAME, Zstd::NAME].contains(&&*codec_type.name) {
        encoded.extend_from_slice(&[0; 9]);
        assert_eq!(codec.decode(&encoded, &codec_type).expect("zero bytes behind it are ignored"), payload);
    }
}

/// A descriptor set, its length before it in two bytes, and a message of its first message type.
pub fn protobuf(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (set, payload) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let Ok(normal) = kulya_schema::normalize(SchemaInfo::new("", Format::Protobuf, set)) else { return };
    let Ok(descriptor) = message(&normal.schema) else { return };
    let Ok(read) = DynamicMessage::decode(descriptor.clone(), payload) else { return };
    let written = read.encode_to_vec();
    let again = DynamicMessage::decode(descriptor, &written[..]).expect("what was written can be read");
    assert_eq!(again.encoded_len(), written.len());
}
