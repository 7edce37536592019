//! Tests of all codecs: round trips, limits, corruption, padding; and of encryption keys.

use super::interface::codec_type_named;
use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const PLAIN: [&str; 4] = [Gzip::NAME, Snappy::NAME, Lz4::NAME, Zstd::NAME];

/// Deterministic nonces: a counter that starts at a seed.
fn counting_nonces(seed: u64) -> Arc<dyn NonceSource> {
    let next = AtomicU64::new(seed);
    Arc::new(move || {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(&next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    })
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new("2026-01", Key::new([7; KEY_BYTES])))
}

fn with_keys(keys: &Arc<Keyring>) -> Codecs {
    let keys: Arc<dyn KeyProvider> = Arc::<Keyring>::clone(keys);
    Codecs::default().with_keys(&keys, &counting_nonces(0))
}

fn codec(codecs: &Codecs, name: &str) -> Arc<dyn Codec> {
    Arc::clone(&codecs.0[name])
}

fn decode_error(codecs: &Codecs, name: &str, bytes: &[u8]) -> String {
    codecs.decode(bytes, &codec_type_named(name)).map(|_| name.to_owned()).unwrap_err().to_string()
}

#[test]
fn codecs_have_their_registered_names() {
    let codecs = with_keys(&keyring());
    let names: Vec<&str> = codecs.names().collect();
    assert_eq!(
        names,
        [
            "",
            "application/x-gzip",
            "application/x-lz4",
            "application/x-snappy-framed",
            "application/x-xchacha20poly1305",
            "application/x-xchacha20poly1305+application/x-gzip",
            "application/x-xchacha20poly1305+application/x-lz4",
            "application/x-xchacha20poly1305+application/x-snappy-framed",
            "application/x-xchacha20poly1305+application/zstd",
            "application/zstd",
        ]
    );
    for name in names {
        assert_eq!(codecs.0[name].codec_type().name, name);
    }
    let error = decode_error(&Codecs::default(), "application/x-other", b"");
    assert!(error.contains("application/x-other") && error.contains(Gzip::NAME), "{error}");
    assert!(decode_error(&Codecs::default(), Encrypted::NAME, b"").contains("no keys"));
}

#[test]
fn payloads_round_trip_also_with_trailing_zero_bytes() {
    let codecs = Codecs::default();
    for name in PLAIN {
        for payload in [&b""[..], b"\0", b"\0\0\0\0", b"some payload", &[0; 100_000], &b"ab".repeat(70_000)] {
            let mut bytes = codec(&codecs, name).encode(payload).unwrap();
            assert_eq!(codecs.decode(&bytes, &codec_type_named(name)).unwrap(), payload, "{name}");
            bytes.extend_from_slice(&[0; 100]);
            assert_eq!(codecs.decode(&bytes, &codec_type_named(name)).unwrap(), payload, "{name}, padded");
        }
        assert_ne!(codec(&codecs, name).encode(&[0; 1000]).unwrap().len(), 1000, "{name} compresses");
    }
}

#[test]
fn a_decompression_bomb_is_rejected() {
    let codecs = with_keys(&keyring());
    let bomb = vec![0; MAX_DECODED_BYTES + 1];
    for name in PLAIN {
        let encoded = codec(&codecs, name).encode(&bomb).unwrap();
        assert!(decode_error(&codecs, name, &encoded).contains("larger than"), "{name}");
    }
    let largest = Zstd.encode(&bomb[1..]).unwrap();
    assert_eq!(codecs.decode(&largest, &codec_type_named(Zstd::NAME)).unwrap().len(), MAX_DECODED_BYTES);
    let sealed = format!("{}+{}", Encrypted::NAME, Zstd::NAME);
    let encoded = codec(&codecs, &sealed).encode(&bomb).unwrap();
    assert!(decode_error(&codecs, &sealed, &encoded).contains("larger than"));
}

