//! Every codec: round trips, bounds, damage, padding; and the encrypting one's keys.

use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const PLAIN: [&str; 4] = [Gzip::NAME, Snappy::NAME, Lz4::NAME, Zstd::NAME];

/// Nonces that tests may know: a number that counts up from a seed.
fn counted(seed: u64) -> Arc<dyn Nonces> {
    let next = AtomicU64::new(seed);
    Arc::new(move || {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(&next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    })
}

fn ring() -> Arc<Keyring> {
    Arc::new(Keyring::new("2026-01", Key::new([7; KEY_BYTES])))
}

fn with_keys(keys: &Arc<Keyring>) -> Codecs {
    let keys: Arc<dyn KeyProvider> = Arc::<Keyring>::clone(keys);
    Codecs::default().with_keys(&keys, &counted(0))
}

fn codec(codecs: &Codecs, name: &str) -> Arc<dyn Codec> {
    Arc::clone(&codecs.0[name])
}

fn refusal(codecs: &Codecs, name: &str, bytes: &[u8]) -> String {
    codecs.decode(bytes, &named(name)).map(|_| name.to_owned()).unwrap_err().to_string()
}

#[test]
fn names_are_the_registrys() {
    let codecs = with_keys(&ring());
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
    let refused = refusal(&Codecs::default(), "application/x-other", b"");
    assert!(refused.contains("application/x-other") && refused.contains(Gzip::NAME), "{refused}");
    assert!(refusal(&Codecs::default(), Encrypted::NAME, b"").contains("no keys"));
}

#[test]
fn what_is_encoded_reads_back_also_with_zero_bytes_behind_it() {
    let codecs = Codecs::default();
    for name in PLAIN {
        for payload in [&b""[..], b"\0", b"\0\0\0\0", b"some payload", &[0; 100_000], &b"ab".repeat(70_000)] {
            let mut bytes = codec(&codecs, name).encode(payload).unwrap();
            assert_eq!(codecs.decode(&bytes, &named(name)).unwrap(), payload, "{name}");
            bytes.extend_from_slice(&[0; 100]);
            assert_eq!(codecs.decode(&bytes, &named(name)).unwrap(), payload, "{name}, padded");
        }
        assert_ne!(codec(&codecs, name).encode(&[0; 1000]).unwrap().len(), 1000, "{name} compresses");
    }
}

#[test]
fn a_payload_that_grows_too_large_is_refused() {
    let codecs = with_keys(&ring());
    let bomb = vec![0; MAX_DECODED_BYTES + 1];
    for name in PLAIN {
        let more = codec(&codecs, name).encode(&bomb).unwrap();
        assert!(refusal(&codecs, name, &more).contains("larger than"), "{name}");
    }
    let most = Zstd.encode(&bomb[1..]).unwrap();
    assert_eq!(codecs.decode(&most, &named(Zstd::NAME)).unwrap().len(), MAX_DECODED_BYTES);
    let sealed = format!("{}+{}", Encrypted::NAME, Zstd::NAME);
    let more = codec(&codecs, &sealed).encode(&bomb).unwrap();
    assert!(refusal(&codecs, &sealed, &more).contains("larger than"));
}

#[test]
fn a_payload_that_is_cut_is_refused() {
    let codecs = Codecs::default();
    for name in PLAIN {
        // more than one block of each
        let payload: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).wrapping_mul(n).to_le_bytes()).collect();
        let whole = codec(&codecs, name).encode(&payload).unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 50).chain(whole.len() - 20..whole.len()) {
            refusal(&codecs, name, &whole[..cut]);
        }
    }
}