#[test]
fn a_truncated_payload_is_rejected() {
    let codecs = Codecs::default();
    for name in PLAIN {
        // more than one block of each
        let payload: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).wrapping_mul(n).to_le_bytes()).collect();
        let whole = codec(&codecs, name).encode(&payload).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 50).chain(whole.len() - 20..whole.len()) {
            decode_error(&codecs, name, &whole[..cut]);
        }
    }
}

/// The library accepts a frame that is truncated exactly between two blocks.
#[test]
fn an_lz4_frame_truncated_between_blocks_is_rejected() {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let payload: Vec<u8> = (0..50_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    // as other implementations may write it: no sizes, no checksums
    let mut encoder =
        FrameEncoder::with_frame_info(FrameInfo::new().block_size(BlockSize::Max64KB), Vec::new());
    encoder.write_all(&payload).unwrap();
    let whole = encoder.finish().unwrap();
    assert_eq!(Codecs::default().decode(&whole, &codec_type_named(Lz4::NAME)).unwrap(), payload);
    let mut at = 4 + 2 + 1;
    let mut cuts = 0;
    while whole[at..at + 4] != [0; 4] {
        decode_error(&Codecs::default(), Lz4::NAME, &whole[..at]);
        let length = u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        at += 4 + length as usize;
        cuts += 1;
    }
    assert!(cuts > 1, "the test needs several blocks");
}

#[test]
fn a_snappy_length_must_match_the_elements() {
    // declares 64 MiB and has one byte
    let false_length = [0x80, 0x80, 0x80, 0x20, 0, b'x'];
    assert!(decode_error(&Codecs::default(), Snappy::NAME, &false_length).contains("add up"));
    // a block may be followed by zero bytes only
    let trailing = [&Snappy.encode(b"x").unwrap()[..], &[0, 1]].concat();
    assert!(decode_error(&Codecs::default(), Snappy::NAME, &trailing).contains("add up"));
}

#[test]
fn old_events_stay_readable_after_key_rotation() {
    let keys = keyring();
    let codecs = with_keys(&keys);
    let name = format!("{}+{}", Encrypted::NAME, Gzip::NAME);
    let old = codec(&codecs, &name).encode(b"before").unwrap();
    keys.rotate("2026-02", Key::new([8; KEY_BYTES])).unwrap();
    let new = codec(&codecs, &name).encode(b"after").unwrap();
    assert_eq!(codecs.decode(&old, &codec_type_named(&name)).unwrap(), b"before");
    assert_eq!(codecs.decode(&new, &codec_type_named(&name)).unwrap(), b"after");
    assert!(old.windows(7).any(|part| part == b"2026-01") && new.windows(7).any(|part| part == b"2026-02"));

    let new_only = Arc::new(Keyring::new("2026-02", Key::new([8; KEY_BYTES])));
    assert_eq!(with_keys(&new_only).decode(&new, &codec_type_named(&name)).unwrap(), b"after");
    let error = with_keys(&new_only).decode(&old, &codec_type_named(&name)).unwrap_err();
    assert!(matches!(&error, CodecError::Key(reason) if reason.contains("2026-01")), "{error}");
    let conflict = keys.rotate("2026-01", Key::new([9; KEY_BYTES])).unwrap_err().to_string();
    assert!(conflict.contains("2026-01"), "{conflict}");
    assert_eq!(keys.current_id().unwrap(), "2026-02");
}

#[test]
fn a_wrong_key_and_any_modified_byte_are_rejected() {
    let codecs = with_keys(&keyring());
    for name in [Encrypted::NAME.to_owned(), format!("{}+{}", Encrypted::NAME, Snappy::NAME)] {
        let sealed = codec(&codecs, &name).encode(b"some payload").unwrap();
        let wrong = Arc::new(Keyring::new("2026-01", Key::new([9; KEY_BYTES])));
        assert!(
            decode_error(&with_keys(&wrong), &name, &sealed)
                .contains("decryption with key \"2026-01\" failed")
        );
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                decode_error(&codecs, &name, &changed);
            }
            decode_error(&codecs, &name, &sealed[..at]);
        }
        decode_error(&codecs, &name, &[&sealed[..], &[0]].concat());
    }
    // encrypted without compression, decoded as if compressed
    let sealed = codec(&codecs, Encrypted::NAME).encode(&Gzip.encode(b"x").unwrap()).unwrap();
    assert!(
        decode_error(&codecs, &format!("{}+{}", Encrypted::NAME, Gzip::NAME), &sealed)
            .contains("decryption with key")
    );
}

#[test]
fn equal_payloads_have_different_ciphertexts() {
    let codecs = with_keys(&keyring());
    let (one, other) = (codec(&codecs, Encrypted::NAME), b"some payload");
    let (one, other) = (one.encode(other).unwrap(), one.encode(other).unwrap());
    assert_ne!(one, other);
    assert!(!one.windows(4).any(|part| part == b"some"));
    // layout, length of the id, id, nonce, payload, tag
    assert_eq!(one.len(), 1 + 1 + 7 + NONCE_BYTES + 12 + 16);
}

#[test]
fn the_cipher_is_xchacha20poly1305() {
    // draft-irtf-cfrg-xchacha-03, appendix A.3.1: our associated data differs, so the test calls the library
    use chacha20poly1305::aead::{Aead, Payload};
    use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
    let key: [u8; 32] = std::array::from_fn(|n| 0x80 + n as u8);
    let nonce: [u8; 24] = std::array::from_fn(|n| 0x40 + n as u8);
    let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
    let msg = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    let sealed =
        XChaCha20Poly1305::new(&key.into()).encrypt(&nonce.into(), Payload { msg, aad: &aad }).unwrap();
    assert_eq!(sealed[..8], [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]);
    assert_eq!(sealed[sealed.len() - 16..][..4], [0xc0, 0x87, 0x59, 0x24]);
}

#[test]
fn keys_are_not_printed() {
    let keys = Keyring::new("mine", Key::new([0xab; KEY_BYTES]));
    let text = format!("{keys:?} {:?}", Key::new([0xab; KEY_BYTES]));
    assert!(text.contains("mine") && !text.contains("171") && !text.contains("ab,"), "{text}");
}

#[test]
fn a_failing_provider_and_an_invalid_key_id_are_errors() {
    struct Down;
    impl KeyProvider for Down {
        fn current_id(&self) -> CodecResult<String> {
            Err(CodecError::Key("the key service does not answer".into()))
        }
        fn key(&self, _: &str) -> CodecResult<Option<Key>> {
            Ok(None)
        }
    }
    let down = Encrypted::new(NoCodec, Arc::new(Down), counting_nonces(0));
    assert!(down.encode(b"x").unwrap_err().to_string().contains("key service"));
    for id in [String::new(), "k".repeat(256)] {
        let keys = Arc::new(Keyring::new(id, Key::new([1; KEY_BYTES])));
        let error = Encrypted::new(NoCodec, keys, counting_nonces(0)).encode(b"x").unwrap_err().to_string();
        assert!(error.contains("1 to 255 bytes"), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_decoded_or_rejected(bytes: Vec<u8>) {
        let codecs = with_keys(&keyring());
        for name in codecs.names() {
            if let Ok(decoded) = codecs.decode(&bytes, &codec_type_named(name)) {
                prop_assert!(decoded.len() <= MAX_DECODED_BYTES);
            }
            let encoded = codec(&codecs, name).encode(&bytes).unwrap();
            prop_assert_eq!(&codecs.decode(&encoded, &codec_type_named(name)).unwrap(), &bytes, "{}", name);
        }
    }

    #[test]
    fn corrupt_payloads_are_decoded_or_rejected(payload: Vec<u8>, at: prop::sample::Index, byte: u8) {
        let codecs = Codecs::default();
        for name in PLAIN {
            let mut encoded = codec(&codecs, name).encode(&payload).unwrap();
            let at = at.index(encoded.len());
            encoded[at] = byte;
            let _ = codecs.decode(&encoded, &codec_type_named(name));
        }
    }
}