/// LZ4's blocks are found by their lengths: a frame that ends exactly between two of them looks whole to the library.
#[test]
fn an_lz4_frame_cut_between_blocks_is_refused() {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let payload: Vec<u8> = (0..50_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    // as others may write it: no sizes, no checksums
    let mut encoder =
        FrameEncoder::with_frame_info(FrameInfo::new().block_size(BlockSize::Max64KB), Vec::new());
    encoder.write_all(&payload).unwrap();
    let whole = encoder.finish().unwrap();
    assert_eq!(Codecs::default().decode(&whole, &named(Lz4::NAME)).unwrap(), payload);
    let mut at = 4 + 2 + 1;
    let mut cuts = 0;
    while whole[at..at + 4] != [0; 4] {
        refusal(&Codecs::default(), Lz4::NAME, &whole[..at]);
        let length = u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        at += 4 + length as usize;
        cuts += 1;
    }
    assert!(cuts > 1, "one block shows nothing");
}

#[test]
fn a_snappy_length_is_believed_only_when_the_parts_add_up() {
    // 64 MiB are claimed, one byte is there
    let false_claim = [0x80, 0x80, 0x80, 0x20, 0, b'x'];
    assert!(refusal(&Codecs::default(), Snappy::NAME, &false_claim).contains("add up"));
    // behind a block there may be zero bytes, and nothing else
    let followed = [&Snappy.encode(b"x").unwrap()[..], &[0, 1]].concat();
    assert!(refusal(&Codecs::default(), Snappy::NAME, &followed).contains("add up"));
}

#[test]
fn keys_rotate_and_old_events_stay_readable() {
    let keys = ring();
    let codecs = with_keys(&keys);
    let name = format!("{}+{}", Encrypted::NAME, Gzip::NAME);
    let old = codec(&codecs, &name).encode(b"before").unwrap();
    keys.rotate("2026-02", Key::new([8; KEY_BYTES])).unwrap();
    let new = codec(&codecs, &name).encode(b"after").unwrap();
    assert_eq!(codecs.decode(&old, &named(&name)).unwrap(), b"before");
    assert_eq!(codecs.decode(&new, &named(&name)).unwrap(), b"after");
    assert!(old.windows(7).any(|part| part == b"2026-01") && new.windows(7).any(|part| part == b"2026-02"));

    let late = Arc::new(Keyring::new("2026-02", Key::new([8; KEY_BYTES])));
    assert_eq!(with_keys(&late).decode(&new, &named(&name)).unwrap(), b"after");
    let refused = with_keys(&late).decode(&old, &named(&name)).unwrap_err();
    assert!(matches!(&refused, CodecError::Key(why) if why.contains("2026-01")), "{refused}");
    let taken = keys.rotate("2026-01", Key::new([9; KEY_BYTES])).unwrap_err().to_string();
    assert!(taken.contains("2026-01"), "{taken}");
    assert_eq!(keys.current_id().unwrap(), "2026-02");
}

#[test]
fn a_wrong_key_and_any_changed_byte_are_refused() {
    let codecs = with_keys(&ring());
    for name in [Encrypted::NAME.to_owned(), format!("{}+{}", Encrypted::NAME, Snappy::NAME)] {
        let sealed = codec(&codecs, &name).encode(b"some payload").unwrap();
        let wrong = Arc::new(Keyring::new("2026-01", Key::new([9; KEY_BYTES])));
        assert!(refusal(&with_keys(&wrong), &name, &sealed).contains("does not open with key \"2026-01\""));
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                refusal(&codecs, &name, &changed);
            }
            refusal(&codecs, &name, &sealed[..at]);
        }
        refusal(&codecs, &name, &[&sealed[..], &[0]].concat());
    }
    // sealed without a compression, read as if there were one
    let sealed = codec(&codecs, Encrypted::NAME).encode(&Gzip.encode(b"x").unwrap()).unwrap();
    assert!(
        refusal(&codecs, &format!("{}+{}", Encrypted::NAME, Gzip::NAME), &sealed).contains("does not open")
    );
}

#[test]
fn no_two_events_are_alike_and_the_payload_is_not_in_them() {
    let codecs = with_keys(&ring());
    let (one, other) = (codec(&codecs, Encrypted::NAME), b"some payload");
    let (one, other) = (one.encode(other).unwrap(), one.encode(other).unwrap());
    assert_ne!(one, other);
    assert!(!one.windows(4).any(|part| part == b"some"));
    // layout, id's length, id, nonce, payload, tag
    assert_eq!(one.len(), 1 + 1 + 7 + NONCE_BYTES + 12 + 16);
}

#[test]
fn the_cipher_is_the_one_that_is_named() {
    // draft-irtf-cfrg-xchacha-03, appendix A.3.1, whose associated data ours cannot be: so the library is asked
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
fn secrets_are_not_shown() {
    let keys = Keyring::new("mine", Key::new([0xab; KEY_BYTES]));
    let shown = format!("{keys:?} {:?}", Key::new([0xab; KEY_BYTES]));
    assert!(shown.contains("mine") && !shown.contains("171") && !shown.contains("ab,"), "{shown}");
}

#[test]
fn a_providers_failure_and_an_impossible_id_are_said() {
    struct Down;
    impl KeyProvider for Down {
        fn current_id(&self) -> CodecResult<String> {
            Err(CodecError::Key("the key service does not answer".into()))
        }
        fn key(&self, _: &str) -> CodecResult<Option<Key>> {
            Ok(None)
        }
    }
    let down = Encrypted::new(NoCodec, Arc::new(Down), counted(0));
    assert!(down.encode(b"x").unwrap_err().to_string().contains("key service"));
    for id in [String::new(), "k".repeat(256)] {
        let keys = Arc::new(Keyring::new(id, Key::new([1; KEY_BYTES])));
        let refused = Encrypted::new(NoCodec, keys, counted(0)).encode(b"x").unwrap_err().to_string();
        assert!(refused.contains("1 to 255 bytes"), "{refused}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
        let codecs = with_keys(&ring());
        for name in codecs.names() {
            if let Ok(decoded) = codecs.decode(&bytes, &named(name)) {
                prop_assert!(decoded.len() <= MAX_DECODED_BYTES);
            }
            let encoded = codec(&codecs, name).encode(&bytes).unwrap();
            prop_assert_eq!(&codecs.decode(&encoded, &named(name)).unwrap(), &bytes, "{}", name);
        }
    }

    #[test]
    fn damaged_payloads_are_decoded_or_refused(payload: Vec<u8>, at: prop::sample::Index, byte: u8) {
        let codecs = Codecs::default();
        for name in PLAIN {
            let mut encoded = codec(&codecs, name).encode(&payload).unwrap();
            let at = at.index(encoded.len());
            encoded[at] = byte;
            let _ = codecs.decode(&encoded, &named(name));
        }
    }
}
